//! Barriers of a block, and fences.

use std::sync::atomic::Ordering::Relaxed;

use super::data::predicate;
use super::decode::Text;
use super::memory::Ordering;
use super::program::{Register, Source};
use super::warp_wide::groups;
use crate::error::LoadError;
use crate::exec::{Cx, Flow, Reduction, Reply, Stop, lanes};
use crate::fault::FaultKind;
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) enum Barrier {
    /// `bar.sync` and `bar.arrive`: of how many threads, where not of all.
    Block { waits: bool, barrier: Source, threads: Option<Source>, vote: Option<Vote> },
    /// `bar.warp.sync`
    Warp { members: Source },
    /// Memory is written through at once here, so a fence only says what is ordered.
    Fence(Ordering),
    /// `fence.proxy`, for shared memory or for global memory or both. Tensor maps are in global memory,
    /// and their fences order threads as well.
    ProxyFence { shared: bool, global: bool, order: Ordering },
    /// `fence.mbarrier_init`
    MbarrierInit,
}

/// `bar.red`: what is told of a predicate, and to which register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vote {
    function: Reduction,
    to: Register,
    by: (Register, bool),
}

/// Barriers that a block has.
const BARRIERS: u32 = 16;

impl Barrier {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        match text.mnemonic() {
            "membar" | "fence" if text.eat("proxy") => Self::decode_proxy(text),
            "fence" if text.eat("mbarrier_init") => {
                if !(text.eat("release") && text.eat("cluster")) {
                    return Err(text.refuse("expected .release.cluster"));
                }
                text.finish(0)?;
                Ok(Self::MbarrierInit)
            }
            "membar" | "fence" => {
                let levels: &[&str] = match text.mnemonic() {
                    "membar" => &["cta", "gl", "sys"],
                    _ => &["cta", "cluster", "gpu", "sys"],
                };
                let order = match text.mnemonic() {
                    "membar" => None,
                    _ => ["sc", "acq_rel", "acquire", "release"].into_iter().find(|o| text.eat(o)),
                };
                let level = levels.iter().find(|level| text.eat(level));
                let level = level.ok_or_else(|| text.refuse("expected a scope"))?;
                text.finish(0)?;
                let order = Ordering::default().with(order.unwrap_or("acq_rel")).with(level);
                Ok(Self::Fence(order))
            }
            _ => {
                if text.mnemonic() == "bar" && text.eat("warp") {
                    if !text.eat("sync") {
                        return Err(text.refuse("expected .sync"));
                    }
                    text.finish(1)?;
                    return Ok(Self::Warp { members: text.source(0, Type::B32)? });
                }
                text.eat("cta");
                let waits =
                    [("sync", (true, false)), ("red", (true, true)), ("arrive", (false, false))];
                let Some((waits, votes)) = text.one_of(&waits) else {
                    return Err(text.refuse("expected .sync, .red or .arrive"));
                };
                let functions =
                    [("popc", Reduction::Count), ("and", Reduction::All), ("or", Reduction::Any)];
                let function = if votes { text.one_of(&functions) } else { None };
                // The lanes of a warp wait for each other at a barrier without it as well.
                if text.mnemonic() == "barrier" {
                    text.eat("aligned");
                }
                let vote = if votes { Some(Self::decode_vote(text, function)?) } else { None };
                // The result comes before the barrier and the number of threads, the predicate after.
                let first = usize::from(votes);
                let operands = text.operand_count().saturating_sub(2 * first);
                text.finish(operands.clamp(1, 2) + 2 * first)?;
                let threads = match operands {
                    2 => Some(text.source(first + 1, Type::U32)?),
                    _ => None,
                };
                if !waits && threads.is_none() {
                    return Err(text.refuse("an arrival says of how many threads"));
                }
                let barrier = text.source(first, Type::U32)?;
                if matches!(barrier, Source::Immediate(number) if number >= BARRIERS.into()) {
                    return Err(text.refuse(format!("barriers are numbered below {BARRIERS}")));
                }
                if matches!(threads, Some(Source::Immediate(count)) if count % 32 != 0) {
                    return Err(text.refuse("whole warps come to a barrier"));
                }
                Ok(Self::Block { waits, barrier, threads, vote })
            }
        }
    }

    fn decode_proxy(text: &Text) -> Result<Self, LoadError> {
        let mut order = Ordering::default();
        let kinds = [
            // An address is the only one of its memory here, so that there is nothing to order.
            ("alias", (false, false)),
            ("async", (true, true)),
            ("tensormap::generic", (false, true)),
        ];
        let of_maps = text.peek() == Some("tensormap::generic");
        let Some((mut shared, mut global)) = text.one_of(&kinds) else {
            return Err(text.refuse("not a fence that is simulated"));
        };
        let mut operands = 0;
        if of_maps {
            let word = ["acquire", "release"].into_iter().find(|word| text.eat(word));
            let scope = ["cta", "cluster", "gpu", "sys"].into_iter().find(|scope| text.eat(scope));
            let (Some(word), Some(scope)) = (word, scope) else {
                return Err(text.refuse("expected .acquire or .release, and a scope"));
            };
            order = order.with(word).with(scope);
            operands = if order.acquire { 2 } else { 0 };
        } else if shared {
            let spaces = [
                ("global", (false, true)),
                ("shared::cta", (true, false)),
                ("shared::cluster", (true, false)),
            ];
            (shared, global) = text.one_of(&spaces).unwrap_or((true, true));
        }
        text.finish(operands)?;
        if operands > 0 {
            text.address(0, None)?;
            if !matches!(text.operand(1)?, Operand::Integer(128)) {
                return Err(text.refuse("a tensor map has 128 bytes"));
            }
        }
        Ok(Self::ProxyFence { shared, global, order })
    }

    fn decode_vote(text: &Text, function: Option<Reduction>) -> Result<Vote, LoadError> {
        let function = function.ok_or_else(|| text.refuse("expected .popc, .and or .or"))?;
        let ty = if function == Reduction::Count { Type::U32 } else { Type::Pred };
        if text.ty()? != ty {
            return Err(text.refuse("not of this type"));
        }
        let by = text.operand_count().saturating_sub(1);
        let by = text.predicate_operand(text.operand(by)?)?;
        Ok(Vote { function, to: text.destination(0, ty)?, by })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        let lane = mask.trailing_zeros();
        let refuse = |kind| Err(Stop { lane, kind });
        match self {
            Self::Fence(order) => {
                // A fence acquires before it releases, and not what it releases itself.
                if order.acquire {
                    cx.block.heed(cx.warp.index, mask);
                }
                order.acquired(cx);
                if order.release {
                    cx.block.offer(cx.warp.index);
                }
                order.releases(cx);
                Ok(Flow::Next)
            }
            Self::ProxyFence { shared, global, order } => {
                order.acquired(cx);
                if *shared {
                    cx.block.fence_proxies(cx.warp.index);
                }
                if *global {
                    // What comes after it has a later time.
                    let time = cx.launch.releases.fetch_add(1, Relaxed);
                    cx.launch.unfenced.fetch_max(time + 1, Relaxed);
                }
                order.releases(cx);
                Ok(Flow::Next)
            }
            Self::MbarrierInit => {
                for lane in lanes(mask) {
                    let (shared, by) = cx.block.shared_by(cx.warp.index, lane);
                    for made in shared.announce_mbarriers(by) {
                        cx.block.offer_only(cx.warp.index, made);
                    }
                }
                Ok(Flow::Next)
            }
            Self::Warp { members } => {
                for group in groups(cx, *members, mask)? {
                    cx.block.synchronize_lanes(cx.warp.index, group);
                }
                Ok(Flow::Next)
            }
            Self::Block { waits, barrier, threads, vote } => {
                let live = cx.warp.live();
                if mask != live {
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
                let reply = match vote {
                    Some(Vote { function, to, by }) => {
                        let holding = predicate(cx, *by, mask)? & mask;
                        cx.block.vote(barrier, mask.count_ones(), holding.count_ones());
                        Some(Reply { to: *to, function: *function, lanes: mask })
                    }
                    None => None,
                };
                let phase = cx.block.arrive(barrier, threads, warp, mask, count);
                Ok(if *waits { Flow::Wait { barrier, phase, reply } } else { Flow::Next })
            }
        }
    }
}
