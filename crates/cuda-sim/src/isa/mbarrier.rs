//! Barriers in shared memory, which count arrivals of threads and bytes of copies.
//!
//! A thread that looks for a phase that is not complete is told so, and lets the others go on. If it then
//! tries again it sleeps until the phase is complete: a program that does not ask again is caught, and one
//! that does takes no time.

use super::availability::{COUNTED_ARRIVAL, require};
use super::decode::{Target, Text};
use super::memory::addresses;
use super::program::{Register, Source};
use crate::error::LoadError;
use crate::exec::clock::Knowledge;
use crate::exec::{Cx, Event, Flow, LANES, PhaseOf, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::memory::{Location, eat_space};
use crate::memory::{Proxy, State, Stay};
use crate::ptx::{Operand, Space, Type};

#[derive(Clone, Debug)]
pub(crate) enum Mbarrier {
    Init {
        at: At,
        count: Source,
    },
    Invalidate {
        at: At,
    },
    /// `expect_tx` alone.
    Expect {
        at: At,
        bytes: Source,
    },
    /// `complete_tx`, which does what a copy does.
    Complete {
        at: At,
        bytes: Source,
    },
    Arrive(Arrive),
    Wait(Wait),
    PendingCount {
        to: Register,
        state: Source,
    },
}

/// Where an mbarrier is.
#[derive(Clone, Debug)]
pub(crate) struct At {
    space: Option<Space>,
    target: Target,
}

#[derive(Clone, Debug)]
pub(crate) struct Arrive {
    at: At,
    stay: Stay,
    /// Bytes that are to be waited for too.
    expects: Option<Source>,
    count: Source,
    /// Whether the phase may complete by it.
    may_complete: bool,
    releases: bool,
    to: Option<Register>,
}

#[derive(Clone, Debug)]
pub(crate) struct Wait {
    at: At,
    /// A state, or a parity.
    of: Source,
    is_parity: bool,
    /// Whether the thread may sleep.
    sleeps: bool,
    acquires: bool,
    to: Register,
}

impl Mbarrier {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let action = text.peek().unwrap_or_default();
        let known = [
            "init",
            "inval",
            "expect_tx",
            "complete_tx",
            "arrive",
            "arrive_drop",
            "test_wait",
            "try_wait",
            "pending_count",
        ];
        if !known.iter().any(|known| text.eat(known)) {
            return Err(text.refuse("not an operation of mbarriers"));
        }
        match action {
            "init" => {
                let space = local(text)?;
                bits(text, 2)?;
                let at = At { space, target: text.address(0, space)? };
                Ok(Self::Init { at, count: text.source(1, Type::U32)? })
            }
            "inval" => Ok(Self::Invalidate { at: At::decode_own(text)? }),
            "expect_tx" | "complete_tx" => {
                if text.eat("relaxed") {
                    scope(text)?;
                }
                let space = eat_space(text);
                bits(text, 2)?;
                let space = shared(text, space)?;
                let at = At { space, target: text.address(0, space)? };
                let bytes = text.source(1, Type::U32)?;
                Ok(match action {
                    "expect_tx" => Self::Expect { at, bytes },
                    _ => Self::Complete { at, bytes },
                })
            }
            "arrive" | "arrive_drop" => Self::decode_arrive(text, action),
            "pending_count" => {
                bits(text, 2)?;
                let (to, state) = (text.destination(0, Type::U32)?, text.source(1, Type::B64)?);
                Ok(Self::PendingCount { to, state })
            }
            _ => {
                let is_parity = text.eat("parity");
                let acquires = ordering(text, "acquire")?;
                let space = local(text)?;
                let sleeps = action == "try_wait";
                let operands = if sleeps { text.operand_count().clamp(3, 4) } else { 3 };
                bits(text, operands)?;
                if operands == 4 {
                    // For how long it may sleep at most.
                    text.source(3, Type::U32)?;
                }
                let of = text.source(2, if is_parity { Type::U32 } else { Type::B64 })?;
                let (to, at) = (text.predicate(0)?, At { space, target: text.address(1, space)? });
                Ok(Self::Wait(Wait { at, of, is_parity, sleeps, acquires, to }))
            }
        }
    }

    fn decode_arrive(text: &Text, action: &str) -> Result<Self, LoadError> {
        let expects = text.eat("expect_tx");
        let may_complete = expects || !text.eat("noComplete");
        let releases = ordering(text, "release")?;
        let space = eat_space(text);
        let space = shared(text, space)?;
        let operands = text.operand_count();
        // Bytes and the incomplete arrival's count must be given, another count may.
        bits(text, if expects || !may_complete { 3 } else { operands.clamp(2, 3) })?;
        if operands == 3 && may_complete && !expects {
            require(text, COUNTED_ARRIVAL)?;
        }
        let to = match text.operand(0)? {
            Operand::Sink => None,
            _ if space == Some(Space::SharedCluster) => {
                return Err(text.refuse("an arrival at another block's mbarrier gives no state"));
            }
            _ => Some(text.destination(0, Type::B64)?),
        };
        let at = At { space, target: text.address(1, space)? };
        let given = if operands == 3 { Some(text.source(2, Type::U32)?) } else { None };
        let (expects, count) = if expects { (given, None) } else { (None, given) };
        Ok(Self::Arrive(Arrive {
            at,
            stay: if action == "arrive" { Stay::Stays } else { Stay::Drops },
            expects,
            count: count.unwrap_or(Source::Immediate(1)),
            may_complete,
            releases,
            to,
        }))
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        match self {
            Self::Init { at, count } => {
                let (places, count) = (at.places(cx, mask)?, cx.warp.word(*count, mask)?);
                for lane in lanes(mask) {
                    let copies = cx.cluster.new_agent();
                    let (shared, by) = cx.block.shared_by(cx.warp.index, lane);
                    let made = shared.init_mbarrier(places[lane].1, count[lane], copies, by);
                    made.map_err(|kind| stop(lane, kind))?;
                }
            }
            Self::Invalidate { at } => {
                let places = at.places(cx, mask)?;
                for lane in lanes(mask) {
                    let (shared, by) = cx.block.shared_by(cx.warp.index, lane);
                    let gone = shared.invalidate_mbarrier(places[lane].1, by);
                    gone.map_err(|kind| stop(lane, kind))?;
                }
            }
            Self::Expect { at, bytes } => {
                let (places, bytes) = (at.places(cx, mask)?, cx.warp.word(*bytes, mask)?);
                for lane in lanes(mask) {
                    let expected = find(cx, places[lane], lane)
                        .and_then(|mbarrier| mbarrier.expect_bytes(bytes[lane]));
                    expected.map_err(|kind| stop(lane, kind))?;
                }
            }
            Self::Complete { at, bytes } => {
                let (places, bytes) = (at.places(cx, mask)?, cx.warp.word(*bytes, mask)?);
                for lane in lanes(mask) {
                    let completed = find(cx, places[lane], lane)
                        .and_then(|mbarrier| mbarrier.complete_bytes(bytes[lane]));
                    completed.map_err(|kind| stop(lane, kind))?;
                }
                cx.block.progress = true;
            }
            Self::Arrive(arrive) => arrive.execute(cx, mask)?,
            Self::Wait(wait) => return wait.execute(cx, mask),
            Self::PendingCount { to, state } => {
                let state = cx.warp.double(*state, mask)?;
                let mut pending = [0; LANES];
                for lane in lanes(mask) {
                    pending[lane] = State::from_bits(state[lane]).pending().ok_or_else(|| {
                        let what = "the pending count of an arrival without .noComplete".to_owned();
                        stop(lane, FaultKind::InvalidOperand { what })
                    })?;
                }
                cx.warp.set_word(*to, &pending, mask);
            }
        }
        Ok(Flow::Next)
    }
}

impl At {
    /// The only operand, in the block's own shared memory.
    pub(super) fn decode_own(text: &Text) -> Result<Self, LoadError> {
        let space = local(text)?;
        bits(text, 1)?;
        Ok(Self { space, target: text.address(0, space)? })
    }

    /// The rank of the block, and the address in its shared memory, for each lane.
    pub(super) fn places(&self, cx: &Cx, mask: u32) -> Result<[(u32, u64); LANES], Stop> {
        let addresses = addresses(cx, &self.target, mask)?;
        let mut places = [(0, 0); LANES];
        for lane in lanes(mask) {
            let Location { space, rank, address } = cx.locate(self.space, addresses[lane]);
            if space != Space::Shared {
                let what = format!("an mbarrier at {address:#x}, which is not in shared memory");
                return Err(stop(lane, FaultKind::InvalidOperand { what }));
            }
            if rank != cx.rank() && self.space != Some(Space::SharedCluster) {
                let what = format!("an mbarrier of block {rank} of the cluster, expected its own");
                return Err(stop(lane, FaultKind::InvalidOperand { what }));
            }
            places[lane] = (rank, address);
        }
        Ok(places)
    }
}

impl Arrive {
    fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let places = self.at.places(cx, mask)?;
        let count = cx.warp.word(self.count, mask)?;
        let expects = self.expects.map(|bytes| cx.warp.word(bytes, mask)).transpose()?;
        let knowing = match self.releases {
            true => cx.block.tell(cx.warp.index),
            false => cx.block.offered(cx.warp.index),
        };
        let mut states = [0; LANES];
        for lane in lanes(mask) {
            let expects = expects.map(|bytes| bytes[lane]);
            let state = self.lane(cx, lane, places[lane], (count[lane], expects), &knowing);
            states[lane] = state.map_err(|kind| stop(lane, kind))?.bits();
        }
        if let Some(to) = self.to {
            cx.warp.set_double(to, &states, mask);
        }
        cx.block.progress = true;
        Ok(())
    }

    fn lane(
        &self,
        cx: &mut Cx,
        lane: usize,
        place: (u32, u64),
        (count, expects): (u32, Option<u32>),
        knowing: &Knowledge,
    ) -> Result<State, FaultKind> {
        let mbarrier = find(cx, place, lane)?;
        if let Some(bytes) = expects {
            mbarrier.expect_bytes(bytes)?;
        }
        let phase = mbarrier.phase();
        let state = mbarrier.arrive(count, self.stay, knowing)?;
        if !self.may_complete && mbarrier.phase() != phase {
            let what = "an arrival with .noComplete completes the phase".to_owned();
            return Err(FaultKind::InvalidOperand { what });
        }
        Ok(if self.may_complete { state } else { state.of_incomplete() })
    }
}

impl Wait {
    /// Whether the phase is complete.
    fn is_past(&self, mbarrier: &crate::memory::Mbarrier, of: u64) -> Result<bool, FaultKind> {
        match self.is_parity {
            true => Ok(mbarrier.is_past_parity(of as u32)),
            false => mbarrier.is_past(State::from_bits(of)),
        }
    }

    fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        let places = self.at.places(cx, mask)?;
        let of = match self.is_parity {
            true => cx.warp.word(self.of, mask)?.map(u64::from),
            false => cx.warp.double(self.of, mask)?,
        };
        let mut complete = 0;
        // Lanes that learn the same, most often all.
        let mut learning: Vec<((u32, u64), u32)> = Vec::new();
        // What those wait for that are in vain here.
        let mut missing: Option<PhaseOf> = None;
        let mut one_phase = true;
        for lane in lanes(mask) {
            let (rank, address) = places[lane];
            let mbarrier = find(cx, places[lane], lane).map_err(|kind| stop(lane, kind))?;
            let phase = mbarrier.phase();
            if self.is_past(mbarrier, of[lane]).map_err(|kind| stop(lane, kind))? {
                complete |= 1 << lane;
                match learning.iter_mut().find(|(place, _)| *place == places[lane]) {
                    Some((_, lanes)) => *lanes |= 1 << lane,
                    None => learning.push((places[lane], 1 << lane)),
                }
            } else {
                let looked_for = PhaseOf { rank, address, phase };
                one_phase &= missing.is_none_or(|missing| missing == looked_for);
                missing = Some(looked_for);
            }
        }
        for (place, lanes) in learning {
            let first = lanes.trailing_zeros() as usize;
            let known = find(cx, place, first).map_err(|kind| stop(first, kind))?.known().clone();
            match self.acquires {
                true => cx.block.learn(cx.warp.index, lanes, &known),
                false => cx.block.hear(cx.warp.index, &known),
            }
        }
        // Of a warp that is of two minds the lanes that need not wait may be waited for by the others.
        if self.sleeps
            && one_phase
            && complete == 0
            && mask == cx.warp.live()
            && let Some(looked_for) = missing
            && cx.warp.looked_for == Some(looked_for)
        {
            return Ok(Flow::Until(Event::Mbarrier(looked_for)));
        }
        cx.warp.looked_for = missing;
        cx.warp.set_predicate(self.to, complete, mask);
        Ok(if missing.is_some() { Flow::Yield } else { Flow::Next })
    }
}

/// The mbarrier that a lane uses itself.
pub(super) fn find<'a>(
    cx: &'a mut Cx,
    (rank, address): (u32, u64),
    lane: usize,
) -> Result<&'a mut crate::memory::Mbarrier, FaultKind> {
    let (shared, by) = cx.shared_of(rank, lane)?;
    shared.mbarrier(address, Proxy::Generic, by)
}

fn stop(lane: usize, kind: FaultKind) -> Stop {
    Stop { lane: lane as u32, kind }
}

/// `.b64`, and nothing after it.
fn bits(text: &Text, operands: usize) -> Result<(), LoadError> {
    if !text.eat("b64") {
        return Err(text.refuse("expected .b64"));
    }
    text.finish(operands)
}

/// A space in which only the block's own mbarriers are.
fn local(text: &Text) -> Result<Option<Space>, LoadError> {
    match eat_space(text) {
        space @ (None | Some(Space::Shared)) => Ok(space),
        _ => Err(text.refuse("expected .shared or .shared::cta")),
    }
}

fn shared(text: &Text, space: Option<Space>) -> Result<Option<Space>, LoadError> {
    match space {
        None | Some(Space::Shared | Space::SharedCluster) => Ok(space),
        _ => Err(text.refuse("an mbarrier is in shared memory")),
    }
}

fn scope(text: &Text) -> Result<(), LoadError> {
    match text.eat("cta") || text.eat("cluster") {
        true => Ok(()),
        false => Err(text.refuse("expected .cta or .cluster")),
    }
}

/// Takes an order and its scope, if they stand there: whether it is this one, which it is without.
fn ordering(text: &Text, strong: &str) -> Result<bool, LoadError> {
    let relaxed = text.eat("relaxed");
    if relaxed || text.eat(strong) {
        scope(text)?;
    }
    Ok(!relaxed)
}
