//! Branches and ends.

use super::decode::Text;
use super::program::Source;
use crate::error::LoadError;
use crate::exec::{Cx, Flow, Stop, lanes};
use crate::fault::FaultKind;
use crate::ptx::Type;

#[derive(Clone, Debug)]
pub(crate) enum Control {
    Branch(u32),
    /// `brx.idx`: to one of several, by number.
    Choose {
        by: Source,
        targets: Vec<u32>,
    },
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
            "brx" => {
                if !text.eat("idx") {
                    return Err(text.refuse("expected .idx"));
                }
                text.eat("uni");
                text.finish(2)?;
                Ok(Self::Choose { by: text.source(0, Type::U32)?, targets: text.targets(1)? })
            }
            // A kernel returns to nobody.
            "ret" | "exit" => {
                if text.mnemonic() == "ret" {
                    text.eat("uni");
                }
                text.finish(0)?;
                Ok(Self::Exit)
            }
            "trap" => {
                text.finish(0)?;
                Ok(Self::Trap)
            }
            "nanosleep" => {
                let ty = text.ty()?;
                text.finish(1)?;
                if ty != Type::U32 {
                    return Err(text.refuse("not an instruction of this type"));
                }
                text.source(0, ty)?;
                Ok(Self::Nothing)
            }
            _ => Err(text.refuse("not simulated")),
        }
    }

    pub(super) fn execute(&self, cx: &Cx, mask: u32) -> Result<Flow, Stop> {
        match self {
            Self::Branch(target) => Ok(Flow::Jump(*target)),
            Self::Choose { by, targets } => {
                let by = cx.warp.word(*by, mask)?;
                let mut jumps: Vec<(u32, u32)> = Vec::new();
                for lane in lanes(mask) {
                    let Some(target) = targets.get(by[lane] as usize) else {
                        let what = format!("branch target {} of {}", by[lane], targets.len());
                        let kind = FaultKind::InvalidOperand { what };
                        return Err(Stop { lane: lane as u32, kind });
                    };
                    match jumps.iter_mut().find(|(known, _)| known == target) {
                        Some((_, lanes)) => *lanes |= 1 << lane,
                        None => jumps.push((*target, 1 << lane)),
                    }
                }
                Ok(Flow::Scatter(jumps))
            }
            Self::Exit => {
                cx.warp.groups.check_finished(mask)?;
                Ok(Flow::Exit)
            }
            Self::Trap => Err(Stop { lane: mask.trailing_zeros(), kind: FaultKind::Trap }),
            Self::Nothing => Ok(Flow::Next),
        }
    }
}
