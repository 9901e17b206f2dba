//! Conversions of values and addresses.

use super::decode::Text;
use super::lanewise::{doubles, words};
use super::program::{Class, Register, Source};
use super::rounding::{Rounding, flush, integer_odd, integer_to_f64, largest, nan, narrow, widen};
use crate::error::LoadError;
use crate::exec::{Cx, Stop};
use crate::ptx::{Operand, Space, Type};

#[derive(Clone, Debug)]
pub(crate) enum Convert {
    /// Between integers: the low bits, extended by the source's type.
    Integer { values: Values, saturate: bool },
    /// From an integer to a float.
    ToFloat { values: Values, rounding: Rounding, saturate: bool },
    /// From a float to an integer, saturating.
    FromFloat { values: Values, rounding: Rounding, ftz: bool },
    /// Between floats, or to an integral value.
    Float { values: Values, rounding: Rounding, integral: bool, ftz: bool, clamp: Clamp },
    /// Two f32 to a pair of 16-bit floats, the first in the upper half.
    Pair { to: Register, ty: Type, from: [Source; 2], rounding: Rounding, clamp: Clamp },
    /// A shared or global address to a generic one and back.
    Address { to: Register, from: Source, add: u64 },
}

/// What is converted, and to what. Registers may be wider than their types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values {
    to: Register,
    to_ty: Type,
    from: Source,
    from_ty: Type,
}

/// What becomes of a float out of some range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clamp {
    /// `.sat`: between 0 and 1, NaN to 0.
    unit: bool,
    /// `.relu`: at least 0.
    positive: bool,
    /// `.satfinite`: the largest finite value for infinities.
    finite: bool,
}

/// Where the windows to a block's shared memory, a thread's local memory and a kernel's parameters
/// stand among generic addresses; each is as long as the first one's start.
pub(crate) const SHARED_WINDOW: u64 = 0x0100_0000_0000;
pub(crate) const LOCAL_WINDOW: u64 = 0x0200_0000_0000;
pub(crate) const PARAM_WINDOW: u64 = 0x0300_0000_0000;

impl Convert {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.mnemonic() == "cvta" {
            return Self::decode_address(text);
        }
        let integral = text.one_of(&Rounding::INTEGRAL);
        let rounding = text.one_of(&Rounding::NAMES);
        let ftz = text.eat("ftz");
        let positive = text.eat("relu");
        let finite = text.eat("satfinite");
        let unit = text.eat("sat");
        let clamp = Clamp { unit, positive, finite };
        let (to_ty, from_ty) = (text.ty()?, text.ty()?);
        let nearest = rounding.unwrap_or(Rounding::Nearest);
        let of_bits = |ty| {
            matches!(ty, Type::Pred | Type::B8 | Type::B16 | Type::B32 | Type::B64 | Type::B128)
        };
        let is_brain = matches!(to_ty, Type::BF16 | Type::BF16x2) || from_ty == Type::BF16;
        let of_pairs = matches!(from_ty, Type::F16x2 | Type::BF16x2);
        let is_short = to_ty.bits() == 8 || from_ty.bits() == 8;
        if of_bits(to_ty) || of_bits(from_ty) || of_pairs || is_brain && (unit || is_short) {
            return Err(text.refuse("not a conversion that there is"));
        }
        let is_half = matches!(to_ty, Type::F16 | Type::BF16 | Type::F16x2 | Type::BF16x2);
        let halves = matches!(nearest, Rounding::Nearest | Rounding::Zero);
        if (positive || finite) && !(is_half && from_ty == Type::F32 && halves) {
            return Err(text.refuse("for f32 to 16-bit floats alone"));
        }
        if matches!(to_ty, Type::BF16x2 | Type::F16x2) {
            text.finish(3)?;
            if from_ty != Type::F32 || rounding.is_none() || !halves || unit || ftz {
                return Err(text.refuse("not a conversion to a pair"));
            }
            let from = [text.source(1, from_ty)?, text.source(2, from_ty)?];
            let to = text.destination(0, to_ty)?;
            return Ok(Self::Pair { to, ty: to_ty, from, rounding: nearest, clamp });
        }
        text.finish(2)?;
        let values = Values::decode(text, to_ty, from_ty)?;
        let narrows = to_ty.bits() < from_ty.bits() || is_half && from_ty != to_ty;
        let touches_f32 = to_ty == Type::F32 || from_ty == Type::F32;
        let known = match (to_ty.is_float(), from_ty.is_float()) {
            (false, false) => {
                let [to_sign, from_sign] = [to_ty, from_ty].map(Type::is_signed);
                let fits = match to_sign == from_sign {
                    true => to_ty.bits() >= from_ty.bits(),
                    false => to_sign && to_ty.bits() > from_ty.bits(),
                };
                // Where everything fits there is nothing to saturate.
                integral.is_none() && rounding.is_none() && !ftz && !(unit && fits)
            }
            (true, false) => integral.is_none() && rounding.is_some() && !ftz,
            // Out of range is clamped in any case, so `.sat` says nothing.
            (false, true) => integral.is_some() && rounding.is_none(),
            (true, true) => {
                let same = to_ty == from_ty;
                rounding.is_some() == narrows && (integral.is_none() || same)
            }
        };
        if !known || ftz && !touches_f32 {
            return Err(text.refuse("not a conversion that there is, or one that is not simulated"));
        }
        Ok(match (to_ty.is_float(), from_ty.is_float()) {
            (false, false) => Self::Integer { values, saturate: unit },
            (true, false) => Self::ToFloat { values, rounding: nearest, saturate: unit },
            (false, true) => {
                let rounding = integral.unwrap_or(Rounding::Zero);
                Self::FromFloat { values, rounding, ftz }
            }
            (true, true) => {
                let rounding = integral.unwrap_or(nearest);
                Self::Float { values, rounding, integral: integral.is_some(), ftz, clamp }
            }
        })
    }

    fn decode_address(text: &Text) -> Result<Self, LoadError> {
        let back = text.eat("to");
        let window = text.one_of(&[
            ("shared", (SHARED_WINDOW, Space::Shared)),
            ("shared::cta", (SHARED_WINDOW, Space::Shared)),
            ("shared::cluster", (SHARED_WINDOW, Space::Shared)),
            ("local", (LOCAL_WINDOW, Space::Local)),
            ("param", (PARAM_WINDOW, Space::Param)),
            ("param::entry", (PARAM_WINDOW, Space::Param)),
            ("global", (0, Space::Global)),
            ("const", (0, Space::Global)),
        ]);
        let (window, space) = window.ok_or_else(|| text.refuse("not simulated"))?;
        let ty = text.ty()?;
        text.finish(2)?;
        if ty != Type::U64 {
            return Err(text.refuse("an address has 64 bits"));
        }
        // A function's parameters are in local memory.
        let window = match space {
            Space::Param if text.is_in_function() => LOCAL_WINDOW,
            _ => window,
        };
        let add = if back { window.wrapping_neg() } else { window };
        let from = match text.operand(1)? {
            operand @ (Operand::Name(name) | Operand::Offset(name, _)) => {
                if text.space_of(name).is_some_and(|of| back || of != space) {
                    return Err(text.refuse(format!("{name} is not such an address")));
                }
                text.source_of(operand, ty)?
            }
            operand => text.source_of(operand, ty)?,
        };
        Ok(Self::Address { to: text.destination(0, ty)?, from, add })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match *self {
            Self::Integer { values, saturate } => values.convert(cx, mask, |bits| {
                let value = extend(bits, values.from_ty);
                values.integer(if saturate { clamp(value, values.to_ty) } else { value })
            }),
            Self::ToFloat { values, rounding, saturate } => values.convert(cx, mask, |bits| {
                let value = extend(bits, values.from_ty);
                let value = if saturate { value.clamp(0, 1) } else { value };
                match values.to_ty {
                    Type::F64 => integer_to_f64(value, rounding).to_bits(),
                    ty => narrow(ty, integer_odd(value), rounding).into(),
                }
            }),
            Self::FromFloat { values, rounding, ftz } => values.convert(cx, mask, |bits| {
                let Values { to_ty, from_ty, .. } = values;
                let value = rounding.integral(value_of(from_ty, bits, ftz));
                if value.is_nan() {
                    let wide = from_ty == Type::F64 || to_ty.bits() == 64;
                    return values.integer(if wide { 1 << (to_ty.bits() - 1) } else { 0 });
                }
                values.integer(clamp(value as i128, to_ty))
            }),
            Self::Float { values, rounding, integral, ftz, clamp } => {
                values.convert(cx, mask, |bits| {
                    let value = value_of(values.from_ty, bits, ftz);
                    let value = if integral { rounding.integral(value) } else { value };
                    match values.to_ty {
                        Type::F64 => clamp.value(value).to_bits(),
                        // A NaN keeps what there is room for of its bits, but one of f16 does not.
                        Type::F32 if value.is_nan() && !clamp.unit => match values.from_ty {
                            Type::F64 => (value as f32).to_bits().into(),
                            Type::BF16 => bits << 16 & 0xffff_0000,
                            _ => nan(Type::F32).into(),
                        },
                        Type::F32 if ftz => {
                            clamp.round(Type::F32, flush(Type::F32, value), rounding).into()
                        }
                        ty => clamp.round(ty, value, rounding).into(),
                    }
                })
            }
            Self::Pair { to, ty, from, rounding, clamp } => {
                words(cx, mask, to, [from[0], from[1]], |halves| {
                    let [high, low] =
                        halves.map(|bits| clamp.round(ty, widen(Type::F32, bits), rounding));
                    high << 16 | low
                })
            }
            Self::Address { to, from, add } => {
                doubles(cx, mask, to, [from], |[address]| address.wrapping_add(add))
            }
        }
    }
}

impl Values {
    fn decode(text: &Text, to_ty: Type, from_ty: Type) -> Result<Self, LoadError> {
        let (to, declared) = text.register(text.operand(0)?)?;
        if declared.bits() < to_ty.bits() || to.class == Class::Predicate {
            return Err(text.refuse("the destination has too few bits"));
        }
        text.check_kind(declared, to_ty)?;
        let is_brain = to_ty == Type::BF16 || from_ty == Type::BF16;
        if is_brain && declared.bits() != to_ty.bits() {
            return Err(text.refuse("a destination wider than its type"));
        }
        let from = match text.register(text.operand(1)?) {
            Ok((_, declared)) if is_brain && declared.bits() != from_ty.bits() => {
                return Err(text.refuse("a source wider than its type"));
            }
            Ok((register, declared)) if declared.bits() >= from_ty.bits() => {
                text.check_kind(declared, from_ty)?;
                Source::Register(register)
            }
            Ok(_) => return Err(text.refuse("the source has too few bits")),
            Err(_) => text.source(1, from_ty)?,
        };
        Ok(Self { to, to_ty, from, from_ty })
    }

    /// Converts each lane's bits.
    fn convert(self, cx: &mut Cx, mask: u32, f: impl Fn(u64) -> u64) -> Result<(), Stop> {
        let value = cx.warp.double(self.from, mask)?.map(f);
        match self.to.class {
            Class::Double => cx.warp.set_double(self.to, &value, mask),
            _ => cx.warp.set_word(self.to, &value.map(|value| value as u32), mask),
        }
        Ok(())
    }

    /// The bits of a resulting integer: its type's, extended by its sign into a wider register.
    fn integer(self, value: i128) -> u64 {
        extend(value as u64, self.to_ty) as u64
    }
}

impl Clamp {
    fn value(self, value: f64) -> f64 {
        if self.unit {
            if value > 0.0 { value.min(1.0) } else { 0.0 }
        } else if self.positive && value <= 0.0 {
            0.0
        } else {
            value
        }
    }

    /// A value clamped and rounded.
    fn round(self, ty: Type, value: f64, rounding: Rounding) -> u32 {
        let bits = narrow(ty, self.value(value), rounding);
        let sign = nan(ty) + 1;
        if self.finite && bits & !sign == largest(ty) + 1 { bits - 1 } else { bits }
    }
}

/// The value of a float, from its bits.
fn value_of(ty: Type, bits: u64, ftz: bool) -> f64 {
    match ty {
        Type::F64 => f64::from_bits(bits),
        Type::F32 if ftz => flush(Type::F32, widen(Type::F32, bits as u32)),
        ty => widen(ty, bits as u32 & (u32::MAX >> (32 - ty.bits()))),
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
