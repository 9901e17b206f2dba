//! `ldmatrix`, `stmatrix` and `movmatrix`: matrices of 8 by 8 16-bit elements, to and from shared
//! memory, and transposed on the way.

use super::{rows, transposed, whole_warp, words};
use crate::error::LoadError;
use crate::exec::{Cx, Stop};
use crate::isa::decode::{Target, Text};
use crate::isa::memory::{addresses, eat_space};
use crate::isa::program::{Register, Source};
use crate::memory::Access;
use crate::ptx::{Operand, Space, Type};

#[derive(Clone, Debug)]
pub(crate) enum Transfer {
    Load { to: Vec<Register>, space: Option<Space>, from: Target, transpose: bool },
    Store { from: Vec<Source>, space: Option<Space>, to: Target, transpose: bool },
    Transpose { to: Register, from: Source },
}

/// Bytes of a row.
const ROW: u32 = 16;

impl Transfer {
    pub(in crate::isa) fn decode(text: &Text) -> Result<Self, LoadError> {
        if !(text.eat("sync") && text.eat("aligned")) {
            return Err(text.refuse("expected .sync.aligned"));
        }
        if !text.eat("m8n8") {
            return Err(text.refuse("not a shape that is simulated"));
        }
        if text.mnemonic() == "movmatrix" {
            let known = text.eat("trans") && text.ty()? == Type::B16;
            text.finish(2)?;
            if !known {
                return Err(text.refuse("expected .trans.b16"));
            }
            let (to, from) = (text.destination(0, Type::B32)?, text.operand(1)?);
            let from = Source::Register(text.destination_of(from, Type::B32)?);
            return Ok(Self::Transpose { to, from });
        }
        let count = text.one_of(&[("x1", 1), ("x2", 2), ("x4", 4)]);
        let count: usize = count.ok_or_else(|| text.refuse("expected .x1, .x2 or .x4"))?;
        let transpose = text.eat("trans");
        let space = eat_space(text);
        let is_shared = matches!(space, None | Some(Space::Shared));
        if !is_shared || text.ty()? != Type::B16 {
            return Err(text.refuse("expected .b16 in shared memory"));
        }
        text.finish(2)?;
        let loads = text.mnemonic() == "ldmatrix";
        let Operand::Vector(elements) = text.operand(usize::from(!loads))? else {
            return Err(text.refuse("expected registers in braces"));
        };
        if elements.len() != count {
            return Err(text.refuse(format!("{} registers, expected {count}", elements.len())));
        }
        if loads {
            let to = elements.iter().map(|element| text.destination_of(element, Type::B32));
            let to = to.collect::<Result<_, _>>()?;
            return Ok(Self::Load { to, space, from: text.address(1, space)?, transpose });
        }
        let from = elements.iter().map(|element| text.source_of(element, Type::B32));
        let from = from.collect::<Result<_, _>>()?;
        Ok(Self::Store { from, space, to: text.address(0, space)?, transpose })
    }

    pub(in crate::isa) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        whole_warp(mask)?;
        match self {
            // Lanes 0 to 7 give the addresses of the first matrix's rows, and so on.
            Self::Load { to, space, from, transpose } => {
                let addresses = addresses(cx, from, mask & used(to.len()))?;
                for (index, to) in to.iter().enumerate() {
                    let mut matrix = [[0; 8]; 8];
                    for (row, elements) in matrix.iter_mut().enumerate() {
                        let lane = 8 * index + row;
                        let access = Access { address: addresses[lane], bytes: ROW };
                        let loaded = cx.load(lane, *space, access, false);
                        let loaded = loaded.map_err(|kind| Stop { lane: lane as u32, kind })?;
                        for (element, bytes) in elements.iter_mut().zip(loaded.chunks(2)) {
                            *element = u16::from(bytes[1]) << 8 | u16::from(bytes[0]);
                        }
                    }
                    let matrix = if *transpose { transposed(&matrix) } else { matrix };
                    cx.warp.set_word(*to, &words(&matrix), mask);
                }
                cx.count_access(*space, &addresses, used(to.len()), ROW, false);
            }
            Self::Store { from, space, to, transpose } => {
                let addresses = addresses(cx, to, mask & used(from.len()))?;
                for (index, from) in from.iter().enumerate() {
                    let matrix = rows(&cx.warp.word(*from, mask)?);
                    let matrix = if *transpose { transposed(&matrix) } else { matrix };
                    for (row, elements) in matrix.iter().enumerate() {
                        let lane = 8 * index + row;
                        let bytes: Vec<u8> =
                            elements.iter().flat_map(|e| e.to_le_bytes()).collect();
                        let access = Access { address: addresses[lane], bytes: ROW };
                        let stored = cx.store(lane, *space, access, &bytes, false);
                        stored.map_err(|kind| Stop { lane: lane as u32, kind })?;
                    }
                }
                cx.count_access(*space, &addresses, used(from.len()), ROW, true);
            }
            Self::Transpose { to, from } => {
                let matrix = transposed(&rows(&cx.warp.word(*from, mask)?));
                cx.warp.set_word(*to, &words(&matrix), mask);
            }
        }
        Ok(())
    }
}

/// The lanes that give addresses of so many matrices' rows.
fn used(matrices: usize) -> u32 {
    u32::MAX >> (32 - 8 * matrices)
}
