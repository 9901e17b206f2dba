//! Execution of a grid: clusters in parallel over the processor's cores, the warps of a cluster in turn.
//!
//! Of a warp's lanes that stand at different instructions those at the lowest go first, so that arms of a
//! branch meet again where they join. At an instruction that a warp executes together they wait for one
//! another, and it is a fault if some never come. A warp runs until it waits or its turn is over; turns go
//! round in order, or at random under a seed, so that a missing barrier shows.

mod block;
pub(crate) mod clock;
mod cluster;
mod grid;
mod holds;
mod pending;
mod random;
mod stream;
mod warp;
mod warpgroup;

pub(crate) use grid::launch;
pub use grid::{Launch, Order};
pub(crate) use holds::Role;
pub(crate) use pending::Pending;
pub(crate) use stream::Earlier;
pub use stream::Stream;
pub(crate) use warp::{LANES, Lanes, Warp, lanes};
pub(crate) use warpgroup::WARPS;

use std::sync::atomic::AtomicU32;

use self::block::Block;
use self::cluster::{Cluster, Siblings};
use self::stream::{Overlap, Steps};
use crate::fault::FaultKind;
use crate::isa::Register;
use crate::memory::GlobalMemory;

/// What an instruction works on.
pub(crate) struct Cx<'a, 'k> {
    pub(crate) warp: &'a mut Warp<'k>,
    pub(crate) block: &'a mut Block,
    pub(crate) siblings: Siblings<'a>,
    pub(crate) cluster: &'a mut Cluster,
    /// Clusters of the grid that this one may take the place of.
    pub(crate) pending: &'a mut Pending,
    pub(crate) global: &'a GlobalMemory,
    pub(crate) launch: &'a Launched<'a>,
}

/// What all blocks of a launch share.
#[derive(Debug)]
pub(crate) struct Launched<'a> {
    /// Tells launches apart.
    pub(crate) number: u32,
    /// Those of the device.
    pub(crate) multiprocessors: u32,
    pub(crate) parameters: &'a [u8],
    /// How many releases there have been.
    pub(crate) releases: AtomicU32,
    /// The first time, counted in releases, with no proxy fence for global memory behind it.
    pub(crate) unfenced: AtomicU32,
    /// How often something has changed that a thread may wait for.
    pub(crate) progress: AtomicU32,
    /// The launches that may run at the same time, and what this one does about that.
    overlap: Overlap,
    steps: Steps,
}

impl Launched<'_> {
    /// The launches that may run when a thread has, or has not, waited for the one before.
    pub(crate) fn running(&self, waited: impl FnOnce() -> bool) -> &[Earlier] {
        if !self.overlap.before.is_empty() && waited() {
            return &self.overlap.after;
        }
        &self.overlap.before
    }
}

/// Where lanes go from an instruction.
#[derive(Clone, Debug)]
pub(crate) enum Flow {
    Next,
    /// To another instruction.
    Jump(u32),
    /// Some lanes each to other instructions.
    Scatter(Vec<(u32, u32)>),
    Exit,
    /// Into a function, which starts at an instruction.
    Call(u32),
    /// Back to where the function was called from.
    Return,
    /// On, once the barrier has completed this many phases.
    Wait {
        barrier: u32,
        phase: u64,
        reply: Option<Reply>,
    },
    /// Nowhere: the same instruction again, after this event at the earliest.
    Until(Event),
    /// On, after the others have had a turn: nothing has come of what the thread looked for.
    Yield,
}

/// What a warp waits for: that so many phases of something are complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A barrier of its block.
    Barrier { barrier: usize, phase: u64 },
    /// The barrier of its cluster.
    Cluster { phase: u64 },
    /// That phase of an mbarrier.
    Mbarrier(PhaseOf),
    /// So many registers of each thread more, from those that other warps of its block have given up.
    Registers { more: u32 },
    /// So many free columns of its block's tensor memory.
    Columns { columns: u32 },
    /// That step of what a block of its cluster does together with its own.
    Peer { rank: u32, step: usize },
}

/// A phase of an mbarrier, counted from 0, in the shared memory of a block of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PhaseOf {
    pub(crate) rank: u32,
    pub(crate) address: u64,
    pub(crate) phase: u64,
}

/// What a barrier tells those who waited at it of the predicates they came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) to: Register,
    pub(crate) function: Reduction,
    pub(crate) lanes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// How many hold.
    Count,
    All,
    Any,
}

/// Why execution stops, and for which lane.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    pub(crate) lane: u32,
    pub(crate) kind: FaultKind,
}

/// Where a block stands in its grid, and what it was given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The block's number, x fastest.
    pub(crate) index: u32,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    /// The extents of its cluster in blocks, and its rank there.
    pub(crate) cluster: [u32; 3],
    pub(crate) rank: u32,
    pub(crate) dynamic_shared: u32,
    pub(crate) total_shared: u32,
    /// The device's multiprocessors, and the launch's number.
    pub(crate) multiprocessors: u32,
    pub(crate) launch: u32,
}

/// The `index`-th of all positions in a box, x fastest.
pub(crate) fn unflatten(index: u32, extents: [u32; 3]) -> [u32; 3] {
    let [x, y, _] = extents;
    [index % x, index / x % y, index / x / y]
}
