//! Conversions of values and addresses.

use super::decode::Text;
use super::float::{f32_to_half, half_to_f32};
use super::lanewise::{doubles, words};
use super::program::{Class, Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Stop};
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) enum Convert {
    /// Between integers: the low bits, extended by the source's type.
    Integer { to: Register, to_ty: Type, from: Source, from_ty: Type, saturate: bool },
    /// From an integer to f32 or f64, to nearest even.
    ToFloat { to: Register, to_ty: Type, from: Source, from_ty: Type },
    /// From f32 or f64 to an integer, saturating; NaN to 0.
    FromFloat {
        to: Register,
        to_ty: Type,
        from: Source,
        from_ty: Type,
        rounding: Rounding,
        ftz: bool,
    },
    /// To a float of another width, to nearest even.
    Float { to: Register, to_ty: Type, from: Source, from_ty: Type },
    /// Two f32 to a pair of 16-bit floats, the first in the upper half.
    Pair { to: Register, element: Type, high: Source, low: Source, relu: bool },
    /// A shared or global address to a generic one and back.
    Address { to: Register, from: Source, add: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    Nearest,
    Zero,
    Down,
    Up,
}

/// Where the window to a block's shared memory stands among generic addresses.
pub(crate) const SHARED_WINDOW: u64 = 0x0100_0000_0000;

impl Convert {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.mnemonic() == "cvta" {
            return Self::decode_address(text);
        }
        use Rounding::*;
        let roundings = [
            ("rni", Nearest),
            ("rzi", Zero),
            ("rmi", Down),
            ("rpi", Up),
            ("rn", Nearest),
            ("rz", Zero),
            ("rm", Down),
            ("rp", Up),
        ];
        let rounding = text.one_of(&roundings);
        let ftz = text.eat("ftz");
        let relu = text.eat("relu");
        let saturate = text.eat("sat");
        let to_ty = text.ty()?;
        let from_ty = text.ty()?;
        if matches!(to_ty, Type::BF16x2 | Type::F16x2) && from_ty == Type::F32 {
            text.finish(3)?;
            if rounding != Some(Nearest) || saturate {
                return Err(text.refuse("only rounding to nearest is simulated"));
            }
            let element = if to_ty == Type::BF16x2 { Type::BF16 } else { Type::F16 };
            let to = text.destination(0, Type::B32)?;
            let (high, low) = (text.source(1, from_ty)?, text.source(2, from_ty)?);
            return Ok(Self::Pair { to, element, high, low, relu });
        }
        text.finish(2)?;
        if relu {
            return Err(text.refuse("not simulated"));
        }
        // A destination may be wider than the result, and a source than what is converted.
        let (to, to_bits) = {
            let (register, declared) = text.register(text.operand(0)?)?;
            (register, declared.bits())
        };
        let from = match text.operand(1)? {
            operand @ Operand::Name(_) => match text.register(operand) {
                Ok((register, declared)) if declared.bits() >= from_ty.bits() => {
                    Source::Register(register)
                }
                Ok(_) => return Err(text.refuse("the source has too few bits")),
                Err(_) => text.source(1, from_ty)?,
            },
            _ => text.source(1, from_ty)?,
        };
        if to_bits < to_ty.bits() || to.class == Class::Predicate {
            return Err(text.refuse("the destination has too few bits"));
        }
        match (to_ty.is_float(), from_ty.is_float()) {
            (false, false) if rounding.is_none() && !ftz => {
                Ok(Self::Integer { to, to_ty, from, from_ty, saturate })
            }
            (true, false) if rounding == Some(Nearest) && to_ty.bits() >= 32 && !saturate => {
                Ok(Self::ToFloat { to, to_ty, from, from_ty })
            }
            (false, true) if rounding.is_some() && from_ty.bits() >= 32 => {
                let rounding = rounding.unwrap_or(Nearest);
                Ok(Self::FromFloat { to, to_ty, from, from_ty, rounding, ftz })
            }
            (true, true) if matches!(rounding, None | Some(Nearest)) && !ftz && !saturate => {
                Ok(Self::Float { to, to_ty, from, from_ty })
            }
            _ => Err(text.refuse("not simulated")),
        }
    }

    fn decode_address(text: &Text) -> Result<Self, LoadError> {
        let back = text.eat("to");
        let window = text.one_of(&[
            ("shared", SHARED_WINDOW),
            ("shared::cta", SHARED_WINDOW),
            ("global", 0),
            ("param", 0),
        ]);
        let window = window.ok_or_else(|| text.refuse("not simulated"))?;
        let ty = text.ty()?;
        text.finish(2)?;
        let add = if back { window.wrapping_neg() } else { window };
        let from = match text.operand(1)? {
            operand @ Operand::Name(_) => match text.register(operand) {
                Ok((register, _)) => Source::Register(register),
                Err(_) => text.source(1, ty)?,
            },
            _ => text.source(1, ty)?,
        };
        Ok(Self::Address { to: text.destination(0, ty)?, from, add })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match *self {
            Self::Integer { to, to_ty, from, from_ty, saturate } => {
                let f = |value: u64| {
                    let value = extend(value, from_ty);
                    let value = if saturate { clamp(value, to_ty) } else { value };
                    value as u64 & (u64::MAX >> (64 - to_ty.bits()))
                };
                // Into a wider register the result is extended by its own sign.
                let f = |value| match (to.class, to_ty.is_signed()) {
                    (Class::Double, true) => extend(f(value), to_ty) as u64,
                    (_, true) => extend(f(value), to_ty) as u32 as u64,
                    _ => f(value),
                };
                let value = cx.warp.double(from, mask)?.map(f);
                match to.class {
                    Class::Double => cx.warp.set_double(to, &value, mask),
                    _ => cx.warp.set_word(to, &value.map(|value| value as u32), mask),
                }
                Ok(())
            }
            Self::ToFloat { to, to_ty, from, from_ty } => {
                let value = cx.warp.double(from, mask)?.map(|value| extend(value, from_ty));
                if to_ty == Type::F64 {
                    cx.warp.set_double(to, &value.map(|v| (v as f64).to_bits()), mask);
                } else {
                    cx.warp.set_word(to, &value.map(|v| (v as f32).to_bits()), mask);
                }
                Ok(())
            }
            Self::FromFloat { to, to_ty, from, from_ty, rounding, ftz } => {
                let f = |bits: u64| {
                    let value = match from_ty {
                        Type::F64 => f64::from_bits(bits),
                        _ => {
                            let value = f32::from_bits(bits as u32);
                            if ftz && value.is_subnormal() { 0.0 } else { value.into() }
                        }
                    };
                    let rounded = match rounding {
                        Rounding::Nearest => value.round_ties_even(),
                        Rounding::Zero => value.trunc(),
                        Rounding::Down => value.floor(),
                        Rounding::Up => value.ceil(),
                    };
                    clamp(rounded as i128, to_ty) as u64 & (u64::MAX >> (64 - to_ty.bits()))
                };
                let value = cx.warp.double(from, mask)?.map(f);
                match to.class {
                    Class::Double => cx.warp.set_double(to, &value, mask),
                    _ => cx.warp.set_word(to, &value.map(|value| value as u32), mask),
                }
                Ok(())
            }
            Self::Float { to, to_ty, from, from_ty } => {
                let value = cx.warp.double(from, mask)?.map(|bits| match from_ty {
                    Type::F64 => f64::from_bits(bits),
                    Type::F32 => f32::from_bits(bits as u32).into(),
                    _ => half_to_f32(from_ty, bits as u16).into(),
                });
                match to_ty {
                    Type::F64 => cx.warp.set_double(to, &value.map(f64::to_bits), mask),
                    Type::F32 => {
                        cx.warp.set_word(to, &value.map(|v| (v as f32).to_bits()), mask);
                    }
                    _ => {
                        let value = value.map(|v| f32_to_half(to_ty, v as f32).into());
                        cx.warp.set_word(to, &value, mask);
                    }
                }
                Ok(())
            }
            Self::Pair { to, element, high, low, relu } => {
                words(cx, mask, to, [high, low], |halves| {
                    let [high, low] = halves.map(|bits| {
                        let value = f32::from_bits(bits);
                        let value = if relu && value < 0.0 { 0.0 } else { value };
                        u32::from(f32_to_half(element, value))
                    });
                    high << 16 | low
                })
            }
            Self::Address { to, from, add } if to.class == Class::Double => {
                doubles(cx, mask, to, [from], |[address]| address.wrapping_add(add))
            }
            Self::Address { to, from, add } => {
                let value = cx.warp.double(from, mask)?;
                let value: [u32; LANES] = value.map(|address| address.wrapping_add(add) as u32);
                cx.warp.set_word(to, &value, mask);
                Ok(())
            }
        }
    }
}

/// An integer of a type, from its bits.
fn extend(value: u64, ty: Type) -> i128 {
    let shift = 64 - ty.bits();
    if ty.is_signed() {
        ((value << shift) as i64 >> shift).into()
    } else {
        (value << shift >> shift).into()
    }
}

/// The nearest integer of a type.
fn clamp(value: i128, ty: Type) -> i128 {
    let (min, max) = if ty.is_signed() {
        (-1_i128 << (ty.bits() - 1), (1_i128 << (ty.bits() - 1)) - 1)
    } else {
        (0, (1_i128 << ty.bits()) - 1)
    };
    value.clamp(min, max)
}
