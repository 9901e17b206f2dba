//! `tcgen05.alloc`, `tcgen05.dealloc` and `tcgen05.relinquish_alloc_permit`.

use std::ops::ControlFlow;

use super::{Group, agreed, aligned, columns, count_of_columns, refuse, word, words};
use crate::error::LoadError;
use crate::exec::{Cx, Event, Flow, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::decode::{Target, Text};
use crate::isa::matrix::whole_warp;
use crate::isa::memory::{Location, addresses, eat_space};
use crate::isa::program::Source;
use crate::memory::{Access, Collective};
use crate::ptx::Space;

#[derive(Clone, Debug)]
pub(crate) struct Allocation {
    pub(super) group: Group,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    /// The address of so many columns is written to shared memory.
    Allocate {
        to: Target,
        space: Option<Space>,
        columns: Source,
    },
    Deallocate {
        address: Source,
        columns: Source,
    },
    Relinquish,
}

impl Allocation {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let name = text.peek().unwrap_or_default();
        text.eat(name);
        let group = Group::decode(text)?;
        aligned(text)?;
        let what = match name {
            "alloc" => {
                let space = eat_space(text);
                if !matches!(space, None | Some(Space::Shared)) || text.has("shared") {
                    return Err(text.refuse("expected .shared::cta"));
                }
                words(text, 2)?;
                let columns = count_of_columns(text, 1)?;
                What::Allocate { to: text.address(0, space)?, space, columns }
            }
            "dealloc" => {
                words(text, 2)?;
                let columns = count_of_columns(text, 1)?;
                What::Deallocate { address: word(text, 0)?, columns }
            }
            _ => {
                text.finish(0)?;
                What::Relinquish
            }
        };
        Ok(Self { group, what })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        whole_warp(mask)?;
        let number = match cx.warp.tensor.awaited {
            Some(number) => number,
            None => {
                let step = match self.step(cx)? {
                    ControlFlow::Continue(step) => step,
                    ControlFlow::Break(event) => return Ok(Flow::Until(event)),
                };
                cx.block.progress = true;
                cx.block.tensor.take_step(step)
            }
        };
        let step = cx.block.tensor.step(number);
        if self.group == Group::Two {
            let peer = cx.rank() ^ 1;
            cx.warp.tensor.awaited = Some(number);
            let theirs = cx.step_of(peer, number).map_err(refuse)?;
            if theirs.is_none() {
                return Ok(Flow::Until(Event::Peer { rank: peer, step: number }));
            }
            if theirs != step {
                let what = format!(
                    "block {peer} of the cluster does not do the same to the tensor memory of both: \
                     {theirs:?}, expected {step:?}"
                );
                return Err(refuse(FaultKind::InvalidOperand { what }));
            }
            cx.warp.tensor.awaited = None;
        }
        if let (What::Allocate { to, space, .. }, Some(Collective::Allocate { address, .. })) =
            (&self.what, step)
        {
            write_address(cx, to, *space, address)?;
        }
        Ok(Flow::Next)
    }

    /// Does what the block has to do by itself, unless that has to wait for something.
    fn step(&self, cx: &mut Cx) -> Result<ControlFlow<Event, Collective>, Stop> {
        match self.what {
            What::Allocate { columns: of, .. } => {
                let columns = columns(cx, of)?;
                let given = cx.block.tensor.allocate(columns).map_err(refuse)?;
                Ok(match given {
                    Some(address) => {
                        ControlFlow::Continue(Collective::Allocate { address, columns })
                    }
                    None => ControlFlow::Break(Event::Columns { columns }),
                })
            }
            What::Deallocate { address, columns: of } => {
                let address = cx.warp.word(address, u32::MAX)?.map(u64::from);
                let address = agreed(address, "an address in tensor memory")?;
                let columns = columns(cx, of)?;
                cx.block.deallocate(cx.warp.index, address, columns).map_err(refuse)?;
                Ok(ControlFlow::Continue(Collective::Deallocate { address, columns }))
            }
            What::Relinquish => {
                cx.block.tensor.relinquish();
                Ok(ControlFlow::Continue(Collective::Relinquish))
            }
        }
    }
}

/// Tells the address of columns: each of the warp's lanes does.
fn write_address(cx: &mut Cx, to: &Target, space: Option<Space>, address: u32) -> Result<(), Stop> {
    let to = addresses(cx, to, u32::MAX)?;
    agreed(to, "an address in shared memory")?;
    for lane in lanes(u32::MAX) {
        let Location { space, rank, address: at } = cx.locate(space, to[lane]);
        if space != Space::Shared || rank != cx.rank() {
            let what = format!("{at:#x}, which is not in the block's own shared memory");
            return Err(refuse(FaultKind::InvalidOperand { what }));
        }
        let access = Access { address: at, bytes: 4 };
        let (shared, by) = cx.block.shared_by(cx.warp.index, lane);
        let written =
            shared.check(access).and_then(|()| shared.write(access, &address.to_le_bytes(), by));
        written.map_err(|kind| Stop { lane: lane as u32, kind })?;
    }
    Ok(())
}
