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
    /// Two accesses to a byte, one of them a write, that nothing orders.
    Race {
        /// The state space.
        space: &'static str,
        /// The byte.
        address: u64,
        /// Who came first: `warp 3` in shared memory, `block 7` in global memory.
        other: String,
        /// What it did and this one does: `write after read`, for example.
        order: String,
    },
    /// An access to shared memory that an asynchronous copy still writes.
    PendingCopy {
        /// The byte.
        address: u64,
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
        /// The barrier.
        barrier: u32,
        /// Threads that have arrived.
        arrived: u32,
        /// Threads that it expects.
        expected: u32,
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
            Self::Race { .. } => "race",
            Self::PendingCopy { .. } => "pending copy",
            Self::Divergent { .. } => "divergent collective",
            Self::BarrierNotReached { .. } => "barrier not reached",
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
            Self::Race { space, address, other, order } => {
                write!(
                    f,
                    "{order} at {space} address {address:#x}, which nothing orders with {other}"
                )
            }
            Self::PendingCopy { address } => {
                write!(f, "the copy to shared address {address:#x} has not been waited for")
            }
            Self::Divergent { lanes, expected } => {
                write!(f, "reached by lanes {lanes:#010x}, expected {expected:#010x} together")
            }
            Self::BarrierNotReached { barrier, arrived, expected } => {
                write!(
                    f,
                    "{arrived} of {expected} threads are at barrier {barrier}; no other can come"
                )
            }
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
