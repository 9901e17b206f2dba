//! Moves, and logic of predicates.

use super::decode::Text;
use super::program::{Class, Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Stop};
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) enum Data {
    Move {
        to: Register,
        from: Source,
    },
    MovePredicate {
        to: Register,
        from: PredicateSource,
    },
    /// What has 128 bits, half by half.
    MoveHalves(Vec<(Register, Source)>),
    /// Parts of a register to registers, the lowest bits first; no register for `_`.
    Unpack {
        to: Vec<Option<Register>>,
        from: Source,
        bits: u32,
    },
    /// Values to parts of a register, the lowest bits first.
    Pack {
        to: Register,
        from: Vec<Source>,
        bits: u32,
    },
    /// `and.pred` and the like.
    Logic {
        function: Logic,
        to: Register,
        a: (Register, bool),
        b: (Register, bool),
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum PredicateSource {
    Register(Register, bool),
    Constant(bool),
    /// `%is_explicit_cluster`
    InCluster,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Logic {
    And,
    Or,
    Xor,
}

impl Data {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let ty = text.ty()?;
        if ty == Type::Pred {
            return Self::decode_predicate(text);
        }
        text.finish(2)?;
        if ty == Type::B128 {
            return Self::decode_wide(text);
        }
        let is_short_float = ty.is_float() && !matches!(ty, Type::F32 | Type::F64);
        if !matches!(ty.bits(), 16 | 32 | 64) || is_short_float {
            return Err(text.refuse("not an instruction of this type"));
        }
        let vectors = text.operands().iter().filter_map(|operand| match operand {
            Operand::Vector(parts) => Some(parts),
            _ => None,
        });
        for parts in vectors {
            if !matches!(ty, Type::B16 | Type::B32 | Type::B64) || !matches!(parts.len(), 2 | 4) {
                return Err(text.refuse("2 or 4 parts of .b16, .b32 or .b64"));
            }
            if parts.iter().all(|part| *part == Operand::Sink) {
                return Err(text.refuse("no part goes anywhere"));
            }
        }
        if let Operand::Vector(parts) = text.operand(0)? {
            let bits = ty.bits() / parts.len() as u32;
            let part = part_type(text, bits)?;
            let to = parts.iter().map(|part_operand| match part_operand {
                Operand::Sink => Ok(None),
                operand => text.destination_of(operand, part).map(Some),
            });
            let to = to.collect::<Result<_, _>>()?;
            return Ok(Self::Unpack { to, from: text.source(1, ty)?, bits });
        }
        let to = text.destination(0, ty)?;
        if let Operand::Vector(parts) = text.operand(1)? {
            let bits = ty.bits() / parts.len() as u32;
            let part = part_type(text, bits)?;
            let from = parts.iter().map(|operand| text.source_of(operand, part));
            return Ok(Self::Pack { to, from: from.collect::<Result<_, _>>()?, bits });
        }
        Ok(Self::Move { to, from: text.source(1, ty)? })
    }

    /// Of 128 bits: from register to register, or to or from two halves.
    fn decode_wide(text: &Text) -> Result<Self, LoadError> {
        let moves: Result<Vec<_>, LoadError> = match (text.operand(0)?, text.operand(1)?) {
            (Operand::Vector(parts), from) => {
                let moves = halves(text, parts)?.iter().zip(text.wide(from)?);
                let moves = moves.filter(|(to, _)| **to != Operand::Sink);
                let to = |operand| text.destination_of(operand, Type::B64);
                moves.map(|(operand, from)| Ok((to(operand)?, Source::Register(from)))).collect()
            }
            (to, Operand::Vector(parts)) => {
                let moves = text.wide(to)?.into_iter().zip(halves(text, parts)?);
                moves.map(|(to, from)| Ok((to, text.source_of(from, Type::B64)?))).collect()
            }
            (to, from) => {
                let from = text.wide(from)?.map(Source::Register);
                Ok(text.wide(to)?.into_iter().zip(from).collect())
            }
        };
        let moves = moves?;
        if moves.is_empty() {
            return Err(text.refuse("no part goes anywhere"));
        }
        Ok(Self::MoveHalves(moves))
    }

    fn decode_predicate(text: &Text) -> Result<Self, LoadError> {
        text.finish(2)?;
        let from = match text.operand(1)? {
            Operand::Integer(value) => PredicateSource::Constant(*value != 0),
            Operand::Name(name) if name == "%is_explicit_cluster" => PredicateSource::InCluster,
            operand => {
                let (register, negated) = text.predicate_operand(operand)?;
                PredicateSource::Register(register, negated)
            }
        };
        Ok(Self::MovePredicate { to: text.predicate(0)?, from })
    }

    /// `and`, `or`, `xor` and `not` of predicates.
    pub(super) fn decode_logic(text: &Text) -> Result<Self, LoadError> {
        let function = match text.mnemonic() {
            "and" => Logic::And,
            "or" => Logic::Or,
            "xor" => Logic::Xor,
            "not" => {
                text.ty()?;
                text.finish(2)?;
                let (register, negated) = text.predicate_operand(text.operand(1)?)?;
                let from = PredicateSource::Register(register, !negated);
                return Ok(Self::MovePredicate { to: text.predicate(0)?, from });
            }
            _ => return Err(text.refuse("not an instruction of predicates")),
        };
        text.ty()?;
        text.finish(3)?;
        let operand = |index| text.predicate_operand(text.operand(index)?);
        Ok(Self::Logic { function, to: text.predicate(0)?, a: operand(1)?, b: operand(2)? })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match self {
            Self::Move { to, from } => copy(cx, *to, *from, mask)?,
            Self::MoveHalves(moves) => {
                moves.iter().try_for_each(|(to, from)| copy(cx, *to, *from, mask))?;
            }
            Self::MovePredicate { to, from } => {
                let value = match *from {
                    PredicateSource::Constant(value) => {
                        if value {
                            u32::MAX
                        } else {
                            0
                        }
                    }
                    PredicateSource::InCluster => {
                        if cx.siblings.cluster_size() > 1 {
                            u32::MAX
                        } else {
                            0
                        }
                    }
                    PredicateSource::Register(register, negated) => {
                        predicate(cx, (register, negated), mask)?
                    }
                };
                cx.warp.set_predicate(*to, value, mask);
            }
            Self::Unpack { to, from, bits } => {
                let value = cx.warp.double(*from, mask)?;
                for (part, to) in to.iter().enumerate() {
                    let shift = bits * part as u32;
                    let Some(to) = to else { continue };
                    let keep = u64::MAX >> (64 - bits);
                    cx.warp.set_word(*to, &value.map(|v| (v >> shift & keep) as u32), mask);
                }
            }
            Self::Pack { to, from, bits } => {
                let mut packed = [0; LANES];
                for (part, from) in from.iter().enumerate() {
                    let value = cx.warp.double(*from, mask)?;
                    let keep = u64::MAX >> (64 - bits);
                    for (packed, value) in packed.iter_mut().zip(value) {
                        *packed |= (value & keep) << (bits * part as u32);
                    }
                }
                match to.class {
                    Class::Double => cx.warp.set_double(*to, &packed, mask),
                    _ => cx.warp.set_word(*to, &packed.map(|value| value as u32), mask),
                }
            }
            Self::Logic { function, to, a, b } => {
                let (a, b) = (predicate(cx, *a, mask)?, predicate(cx, *b, mask)?);
                let value = match function {
                    Logic::And => a & b,
                    Logic::Or => a | b,
                    Logic::Xor => a ^ b,
                };
                cx.warp.set_predicate(*to, value, mask);
            }
        }
        Ok(())
    }
}

/// Moves a value. Compilers move what is undefined where paths join, so long as nobody uses it: what has
/// not been written stays so, and is a fault where something is computed from it.
pub(super) fn copy(cx: &mut Cx, to: Register, from: Source, mask: u32) -> Result<(), Stop> {
    let known = cx.warp.known(from);
    if to.class == Class::Double {
        let value = cx.warp.double(from, mask & known)?;
        cx.warp.set_double(to, &value, mask);
    } else {
        let value = cx.warp.word(from, mask & known)?;
        cx.warp.set_word(to, &value, mask);
    }
    cx.warp.forget(to, mask & !known);
    Ok(())
}

/// A predicate that may be negated, a bit for each lane.
pub(super) fn predicate(
    cx: &Cx,
    (register, negated): (Register, bool),
    mask: u32,
) -> Result<u32, Stop> {
    let value = cx.warp.predicate(register, mask)?;
    Ok(if negated { !value } else { value })
}

/// The parts of 128 bits.
fn halves<'a>(text: &Text, parts: &'a [Operand]) -> Result<&'a [Operand], LoadError> {
    match parts.len() {
        2 => Ok(parts),
        _ => Err(text.refuse("2 parts of 64 bits are simulated")),
    }
}

fn part_type(text: &Text, bits: u32) -> Result<Type, LoadError> {
    match bits {
        8 => Ok(Type::B8),
        16 => Ok(Type::B16),
        32 => Ok(Type::B32),
        _ => Err(text.refuse("parts of 8, 16 or 32 bits are simulated")),
    }
}
