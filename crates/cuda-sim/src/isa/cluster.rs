//! The blocks of a cluster: their barrier, and addresses of each other's shared memory.

use super::convert::SHARED_WINDOW;
use super::decode::Text;
use super::memory::Location;
use super::program::{Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, Event, Flow, LANES, Lanes, Stop, lanes};
use crate::fault::FaultKind;
use crate::ptx::{Space, Type};

#[derive(Clone, Debug)]
pub(crate) enum Cluster {
    /// `barrier.cluster.arrive`: with or without telling what the thread has done.
    Arrive { releases: bool, aligned: bool },
    /// `barrier.cluster.wait`
    Wait { aligned: bool },
    /// `mapa`: the address of the same place in another block's shared memory.
    Map { to: Register, ty: Type, generic: bool, from: Source, rank: Source },
    /// `getctarank`: the block that an address is in.
    Rank { to: Register, generic: bool, from: Source },
}

impl Cluster {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        match text.mnemonic() {
            "mapa" => {
                let generic = !text.eat("shared::cluster");
                let ty = address_type(text)?;
                text.finish(3)?;
                let (from, rank) = (text.source(1, ty)?, text.source(2, Type::U32)?);
                Ok(Self::Map { to: text.destination(0, ty)?, ty, generic, from, rank })
            }
            "getctarank" => {
                let generic = !text.eat("shared::cluster");
                let ty = address_type(text)?;
                text.finish(2)?;
                let (to, from) = (text.destination(0, Type::U32)?, text.source(1, ty)?);
                Ok(Self::Rank { to, generic, from })
            }
            _ => {
                text.eat("cluster");
                let arrives = text.one_of(&[("arrive", true), ("wait", false)]);
                let arrives = arrives.ok_or_else(|| text.refuse("expected .arrive or .wait"))?;
                let relaxed = arrives && text.eat("relaxed");
                if !relaxed {
                    text.eat(if arrives { "release" } else { "acquire" });
                }
                let aligned = text.eat("aligned");
                text.finish(0)?;
                Ok(match arrives {
                    true => Self::Arrive { releases: !relaxed, aligned },
                    false => Self::Wait { aligned },
                })
            }
        }
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        match *self {
            Self::Arrive { releases, aligned } => {
                together(cx, mask, aligned)?;
                if let Some(lane) = lanes(mask).find(|l| cx.warp.at_cluster_barrier[*l].is_some()) {
                    let what = "the thread arrives again before it has waited".to_owned();
                    let kind = FaultKind::InvalidOperand { what };
                    return Err(Stop { lane: lane as u32, kind });
                }
                let knowing = match releases {
                    true => cx.block.tell(cx.warp.index),
                    false => cx.block.offered(cx.warp.index),
                };
                let phase = cx.cluster.arrive(mask.count_ones(), &knowing);
                lanes(mask).for_each(|lane| cx.warp.at_cluster_barrier[lane] = Some(phase));
                cx.block.tally.totals.barriers += 1;
                cx.block.progress = true;
                Ok(Flow::Next)
            }
            Self::Wait { aligned } => {
                together(cx, mask, aligned)?;
                let mut last = 0;
                for lane in lanes(mask) {
                    let Some(phase) = cx.warp.at_cluster_barrier[lane] else {
                        let what = "the thread waits without having arrived".to_owned();
                        let kind = FaultKind::InvalidOperand { what };
                        return Err(Stop { lane: lane as u32, kind });
                    };
                    last = last.max(phase);
                }
                if cx.cluster.phase() < last {
                    return Ok(Flow::Until(Event::Cluster { phase: last }));
                }
                if let Some(known) = cx.cluster.known() {
                    cx.block.learn(cx.warp.index, mask, known);
                }
                cx.block.learn_of(cx.warp.index, cx.cluster.begun());
                lanes(mask).for_each(|lane| cx.warp.at_cluster_barrier[lane] = None);
                Ok(Flow::Next)
            }
            Self::Map { to, ty, generic, from, rank } => {
                let from = locate(cx, from, generic, mask)?;
                let rank = cx.warp.word(rank, mask)?;
                let window = if generic { SHARED_WINDOW } else { 0 };
                let mut mapped = [0; LANES];
                for lane in lanes(mask) {
                    let blocks = cx.siblings.cluster_size() as u32;
                    if rank[lane] >= blocks {
                        let what = format!("block {} of a cluster of {blocks}", rank[lane]);
                        let kind = FaultKind::InvalidOperand { what };
                        return Err(Stop { lane: lane as u32, kind });
                    }
                    mapped[lane] = window + Location::mapped(from[lane].1, rank[lane]);
                }
                match ty.bits() {
                    64 => cx.warp.set_double(to, &mapped, mask),
                    _ => cx.warp.set_word(to, &mapped.map(|address| address as u32), mask),
                }
                Ok(Flow::Next)
            }
            Self::Rank { to, generic, from } => {
                let ranks = locate(cx, from, generic, mask)?.map(|(rank, _)| rank);
                cx.warp.set_word(to, &ranks, mask);
                Ok(Flow::Next)
            }
        }
    }
}

/// The rank of the block in whose shared memory each lane's address is, and the address there.
fn locate(cx: &Cx, from: Source, generic: bool, mask: u32) -> Result<Lanes<(u32, u64)>, Stop> {
    let from = cx.warp.double(from, mask)?;
    let mut located = [(0, 0); LANES];
    for lane in lanes(mask) {
        let at = cx.locate((!generic).then_some(Space::SharedCluster), from[lane]);
        if at.space != Space::Shared {
            let what = format!("{:#x}, which is not in shared memory", from[lane]);
            return Err(Stop { lane: lane as u32, kind: FaultKind::InvalidOperand { what } });
        }
        located[lane] = (at.rank, at.address);
    }
    Ok(located)
}

fn address_type(text: &Text) -> Result<Type, LoadError> {
    match text.ty()? {
        ty @ (Type::U32 | Type::U64) => Ok(ty),
        _ => Err(text.refuse("expected .u32 or .u64")),
    }
}

/// Refuses to let part of a warp alone do what is said to take all of it.
fn together(cx: &Cx, mask: u32, aligned: bool) -> Result<(), Stop> {
    let live = cx.warp.live();
    if !aligned || mask == live {
        return Ok(());
    }
    let kind = FaultKind::Divergent { lanes: mask, expected: live };
    Err(Stop { lane: mask.trailing_zeros(), kind })
}
