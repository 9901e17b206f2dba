//! What a kernel can be caught at.

use std::fmt;

/// A kernel did what it must not do, or what this simulator cannot vouch for. The launch is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kernel.
    pub kernel: String,
    /// The line of the PTX, counted from 1.
    pub line: u32,
    /// The instruction there.
    pub text: String,
    /// The block in the grid.
    pub block: [u32; 3],
    /// The thread in its block: the first of those at fault.
    pub thread: [u32; 3],
    /// What it did.
    pub kind: Box<FaultKind>,
}

/// Which rule was broken. Addresses are as the instruction gives them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// An access outside of every allocation, or past the end of one.
    OutOfBounds {
        /// The state space.
        space: &'static str,
        /// The first byte.
        address: u64,
        /// Bytes that were to be accessed.
        bytes: u32,
        /// The nearest allocation below: its start and length.
        near: Option<(u64, u64)>,
    },
    /// An access to an allocation that has been freed.
    UseAfterFree {
        /// The first byte.
        address: u64,
    },
    /// An address that is not a multiple of the access's size.
    Misaligned {
        /// The state space.
        space: &'static str,
        /// The first byte.
        address: u64,
        /// What it must be a multiple of.
        alignment: u32,
    },
    /// A read of memory that nothing has written.
    UninitializedMemory {
        /// The state space.
        space: &'static str,
        /// The first byte that was not written.
        address: u64,
    },
    /// A read of a register that nothing has written.
    UninitializedRegister {
        /// Its name in the PTX.
        register: String,
    },
    /// An access to a register that a `wgmma.mma_async` which has not been waited for uses: an accumulator,
    /// or part of A. Products of one shape may have accumulators in common, all or none. Or to one that a
    /// `tcgen05.ld` loads which has not been waited for.
    InFlightRegister {
        /// Its name in the PTX.
        register: String,
    },
    /// A `wgmma.mma_async` uses a register that something else has used since the last `wgmma.fence`, or
    /// there has been none at all.
    MissingWgmmaFence {
        /// Its name in the PTX.
        register: String,
    },
    /// A thread exits while a `wgmma.mma_async` of its warp has not been waited for.
    ExitInFlight,
    /// The warps of a warpgroup do not execute the same `wgmma` or `setmaxnreg` instructions in the same
    /// order, each with the same descriptors and `scale-d`.
    WarpgroupMismatch {
        /// Another warp of the warpgroup.
        warp: u32,
        /// The line of what it has executed here; `None` if it has exited without, or is missing.
        line: Option<u32>,
    },
    /// A `setmaxnreg` while another warp of the warpgroup is not known to have executed its last one.
    UnsynchronizedWarpgroup {
        /// That warp.
        warp: u32,
    },
    /// `setmaxnreg.inc` waits for registers that no other warp of the block gives up any more.
    RegistersNotReleased {
        /// Registers that each thread of the warp waits for.
        more: u32,
        /// How many it could have.
        spare: u32,
    },
    /// Two accesses to a byte, one of them a write, that nothing orders.
    Race {
        /// The state space.
        space: &'static str,
        /// The byte.
        address: u64,
        /// Who came first: `warp 3` or `warp 3 of block 1 of the cluster` in shared memory, `block 7` in
        /// global memory.
        other: String,
        /// What it did and this one does: `write after read`, for example.
        order: String,
    },
    /// A launch that may begin before the one before it has ended touches what an earlier launch has, one
    /// of them to write, and nothing says that that one has ended: `griddepcontrol.wait` would.
    EarlyAccess {
        /// The byte of global memory.
        address: u64,
        /// The kernel of the earlier launch.
        kernel: String,
        /// What it did and this one does: `read after write`, for example.
        order: String,
    },
    /// An access to shared memory that an asynchronous copy writes, by a thread that has not waited for
    /// that, and that nobody has told who did.
    PendingCopy {
        /// The byte.
        address: u64,
    },
    /// A thread exits while a bulk copy that it started may still read the block's shared memory, as it
    /// has not waited for the copy's group, by `cp.async.bulk.wait_group.read` at least.
    UnfinishedCopy {
        /// Whether the group was committed, so that there was something to wait for.
        committed: bool,
    },
    /// A plain access to an mbarrier, which is opaque until it is made invalid.
    OpaqueMbarrier {
        /// Where it starts.
        address: u64,
    },
    /// The asynchronous proxy meets what was written through the generic one, with no
    /// `fence.proxy.async` between.
    MissingProxyFence {
        /// The state space.
        space: &'static str,
        /// The byte.
        address: u64,
    },
    /// A column of tensor memory is used that is not allocated.
    UnallocatedColumn {
        /// The column.
        column: u32,
        /// Whether it has been allocated before.
        freed: bool,
    },
    /// A warp accesses lanes of tensor memory that are another's of its warpgroup.
    ForeignLanes {
        /// The first lane that it accesses.
        lane: u32,
        /// The first of the 32 that it may.
        own: u32,
    },
    /// Two uses of a cell of tensor memory, one of them a write, of which the first may not be complete, and
    /// which do not come in order by themselves.
    TensorRace {
        /// The cell's lane.
        lane: u32,
        /// Its column.
        column: u32,
        /// What came first, and whose it was: `tcgen05.mma of warp 0`.
        other: String,
        /// What it did and this one does: `read after write`, for example.
        order: String,
    },
    /// An operation on tensor memory comes after another that is complete, but with no `tcgen05.fence` that
    /// would make sure of it.
    MissingTensorFence {
        /// The cell's lane.
        lane: u32,
        /// Its column.
        column: u32,
        /// What came first, and whose it was.
        other: String,
        /// The fence that is missing: `before_thread_sync` in the thread of that one, or `after_thread_sync` in
        /// this one.
        fence: &'static str,
    },
    /// The last thread of a block exits, and columns of tensor memory are allocated still.
    LeakedColumns {
        /// How many.
        columns: u32,
    },
    /// `tcgen05.alloc` after a thread of the block has executed `tcgen05.relinquish_alloc_permit`.
    RelinquishedPermit,
    /// `tcgen05.alloc` waits for columns that no other warp of the block gives back any more.
    ColumnsNotReleased {
        /// How many it waits for.
        columns: u32,
        /// How many are allocated, of 512.
        taken: u32,
    },
    /// What both blocks of a pair do together is done by one alone.
    PeerMissing {
        /// The other's rank in the cluster.
        rank: u32,
    },
    /// A descriptor of a `tcgen05` instruction has a field that means nothing, or nothing that is simulated.
    MalformedDescriptor {
        /// All of it.
        bits: u64,
        /// What is wrong with it.
        field: &'static str,
    },
    /// An access to shared or tensor memory of a block of the cluster that has exited.
    ExitedBlock {
        /// Its rank in the cluster.
        rank: u32,
    },
    /// An access to shared or tensor memory of a block of the cluster that may not have begun: no barrier of the
    /// cluster, nor anything that the block has told, came before.
    UnstartedBlock {
        /// Its rank in the cluster.
        rank: u32,
    },
    /// A request for a cluster by `clusterlaunchcontrol.try_cancel`, of a block that knows already that one has
    /// failed.
    RequestAfterFailure,
    /// A cluster ends, and none of its threads has waited for the response to a request for another by
    /// `clusterlaunchcontrol.try_cancel`. If it was granted nobody does that one's work.
    UnseenResponse {
        /// Whether it was.
        granted: bool,
    },
    /// An instruction that all threads of a warp must execute together was reached by some alone.
    Divergent {
        /// The lanes that reached it.
        lanes: u32,
        /// The lanes that it expects.
        expected: u32,
    },
    /// A barrier waits for threads that have exited or wait elsewhere.
    BarrierNotReached {
        /// The barrier; `None` for that of the cluster.
        barrier: Option<u32>,
        /// Threads that have arrived.
        arrived: u32,
        /// Threads that it expects.
        expected: u32,
    },
    /// An mbarrier waits for arrivals or bytes that cannot come any more.
    MbarrierNotReached {
        /// The rank in its cluster of the block that has it.
        rank: u32,
        /// Where it starts in shared memory.
        address: u64,
        /// Its phase, from 0.
        phase: u64,
        /// Arrivals that it waits for.
        arrivals: u32,
        /// Bytes that it waits for.
        bytes: i64,
    },
    /// No warp of a block can go on, or none has made progress for long.
    Deadlock,
    /// The kernel stopped itself.
    Trap,
    /// An operand's value is outside of what the instruction takes.
    InvalidOperand {
        /// What is wrong.
        what: String,
    },
}

impl FaultKind {
    /// The kind's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OutOfBounds { .. } => "out of bounds",
            Self::UseAfterFree { .. } => "use after free",
            Self::Misaligned { .. } => "misaligned access",
            Self::UninitializedMemory { .. } => "uninitialised memory",
            Self::UninitializedRegister { .. } => "uninitialised register",
            Self::InFlightRegister { .. } => "register in flight",
            Self::MissingWgmmaFence { .. } => "missing wgmma fence",
            Self::ExitInFlight => "exit in flight",
            Self::WarpgroupMismatch { .. } => "warpgroup mismatch",
            Self::UnsynchronizedWarpgroup { .. } => "unsynchronised warpgroup",
            Self::RegistersNotReleased { .. } => "registers not released",
            Self::Race { .. } => "race",
            Self::EarlyAccess { .. } => "early access",
            Self::PendingCopy { .. } => "pending copy",
            Self::UnfinishedCopy { .. } => "unfinished copy",
            Self::OpaqueMbarrier { .. } => "opaque mbarrier",
            Self::MissingProxyFence { .. } => "missing proxy fence",
            Self::UnallocatedColumn { .. } => "unallocated column",
            Self::ForeignLanes { .. } => "foreign lanes",
            Self::TensorRace { .. } => "tensor memory race",
            Self::MissingTensorFence { .. } => "missing tcgen05 fence",
            Self::LeakedColumns { .. } => "leaked columns",
            Self::RelinquishedPermit => "relinquished permit",
            Self::ColumnsNotReleased { .. } => "columns not released",
            Self::PeerMissing { .. } => "peer missing",
            Self::MalformedDescriptor { .. } => "malformed descriptor",
            Self::ExitedBlock { .. } => "exited block",
            Self::UnstartedBlock { .. } => "unstarted block",
            Self::RequestAfterFailure => "request after failure",
            Self::UnseenResponse { .. } => "unseen response",
            Self::Divergent { .. } => "divergent collective",
            Self::BarrierNotReached { .. } => "barrier not reached",
            Self::MbarrierNotReached { .. } => "mbarrier not reached",
            Self::Deadlock => "deadlock",
            Self::Trap => "trap",
            Self::InvalidOperand { .. } => "invalid operand",
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds { space, address, bytes, near } => {
                write!(f, "{bytes} bytes of {space} memory at {address:#x} are out of bounds")?;
                match near {
                    Some((start, len)) => {
                        write!(f, "; the allocation below starts at {start:#x} and has {len} bytes")
                    }
                    None => Ok(()),
                }
            }
            Self::UseAfterFree { address } => write!(f, "{address:#x} has been freed"),
            Self::Misaligned { space, address, alignment } => {
                write!(f, "{space} address {address:#x} is no multiple of {alignment}")
            }
            Self::UninitializedMemory { space, address } => {
                write!(f, "nothing has written the byte of {space} memory at {address:#x}")
            }
            Self::UninitializedRegister { register } => {
                write!(f, "nothing has written register {register}")
            }
            Self::InFlightRegister { register } => {
                write!(
                    f,
                    "a wgmma or a tcgen05.ld that has not been waited for uses register {register}"
                )
            }
            Self::MissingWgmmaFence { register } => {
                write!(
                    f,
                    "no wgmma.fence comes between this and what else has used register {register}"
                )
            }
            Self::ExitInFlight => f.write_str("a wgmma of the warp has not been waited for"),
            Self::WarpgroupMismatch { warp, line: Some(line) } => write!(
                f,
                "warp {warp} of the warpgroup has executed line {line} here, or the same with other \
                 operands"
            ),
            Self::WarpgroupMismatch { warp, line: None } => {
                write!(f, "warp {warp} of the warpgroup is not there, and has not executed this")
            }
            Self::UnsynchronizedWarpgroup { warp } => write!(
                f,
                "nothing orders this after the last setmaxnreg of warp {warp} of the warpgroup"
            ),
            Self::RegistersNotReleased { more, spare } => write!(
                f,
                "each thread waits for {more} registers more, and there are {spare}; no other warp gives \
                 up any"
            ),
            Self::Race { space, address, other, order } => {
                write!(
                    f,
                    "{order} at {space} address {address:#x}, which nothing orders with {other}"
                )
            }
            Self::EarlyAccess { address, kernel, order } => write!(
                f,
                "{order} at global address {address:#x}, and the earlier launch of {kernel} may not have \
                 ended: its end has not been waited for by griddepcontrol.wait, or by a launch between that \
                 would have had to"
            ),
            Self::PendingCopy { address } => {
                write!(f, "the copy to shared address {address:#x} has not been waited for")
            }
            Self::UnfinishedCopy { committed } => write!(
                f,
                "the thread exits while its bulk copy may still read shared memory: {}",
                match committed {
                    true => "it has not waited for the copy's group",
                    false => "the copy is in no committed group",
                }
            ),
            Self::OpaqueMbarrier { address } => {
                write!(f, "a plain access to the mbarrier at shared address {address:#x}")
            }
            Self::MissingProxyFence { space, address } => write!(
                f,
                "the generic proxy wrote {space} address {address:#x}, and no proxy fence came before \
                 the asynchronous proxy meets it"
            ),
            Self::UnallocatedColumn { column, freed } => write!(
                f,
                "column {column} of tensor memory {}",
                if *freed { "has been deallocated" } else { "is not allocated" }
            ),
            Self::ForeignLanes { lane, own } => write!(
                f,
                "lane {lane} of tensor memory, of which the warp may access lanes {own} to {} alone",
                own + 31
            ),
            Self::TensorRace { lane, column, other, order } => write!(
                f,
                "{order} in lane {lane}, column {column} of tensor memory, while the {other} may not be \
                 complete"
            ),
            Self::MissingTensorFence { lane, column, other, fence } => write!(
                f,
                "no tcgen05.fence::{fence} orders this behind the {other} in lane {lane}, column {column} of \
                 tensor memory"
            ),
            Self::LeakedColumns { columns } => write!(
                f,
                "the block's last thread exits, and {columns} columns of tensor memory are not deallocated"
            ),
            Self::RelinquishedPermit => {
                f.write_str("the block has relinquished its permit to allocate tensor memory")
            }
            Self::ColumnsNotReleased { columns, taken } => write!(
                f,
                "{columns} columns of tensor memory are waited for, and {taken} of 512 are allocated; no other \
                 warp of the block gives back any"
            ),
            Self::PeerMissing { rank } => write!(
                f,
                "block {rank} of the cluster does not come to what both of a pair do together"
            ),
            Self::MalformedDescriptor { bits, field } => {
                write!(f, "descriptor {bits:#x}: {field}")
            }
            Self::ExitedBlock { rank } => {
                write!(f, "memory of block {rank} of the cluster, which has exited")
            }
            Self::UnstartedBlock { rank } => write!(
                f,
                "memory of block {rank} of the cluster, and nothing says that it has begun; a \
                 barrier of the cluster would"
            ),
            Self::RequestAfterFailure => f.write_str(
                "the block has seen that a request for a cluster has failed, and makes another",
            ),
            Self::UnseenResponse { granted } => write!(
                f,
                "no thread of the cluster has waited for the response, by which another is {}",
                if *granted { "taken that nobody runs now" } else { "not taken" }
            ),
            Self::Divergent { lanes, expected } => {
                write!(f, "reached by lanes {lanes:#010x}, expected {expected:#010x} together")
            }
            Self::BarrierNotReached { barrier, arrived, expected } => {
                write!(f, "{arrived} of {expected} threads are at ")?;
                match barrier {
                    Some(barrier) => write!(f, "barrier {barrier}")?,
                    None => f.write_str("the cluster's barrier")?,
                }
                f.write_str("; no other can come")
            }
            Self::MbarrierNotReached { rank, address, phase, arrivals, bytes } => write!(
                f,
                "phase {phase} of the mbarrier at shared address {address:#x} of block {rank} of the \
                 cluster waits for {arrivals} arrivals and {bytes} bytes; no other can come"
            ),
            Self::Deadlock => f.write_str("no warp of the block can go on, or makes progress"),
            Self::Trap => f.write_str("the kernel stopped itself"),
            Self::InvalidOperand { what } => f.write_str(what),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, line, text, block, thread, kind } = self;
        write!(
            f,
            "{}: {kind}\n  in {kernel}, PTX line {line}: {text}\n  block {block:?}, thread {thread:?}",
            kind.name()
        )
    }
}

impl std::error::Error for Fault {}
