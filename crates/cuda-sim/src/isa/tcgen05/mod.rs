//! Blackwell's matrices in tensor memory: `tcgen05`.
//!
//! Each operation is done when it is issued, and is a step of whatever it is waited for with: of a warp's loads or
//! stores, or of a thread's commits. So whoever touches what it uses without having waited is caught, whenever
//! that is.

mod allocation;
mod commit;
mod copy;
mod datapath;
mod fragment;
mod instruction;
mod matrices;
mod multiply;
mod order;
mod source;
mod steps;
mod transfer;

pub(crate) use steps::Steps;

use super::decode::Text;
use super::program::Source;
use crate::error::LoadError;
use crate::exec::{Cx, Flow, LANES, Stop};
use crate::fault::FaultKind;
use crate::memory::TensorMemory;
use crate::ptx::Type;

#[derive(Clone, Debug)]
pub(crate) enum Tcgen05 {
    Allocation(allocation::Allocation),
    Transfer(transfer::Transfer),
    Multiply(Box<multiply::Multiply>),
    Copy(copy::Copy),
    Commit(commit::Commit),
    Order(order::Order),
}

/// `.cta_group`: whose tensor memory is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The block's own.
    One,
    /// That of the two blocks whose ranks differ in the last bit.
    Two,
}

impl Group {
    fn decode(text: &Text) -> Result<Self, LoadError> {
        let group = text.one_of(&[("cta_group::1", Self::One), ("cta_group::2", Self::Two)]);
        group.ok_or_else(|| text.refuse("expected .cta_group::1 or .cta_group::2"))
    }

    /// The ranks of the blocks that are meant by one of them: ascending.
    fn ranks(self, own: u32) -> Vec<u32> {
        match self {
            Self::One => vec![own],
            Self::Two => vec![own & !1, own | 1],
        }
    }
}

impl Tcgen05 {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        match text.peek().unwrap_or_default() {
            "alloc" | "dealloc" | "relinquish_alloc_permit" => {
                Ok(Self::Allocation(allocation::Allocation::decode(text)?))
            }
            "ld" | "st" => Ok(Self::Transfer(transfer::Transfer::decode(text)?)),
            "mma" => Ok(Self::Multiply(Box::new(multiply::Multiply::decode(text)?))),
            "cp" | "shift" => Ok(Self::Copy(copy::Copy::decode(text)?)),
            "commit" => Ok(Self::Commit(commit::Commit::decode(text)?)),
            "wait::ld" | "wait::st" | "fence::before_thread_sync" | "fence::after_thread_sync" => {
                Ok(Self::Order(order::Order::decode(text)?))
            }
            _ => Err(text.refuse("not simulated")),
        }
    }

    /// The blocks that it is of, where it says so. All of a kernel's say the same.
    pub(super) fn group(&self) -> Option<Group> {
        match self {
            Self::Allocation(allocation) => Some(allocation.group),
            Self::Multiply(multiply) => Some(multiply.group),
            Self::Copy(copy) => Some(copy.group),
            Self::Commit(commit) => Some(commit.group),
            Self::Transfer(_) | Self::Order(_) => None,
        }
    }

    /// Whether it loads registers, which are in flight until they are waited for.
    pub(super) fn loads_registers(&self) -> bool {
        matches!(self, Self::Transfer(transfer) if transfer.loads())
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        match self {
            Self::Allocation(op) => return op.execute(cx, mask),
            Self::Transfer(op) => op.execute(cx, mask)?,
            Self::Multiply(op) => op.execute(cx, mask)?,
            Self::Copy(op) => op.execute(cx, mask)?,
            Self::Commit(op) => op.execute(cx, mask)?,
            Self::Order(op) => op.execute(cx, mask)?,
        }
        Ok(Flow::Next)
    }
}

/// `.sync.aligned`
fn aligned(text: &Text) -> Result<(), LoadError> {
    match text.eat("sync") && text.eat("aligned") {
        true => Ok(()),
        false => Err(text.refuse("expected .sync.aligned")),
    }
}

/// `.b32`, and nothing after it.
fn words(text: &Text, operands: usize) -> Result<(), LoadError> {
    if !text.eat("b32") {
        return Err(text.refuse("expected .b32"));
    }
    text.finish(operands)
}

/// A value that all lanes of a warp agree on.
fn agreed(values: [u64; LANES], what: &str) -> Result<u32, Stop> {
    match values.iter().position(|other| *other != values[0]) {
        None => Ok(values[0] as u32),
        Some(lane) => {
            let what = format!("{what} {:#x}, in lane 0 {:#x}", values[lane], values[0]);
            Err(Stop { lane: lane as u32, kind: FaultKind::InvalidOperand { what } })
        }
    }
}

/// A number of columns to be allocated or given back, as ptxas takes it.
fn count_of_columns(text: &Text, index: usize) -> Result<Source, LoadError> {
    let source = word(text, index)?;
    match source {
        Source::Immediate(count) if !TensorMemory::is_count(count as u32) => {
            Err(text.refuse("the number of columns is a power of two from 32 to 512"))
        }
        _ => Ok(source),
    }
}

/// A number of columns, which all lanes of a warp agree on.
fn columns(cx: &Cx, source: Source) -> Result<u32, Stop> {
    agreed(cx.warp.word(source, u32::MAX)?.map(u64::from), "a number of columns")
}

/// Where an operand of 32 bits comes from.
fn word(text: &Text, index: usize) -> Result<Source, LoadError> {
    text.source(index, Type::B32)
}

/// A descriptor has a field that means nothing.
fn malformed(bits: u64, field: &'static str) -> FaultKind {
    FaultKind::MalformedDescriptor { bits, field }
}

/// What all lanes of a warp do together fails.
fn refuse(kind: FaultKind) -> Stop {
    Stop { lane: 0, kind }
}
