//! Bulk copies: what one thread starts, and the asynchronous proxy does.
//!
//! A copy is done when it starts, but is a step of whatever it is waited for with: of the mbarrier that
//! counts its bytes, or of its thread's groups. So whoever touches the bytes without having waited is
//! caught, whenever that is.

mod arrival;
mod copy;
mod groups;
mod tensor;

pub(super) use arrival::Place;
pub(crate) use groups::Groups;

use super::decode::Text;
use crate::error::LoadError;
use crate::exec::clock::Epoch;
use crate::exec::{Cx, Stop};
use crate::fault::FaultKind;
use crate::memory::Access;
use crate::ptx::Type;

#[derive(Clone, Debug)]
pub(crate) enum Bulk {
    Copy(copy::Copy),
    Tensor(tensor::Tensor),
    Group(groups::Group),
}

/// What copies are started in multiples of, and addresses are multiples of.
const UNIT: u32 = 16;

/// Modifiers that are not simulated, and whose they are.
const UNKNOWN: [(&str, &str); 5] = [
    ("cp_mask", "Blackwell's"),
    ("im2col::w", "Blackwell's"),
    ("im2col", "of convolutions"),
    ("im2col_no_offs", "of convolutions"),
    ("ignore_oob", "of PTX 9.2"),
];

impl Bulk {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let named = |name: &str| {
            text.modifiers().any(|part| {
                let rest = part.strip_prefix(name);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
            })
        };
        if let Some((name, whose)) = UNKNOWN.iter().find(|(name, _)| named(name)) {
            return Err(text.refuse(format!(".{name} is {whose}, and not simulated")));
        }
        let reduces = text.eat("reduce");
        if !(text.eat("async") && text.eat("bulk")) {
            return Err(text.refuse("expected .async.bulk"));
        }
        match text.peek() {
            Some("commit_group" | "wait_group") if !reduces => {
                Ok(Self::Group(groups::Group::decode(text)?))
            }
            Some("tensor") => Ok(Self::Tensor(tensor::Tensor::decode(text, reduces)?)),
            Some("prefetch") if !reduces => {
                text.eat("prefetch");
                match text.peek() {
                    Some("tensor") => Ok(Self::Tensor(tensor::Tensor::decode_prefetch(text)?)),
                    _ => Ok(Self::Copy(copy::Copy::decode_prefetch(text)?)),
                }
            }
            _ => Ok(Self::Copy(copy::Copy::decode(text, reduces)?)),
        }
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match self {
            Self::Copy(copy) => copy.execute(cx, mask),
            Self::Tensor(tensor) => tensor.execute(cx, mask),
            Self::Group(group) => {
                group.execute(cx, mask);
                Ok(())
            }
        }
    }
}

/// Takes the hint about caches, and checks the number of operands: so many, and the hint's.
fn finish(text: &Text, operands: usize) -> Result<(), LoadError> {
    let hinted = text.eat("L2::cache_hint");
    text.finish(operands + usize::from(hinted))?;
    if hinted {
        text.source(operands, Type::B64)?;
    }
    Ok(())
}

fn expect(text: &Text, modifier: &str) -> Result<(), LoadError> {
    match text.eat(modifier) {
        true => Ok(()),
        false => Err(text.refuse(format!("expected .{modifier}"))),
    }
}

/// Reads a run of the block's own shared memory for a lane's copy, as a step of `reader`.
fn read_own(cx: &mut Cx, lane: usize, run: Access, reader: Epoch) -> Result<Vec<u8>, FaultKind> {
    let (shared, by) = cx.block.shared_by(cx.warp.index, lane);
    shared.check_run(run)?;
    Ok(shared.read_async(run, reader, by)?.to_vec())
}
