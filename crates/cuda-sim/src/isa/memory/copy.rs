//! Asynchronous copies from global to shared memory, in groups that are waited for.
//!
//! What is copied is read when the copy starts, and arrives when the thread that started it waits for
//! it, or has an mbarrier wait for it. Between the two nobody may touch the bytes it goes to.

use super::access::{addresses, eat_space};
use crate::error::LoadError;
use crate::exec::clock::{Agent, Epoch, Knowledge};
use crate::exec::{Cx, LANES, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::availability::{IGNORED_SOURCE, require};
use crate::isa::data::predicate;
use crate::isa::decode::{Target, Text};
use crate::isa::mbarrier::{At, find};
use crate::isa::program::{Register, Source};
use crate::memory::{Access, Stay};
use crate::ptx::{Operand, Space, Type};

#[derive(Clone, Debug)]
pub(crate) enum Copy {
    /// `cp.async`: so many bytes, of which the source gives some and the others are zero.
    Start { to: Target, from: Target, bytes: u32, given: Given },
    /// `cp.async.commit_group`
    Commit,
    /// `cp.async.wait_group`: for all groups but the last few; `None` for all there is.
    Wait { but: Option<u32> },
    /// `cp.async.mbarrier.arrive`: all that the thread has started arrives with the mbarrier's phase, which
    /// may count one arrival more for it.
    Arrive { at: At, counts: bool },
}

/// How many bytes the source gives.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given {
    All,
    Bytes(Source),
    /// None where a predicate holds.
    Unless(Register, bool),
}

impl Copy {
    pub(in crate::isa) fn decode(text: &Text) -> Result<Self, LoadError> {
        if !text.eat("async") {
            return Err(text.refuse("only cp.async is simulated"));
        }
        if text.eat("commit_group") {
            text.finish(0)?;
            return Ok(Self::Commit);
        }
        if text.eat("wait_all") {
            text.finish(0)?;
            return Ok(Self::Wait { but: None });
        }
        if text.eat("wait_group") {
            text.finish(1)?;
            return match text.source(0, Type::U32)? {
                Source::Immediate(but) => Ok(Self::Wait { but: Some(but as u32) }),
                _ => Err(text.refuse("the number of groups is constant")),
            };
        }
        if text.eat("mbarrier") {
            if !text.eat("arrive") {
                return Err(text.refuse("expected .arrive"));
            }
            let counts = !text.eat("noinc");
            return Ok(Self::Arrive { at: At::decode_own(text)?, counts });
        }
        let wide = text.one_of(&[("ca", false), ("cg", true)]);
        let wide = wide.ok_or_else(|| text.refuse("not simulated"))?;
        let spaces = [eat_space(text), eat_space(text)];
        if spaces != [Some(Space::Shared), Some(Space::Global)] {
            return Err(text.refuse("a copy goes from global to shared memory"));
        }
        let hinted = text.eat("L2::cache_hint");
        let _ = ["L2::64B", "L2::128B", "L2::256B"].into_iter().any(|hint| text.eat(hint));
        let operands = text.operand_count() - usize::from(hinted);
        text.finish(text.operand_count().clamp(3, 4 + usize::from(hinted)))?;
        let bytes = match text.source(2, Type::U32)? {
            Source::Immediate(bytes) => bytes as u32,
            _ => return Err(text.refuse("the number of bytes is constant")),
        };
        if !(bytes == 16 || !wide && matches!(bytes, 4 | 8)) {
            return Err(text.refuse("a copy has 4, 8 or 16 bytes, with .cg 16"));
        }
        if hinted {
            text.source(operands, Type::B64)?;
        }
        let given = match operands {
            3 => Given::All,
            _ => match text.operand(3)? {
                operand @ Operand::Not(_) => {
                    let (register, negated) = text.predicate_operand(operand)?;
                    Given::Unless(register, negated)
                }
                operand => match text.predicate_operand(operand) {
                    Ok((register, negated)) => Given::Unless(register, negated),
                    Err(_) => Given::Bytes(match text.source(3, Type::U32)? {
                        Source::Immediate(given) if given > bytes.into() => {
                            return Err(text.refuse("the source gives more bytes than are copied"));
                        }
                        given => given,
                    }),
                },
            },
        };
        if matches!(given, Given::Unless(..)) {
            require(text, IGNORED_SOURCE)?;
        }
        let (to, from) = (text.address(0, spaces[0])?, text.address(1, spaces[1])?);
        Ok(Self::Start { to, from, bytes, given })
    }

    pub(in crate::isa) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match self {
            Self::Start { to, from, bytes, given } => start(cx, mask, to, from, *bytes, given),
            Self::Commit => {
                lanes(mask).for_each(|lane| cx.warp.copies.committed[lane] += 1);
                Ok(())
            }
            Self::Wait { but } => wait(cx, mask, *but),
            Self::Arrive { at, counts } => arrive(cx, mask, at, *counts),
        }
    }
}

/// The asynchronous copies of a warp.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// Groups that each lane has committed, and copies that it has started.
    committed: [u32; LANES],
    started: [u32; LANES],
    pending: Vec<Pending>,
    /// Whose steps a lane's copies are, if it has told an mbarrier of any: a copy's time is its number, from 1.
    agents: [Option<Agent>; LANES],
    /// The last step of each lane's groups that mbarriers were told of.
    told: Vec<(usize, u32, Epoch)>,
}

/// A copy that has not arrived.
#[derive(Debug)]
struct Pending {
    lane: usize,
    /// Its number and that of its group among the lane's.
    number: u32,
    group: u32,
    to: Access,
    bytes: [u8; 16],
}

fn start(
    cx: &mut Cx,
    mask: u32,
    to: &Target,
    from: &Target,
    bytes: u32,
    given: &Given,
) -> Result<(), Stop> {
    let (to, from) = (addresses(cx, to, mask)?, addresses(cx, from, mask)?);
    let given = match *given {
        Given::All => [bytes; LANES],
        Given::Bytes(source) => cx.warp.word(source, mask)?,
        Given::Unless(register, negated) => {
            let ignored = predicate(cx, (register, negated), mask)?;
            std::array::from_fn(|lane| if ignored >> lane & 1 != 0 { 0 } else { bytes })
        }
    };
    for lane in lanes(mask) {
        let at = |kind| Stop { lane: lane as u32, kind };
        if given[lane] > bytes {
            let what = format!("{} bytes of a source for a copy of {bytes}", given[lane]);
            return Err(at(FaultKind::InvalidOperand { what }));
        }
        let to = Access { address: to[lane], bytes };
        let (shared, visitor) = cx.block.shared_by(cx.warp.index, lane);
        shared.check(to).and_then(|()| shared.start_copy(to, visitor)).map_err(at)?;
        let mut copied = [0; 16];
        let alignment = u64::from(bytes);
        if given[lane] > 0 && !from[lane].is_multiple_of(alignment) {
            let (space, address, alignment) = ("global", from[lane], bytes);
            return Err(at(FaultKind::Misaligned { space, address, alignment }));
        }
        for byte in 0..given[lane] {
            let access = Access { address: from[lane] + u64::from(byte), bytes: 1 };
            copied[byte as usize] =
                cx.load(lane, Some(Space::Global), access, false).map_err(at)?[0];
        }
        let copies = &mut cx.warp.copies;
        copies.started[lane] += 1;
        let (number, group) = (copies.started[lane], copies.committed[lane]);
        copies.pending.push(Pending { lane, number, group, to, bytes: copied });
    }
    cx.count_access(Some(Space::Shared), &to, mask, bytes, true);
    let reading = lanes(mask).filter(|lane| given[*lane] > 0);
    let runs: Vec<_> = reading.map(|lane| Access { address: from[lane], bytes }).collect();
    cx.count_copies(&runs);
    Ok(())
}

fn wait(cx: &mut Cx, mask: u32, but: Option<u32>) -> Result<(), Stop> {
    let committed = cx.warp.copies.committed;
    let arrives = |lane: usize, group: u32| {
        mask >> lane & 1 != 0 && but.is_none_or(|but| group < committed[lane].saturating_sub(but))
    };
    for copy in cx.warp.copies.pending.extract_if(.., |copy| arrives(copy.lane, copy.group)) {
        let (shared, visitor) = cx.block.shared_by(cx.warp.index, copy.lane);
        let finished = shared.finish_copy(copy.to, &copy.bytes[..copy.to.bytes as usize], visitor);
        finished.map_err(|kind| Stop { lane: copy.lane as u32, kind })?;
    }
    for (_, _, step) in
        cx.warp.copies.told.extract_if(.., |(lane, group, _)| arrives(*lane, *group))
    {
        cx.block.learn_of(cx.warp.index, step);
    }
    cx.block.progress = true;
    Ok(())
}

fn arrive(cx: &mut Cx, mask: u32, at: &At, counts: bool) -> Result<(), Stop> {
    let places = at.places(cx, mask)?;
    for lane in lanes(mask) {
        let arrived = arrive_with(cx, lane, places[lane], counts);
        arrived.map_err(|kind| Stop { lane: lane as u32, kind })?;
    }
    cx.block.progress = true;
    Ok(())
}

/// A lane's copies arrive with the present phase of an mbarrier. They are steps of the lane, so that who sees the
/// phase knows of all that this lane has copied, and of no others' copies that another mbarrier was told of with
/// its own.
fn arrive_with(cx: &mut Cx, lane: usize, place: (u32, u64), counts: bool) -> Result<(), FaultKind> {
    let agent = *cx.warp.copies.agents[lane].get_or_insert_with(|| cx.cluster.new_agent());
    for copy in cx.warp.copies.pending.extract_if(.., |copy| copy.lane == lane) {
        let (shared, visitor) = cx.block.shared_by(cx.warp.index, lane);
        let bytes = &copy.bytes[..copy.to.bytes as usize];
        let step = Epoch { agent, time: copy.number };
        shared.finish_copy_as(copy.to, bytes, step, visitor)?;
        let told = &mut cx.warp.copies.told;
        let same = |(of, group, _): &&mut (usize, u32, Epoch)| *of == lane && *group == copy.group;
        match told.iter_mut().find(same) {
            Some((_, _, known)) => *known = step,
            None => told.push((lane, copy.group, step)),
        }
    }
    // That the copies have come says nothing of what else the thread has done.
    let mut arrived = Knowledge::default();
    arrived.learn(Epoch { agent, time: cx.warp.copies.started[lane] });
    let mbarrier = find(cx, place, lane)?;
    if counts {
        mbarrier.expect_arrival()?;
    }
    mbarrier.arrive(1, Stay::Stays, &arrived)?;
    Ok(())
}
