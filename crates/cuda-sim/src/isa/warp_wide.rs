//! Exchanges between the lanes of a warp.

use super::data::predicate;
use super::decode::Text;
use super::program::{Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Stop, lanes};
use crate::fault::FaultKind;
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) enum WarpWide {
    Shuffle {
        mode: Mode,
        to: Register,
        in_range: Option<Register>,
        /// Value, lane, clamp and mask, members.
        from: [Source; 4],
    },
    Vote {
        kind: Vote,
        by: (Register, bool),
        members: Source,
    },
    ActiveMask {
        to: Register,
    },
    /// `elect`: the same one of the members every time, the first.
    Elect {
        leader: Option<Register>,
        is_leader: Register,
        members: Source,
    },
    Reduce {
        function: Reduction,
        signed: bool,
        to: Register,
        from: Source,
        members: Source,
    },
    Match {
        all: bool,
        to: Register,
        agrees: Option<Register>,
        ty: Type,
        from: Source,
        members: Source,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Mode {
    Up,
    Down,
    Butterfly,
    Index,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Vote {
    All(Register),
    Any(Register),
    Uniform(Register),
    Ballot(Register),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Reduction {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
}

impl WarpWide {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.mnemonic() == "activemask" {
            let ty = text.ty()?;
            text.finish(1)?;
            only(text, ty, &[Type::B32])?;
            return Ok(Self::ActiveMask { to: text.destination(0, ty)? });
        }
        // `match` says of whom before it says `.sync`.
        let all = (text.mnemonic() == "match")
            .then(|| text.one_of(&[("all", true), ("any", false)]))
            .flatten();
        if !text.eat("sync") {
            return Err(text.refuse("only the form with .sync is simulated"));
        }
        match text.mnemonic() {
            "shfl" => {
                let modes = [
                    ("up", Mode::Up),
                    ("down", Mode::Down),
                    ("bfly", Mode::Butterfly),
                    ("idx", Mode::Index),
                ];
                let mode = text.one_of(&modes).ok_or_else(|| text.refuse("expected a mode"))?;
                let ty = text.ty()?;
                text.finish(5)?;
                only(text, ty, &[Type::B32])?;
                let (to, in_range) = match text.operand(0)? {
                    Operand::Pair(pair) => {
                        let to = text.destination_of(&pair[0], ty)?;
                        (to, Some(text.destination_of(&pair[1], Type::Pred)?))
                    }
                    operand => (text.destination_of(operand, ty)?, None),
                };
                let word = |index| text.source(index, Type::B32);
                let from = [text.source(1, ty)?, word(2)?, word(3)?, word(4)?];
                Ok(Self::Shuffle { mode, to, in_range, from })
            }
            "vote" => {
                let kind = text.peek().unwrap_or_default();
                let ballot = text.eat("ballot");
                if !ballot && !["all", "any", "uni"].into_iter().any(|kind| text.eat(kind)) {
                    return Err(text.refuse("expected .all, .any, .uni or .ballot"));
                }
                let ty = text.ty()?;
                text.finish(3)?;
                only(text, ty, if ballot { &[Type::B32] } else { &[Type::Pred] })?;
                let to = text.destination(0, ty)?;
                let kind = match kind {
                    "all" => Vote::All(to),
                    "any" => Vote::Any(to),
                    "uni" => Vote::Uniform(to),
                    _ => Vote::Ballot(to),
                };
                let by = text.predicate_operand(text.operand(1)?)?;
                Ok(Self::Vote { kind, by, members: text.source(2, Type::B32)? })
            }
            "elect" => {
                text.finish(2)?;
                let Operand::Pair(pair) = text.operand(0)? else {
                    return Err(text.refuse("expected a leader and a predicate"));
                };
                let leader = match &pair[0] {
                    Operand::Sink => None,
                    leader => Some(text.destination_of(leader, Type::B32)?),
                };
                let is_leader = text.destination_of(&pair[1], Type::Pred)?;
                Ok(Self::Elect { leader, is_leader, members: text.source(1, Type::B32)? })
            }
            "redux" => {
                use Reduction::*;
                let functions = [
                    ("add", Add),
                    ("min", Min),
                    ("max", Max),
                    ("and", And),
                    ("or", Or),
                    ("xor", Xor),
                ];
                let function =
                    text.one_of(&functions).ok_or_else(|| text.refuse("not simulated"))?;
                let ty = text.ty()?;
                let types: &[Type] = match function {
                    And | Or | Xor => &[Type::B32],
                    Add | Min | Max => &[Type::U32, Type::S32],
                };
                only(text, ty, types)?;
                text.finish(3)?;
                // Bits are those of integers.
                let (to, from) = (text.destination(0, Type::U32)?, text.source(1, Type::U32)?);
                let members = text.source(2, Type::B32)?;
                Ok(Self::Reduce { function, signed: ty.is_signed(), to, from, members })
            }
            "match" => {
                let all = all.ok_or_else(|| text.refuse("expected .any or .all"))?;
                let ty = text.ty()?;
                text.finish(3)?;
                only(text, ty, &[Type::B32, Type::B64])?;
                let (to, agrees) = match text.operand(0)? {
                    Operand::Pair(pair) if all => {
                        let to = text.destination_of(&pair[0], Type::B32)?;
                        (to, Some(text.destination_of(&pair[1], Type::Pred)?))
                    }
                    operand => (text.destination_of(operand, Type::B32)?, None),
                };
                let from = text.source(1, ty)?;
                Ok(Self::Match { all, to, agrees, ty, from, members: text.source(2, Type::B32)? })
            }
            _ => Err(text.refuse("not simulated")),
        }
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match *self {
            Self::ActiveMask { to } => cx.warp.set_word(to, &[mask; LANES], mask),
            Self::Shuffle { mode, to, in_range, from: [value, lane, control, members] } => {
                let groups = groups(cx, members, mask)?;
                let [value, lane, control] = [
                    cx.warp.word(value, mask)?,
                    cx.warp.word(lane, mask)?,
                    cx.warp.word(control, mask)?,
                ];
                let mut result = value;
                let mut within = 0;
                for group in groups {
                    for at in lanes(group) {
                        let (source, valid) = source_lane(mode, at as u32, lane[at], control[at]);
                        if !valid {
                            continue;
                        }
                        if group >> source & 1 == 0 {
                            let kind = FaultKind::Divergent { lanes: group, expected: 1 << source };
                            return Err(Stop { lane: at as u32, kind });
                        }
                        result[at] = value[source as usize];
                        within |= 1 << at;
                    }
                }
                cx.warp.set_word(to, &result, mask);
                if let Some(in_range) = in_range {
                    cx.warp.set_predicate(in_range, within, mask);
                }
            }
            Self::Vote { kind, by, members } => {
                let holds = predicate(cx, by, mask)?;
                for group in groups(cx, members, mask)? {
                    let ballot = holds & group;
                    let all = |holds: bool| if holds { u32::MAX } else { 0 };
                    match kind {
                        Vote::Ballot(to) => cx.warp.set_word(to, &[ballot; LANES], group),
                        Vote::All(to) => cx.warp.set_predicate(to, all(ballot == group), group),
                        Vote::Any(to) => cx.warp.set_predicate(to, all(ballot != 0), group),
                        Vote::Uniform(to) => {
                            let uniform = ballot == group || ballot == 0;
                            cx.warp.set_predicate(to, all(uniform), group);
                        }
                    }
                }
            }
            Self::Elect { leader, is_leader, members } => {
                for group in groups(cx, members, mask)? {
                    let first = group.trailing_zeros();
                    if let Some(leader) = leader {
                        cx.warp.set_word(leader, &[first; LANES], group);
                    }
                    cx.warp.set_predicate(is_leader, 1 << first, group);
                }
            }
            Self::Reduce { function, signed, to, from, members } => {
                let groups = groups(cx, members, mask)?;
                let values = cx.warp.word(from, mask)?;
                let combine = |a: u32, b: u32| match function {
                    Reduction::Add => a.wrapping_add(b),
                    Reduction::Min if signed => (a as i32).min(b as i32) as u32,
                    Reduction::Min => a.min(b),
                    Reduction::Max if signed => (a as i32).max(b as i32) as u32,
                    Reduction::Max => a.max(b),
                    Reduction::And => a & b,
                    Reduction::Or => a | b,
                    Reduction::Xor => a ^ b,
                };
                for group in groups {
                    let result = lanes(group).map(|lane| values[lane]).reduce(combine).unwrap_or(0);
                    cx.warp.set_word(to, &[result; LANES], group);
                }
            }
            Self::Match { all, to, agrees, ty, from, members } => {
                let groups = groups(cx, members, mask)?;
                let values =
                    cx.warp.double(from, mask)?.map(|v| v & (u64::MAX >> (64 - ty.bits())));
                for group in groups {
                    let same = |value: u64| {
                        lanes(group).filter(|&l| values[l] == value).fold(0_u32, |m, l| m | 1 << l)
                    };
                    let mut result = values.map(same);
                    if all {
                        let agreed = result[group.trailing_zeros() as usize] == group;
                        result = [if agreed { group } else { 0 }; LANES];
                        if let Some(agrees) = agrees {
                            let agreed = if agreed { u32::MAX } else { 0 };
                            cx.warp.set_predicate(agrees, agreed, group);
                        }
                    }
                    cx.warp.set_word(to, &result, group);
                }
            }
        }
        Ok(())
    }
}

/// Refuses other types than these.
fn only(text: &Text, ty: Type, types: &[Type]) -> Result<(), LoadError> {
    if types.contains(&ty) { Ok(()) } else { Err(text.refuse("not an instruction of this type")) }
}

/// The groups that lanes form by the members that they name, without those that have exited. Refuses a lane that is not among its own members, and members that do not take part.
pub(super) fn groups(cx: &Cx, members: Source, mask: u32) -> Result<Vec<u32>, Stop> {
    let members = cx.warp.word(members, mask)?;
    let live = cx.warp.live();
    let mut groups = Vec::new();
    let mut left = mask;
    while left != 0 {
        let first = left.trailing_zeros();
        let named = members[first as usize];
        let group = named & live;
        let together = lanes(mask).filter(|&l| members[l] == named).fold(0_u32, |m, l| m | 1 << l);
        if group != together {
            let kind = FaultKind::Divergent { lanes: together, expected: group };
            return Err(Stop { lane: first, kind });
        }
        groups.push(group);
        left &= !group;
    }
    Ok(groups)
}

/// The lane that a shuffle reads, and whether it is within the segment: the PTX manual's pseudocode.
fn source_lane(mode: Mode, lane: u32, by: u32, control: u32) -> (u32, bool) {
    let (by, clamp, segment) = (by & 0x1f, control & 0x1f, control >> 8 & 0x1f);
    let max = lane & segment | clamp & !segment;
    let min = lane & segment;
    match mode {
        Mode::Up => (lane.wrapping_sub(by), lane as i32 - by as i32 >= max as i32),
        Mode::Down => (lane + by, lane + by <= max),
        Mode::Butterfly => (lane ^ by, lane ^ by <= max),
        Mode::Index => {
            let source = min | by & !segment;
            (source, source <= max)
        }
    }
}
