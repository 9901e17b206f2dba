//! Barriers of a block, and fences.

use super::decode::Text;
use super::memory::Ordering;
use super::program::Source;
use super::warp_wide::groups;
use crate::error::LoadError;
use crate::exec::{Cx, Flow, Stop};
use crate::fault::FaultKind;
use crate::ptx::Type;

#[derive(Clone, Debug)]
pub(crate) enum Barrier {
    /// `bar.sync` and `bar.arrive`: of how many threads, where not of all.
    Block { waits: bool, aligned: bool, barrier: Source, threads: Option<Source> },
    /// `bar.warp.sync`
    Warp { members: Source },
    /// Memory is written through at once here, so a fence only says what is ordered.
    Fence(Ordering),
}

/// Barriers that a block has.
const BARRIERS: u32 = 16;

impl Barrier {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        match text.mnemonic() {
            "membar" | "fence" => {
                let mut order = Ordering::default();
                while order.eat(text) {}
                text.finish(0)?;
                if text.mnemonic() == "membar" || !(order.acquire || order.release) {
                    (order.acquire, order.release) = (true, true);
                }
                Ok(Self::Fence(order))
            }
            mnemonic => {
                if text.eat("warp") {
                    if !text.eat("sync") {
                        return Err(text.refuse("expected .sync"));
                    }
                    text.finish(1)?;
                    return Ok(Self::Warp { members: text.source(0, Type::B32)? });
                }
                text.eat("cta");
                let waits = match text.one_of(&[("sync", true), ("arrive", false)]) {
                    Some(waits) => waits,
                    None => return Err(text.refuse("not simulated")),
                };
                // `bar` is the older name of `barrier` with `.aligned`.
                let aligned = text.eat("aligned") || mnemonic == "bar";
                let operands = text.operand_count();
                text.finish(operands.clamp(1, 2))?;
                let threads = match operands {
                    2 => Some(text.source(1, Type::U32)?),
                    _ => None,
                };
                if !waits && threads.is_none() {
                    return Err(text.refuse("an arrival says of how many threads"));
                }
                Ok(Self::Block { waits, aligned, barrier: text.source(0, Type::U32)?, threads })
            }
        }
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        let lane = mask.trailing_zeros();
        let refuse = |kind| Err(Stop { lane, kind });
        match self {
            Self::Fence(order) => {
                // A fence acquires before it releases, and not what it releases itself.
                order.acquired(cx);
                order.releases(cx);
                Ok(Flow::Next)
            }
            Self::Warp { members } => {
                for group in groups(cx, *members, mask)? {
                    cx.block.synchronize_lanes(cx.warp.index, group);
                }
                Ok(Flow::Next)
            }
            Self::Block { waits, aligned, barrier, threads } => {
                let live = cx.warp.live();
                if *aligned && mask != live {
                    return refuse(FaultKind::Divergent { lanes: mask, expected: live });
                }
                let barrier = cx.warp.word(*barrier, mask)?[lane as usize];
                let threads = match threads {
                    Some(threads) => cx.warp.word(*threads, mask)?[lane as usize],
                    None => 0,
                };
                if barrier >= BARRIERS {
                    let what = format!("barrier {barrier}, expected below {BARRIERS}");
                    return refuse(FaultKind::InvalidOperand { what });
                }
                if threads % 32 != 0 {
                    let what = format!("{threads} threads, expected a multiple of 32");
                    return refuse(FaultKind::InvalidOperand { what });
                }
                // Whole warps count: also where some of their threads have exited.
                let count = if threads == 0 { mask.count_ones() } else { 32 };
                let warp = cx.warp.index;
                let phase = cx.block.arrive(barrier, threads, warp, mask, count);
                Ok(if *waits { Flow::Wait { barrier, phase } } else { Flow::Next })
            }
        }
    }
}
