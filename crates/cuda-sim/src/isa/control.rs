//! Branches and ends.

use super::decode::Text;
use crate::error::LoadError;
use crate::exec::{Flow, Stop};
use crate::fault::FaultKind;

#[derive(Clone, Debug)]
pub(crate) enum Control {
    Branch(u32),
    Exit,
    Trap,
    /// Nothing that anybody could see: `nanosleep`.
    Nothing,
}

impl Control {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        match text.mnemonic() {
            "bra" => {
                text.eat("uni");
                text.finish(1)?;
                Ok(Self::Branch(text.label(0)?))
            }
            // A kernel returns to nobody.
            "ret" | "exit" => {
                text.eat("uni");
                text.finish(0)?;
                Ok(Self::Exit)
            }
            "trap" => {
                text.finish(0)?;
                Ok(Self::Trap)
            }
            "nanosleep" => {
                text.eat("u32");
                text.finish(1)?;
                Ok(Self::Nothing)
            }
            _ => Err(text.refuse("not simulated")),
        }
    }

    pub(super) fn execute(&self, mask: u32) -> Result<Flow, Stop> {
        match self {
            Self::Branch(target) => Ok(Flow::Jump(*target)),
            Self::Exit => Ok(Flow::Exit),
            Self::Trap => Err(Stop { lane: mask.trailing_zeros(), kind: FaultKind::Trap }),
            Self::Nothing => Ok(Flow::Next),
        }
    }
}
