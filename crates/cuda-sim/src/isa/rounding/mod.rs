//! Rounding to every float format, in every direction.
//!
//! A result of up to 32 bits is first had in f64, *rounded to odd*: where it is inexact, it is the one of its two
//! neighbours whose last bit is set. Such a value keeps what a second rounding, to a format with at
//! least two bits fewer, needs to know of the first: on which side of every tie the result lies.

pub(super) mod double;

use crate::ptx::Type;

/// Which of a value's two neighbours it is rounded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rounding {
    /// To the nearest; of two equally near, the even one.
    Nearest,
    Zero,
    Down,
    Up,
}

impl Rounding {
    /// As modifiers name them.
    pub(super) const NAMES: [(&str, Self); 4] =
        [("rn", Self::Nearest), ("rz", Self::Zero), ("rm", Self::Down), ("rp", Self::Up)];

    /// As modifiers name them where the result is integral.
    pub(super) const INTEGRAL: [(&str, Self); 4] =
        [("rni", Self::Nearest), ("rzi", Self::Zero), ("rmi", Self::Down), ("rpi", Self::Up)];

    /// The integer that a value is rounded to.
    pub(super) fn integral(self, value: f64) -> f64 {
        match self {
            Self::Nearest => value.round_ties_even(),
            Self::Zero => value.trunc(),
            Self::Down => value.floor(),
            Self::Up => value.ceil(),
        }
    }
}

/// A float format, as IEEE 754 describes one.
struct Format {
    /// Bits of the significand, the implicit one included.
    precision: u32,
    /// The exponent of the smallest normal value.
    least: i32,
    infinity: u32,
    sign: u32,
}

fn format(ty: Type) -> Format {
    match ty {
        Type::F16 | Type::F16x2 => {
            Format { precision: 11, least: -14, infinity: 0x7c00, sign: 0x8000 }
        }
        Type::BF16 | Type::BF16x2 => {
            Format { precision: 8, least: -126, infinity: 0x7f80, sign: 0x8000 }
        }
        _ => Format { precision: 24, least: -126, infinity: 0x7f80_0000, sign: 0x8000_0000 },
    }
}

/// What the hardware gives for every NaN of a format: all ones but the sign.
pub(super) fn nan(ty: Type) -> u32 {
    format(ty).sign - 1
}

/// The largest finite value.
pub(super) fn largest(ty: Type) -> u32 {
    format(ty).infinity - 1
}

/// The value of a float of up to 32 bits; of a packed type, that of the element in the low half.
pub(super) fn widen(ty: Type, bits: u32) -> f64 {
    match ty {
        Type::F16 | Type::F16x2 => half::f16::from_bits(bits as u16).to_f64(),
        Type::BF16 | Type::BF16x2 => half::bf16::from_bits(bits as u16).to_f64(),
        _ => f32::from_bits(bits).into(),
    }
}

/// Zero of the same sign in place of what is subnormal in a format.
pub(super) fn flush(ty: Type, value: f64) -> f64 {
    let least = 2.0_f64.powi(format(ty).least);
    if value.abs() < least { 0.0_f64.copysign(value) } else { value }
}

/// A value rounded to a format of up to 32 bits: its bits.
pub(super) fn narrow(ty: Type, value: f64, rounding: Rounding) -> u32 {
    if ty == Type::F32 && rounding == Rounding::Nearest && !value.is_nan() {
        return (value as f32).to_bits();
    }
    let Format { precision, least, infinity, sign } = format(ty);
    let negative = value.is_sign_negative();
    let sign = if negative { sign } else { 0 };
    if value.is_nan() {
        return nan(ty);
    }
    if value.is_infinite() {
        return sign | infinity;
    }
    // The value is `significand` times 2 to the power of `exponent - 52`.
    let field = (value.to_bits() >> 52 & 0x7ff) as i32;
    let fraction = value.to_bits() & (u64::MAX >> 12);
    let (significand, exponent) =
        if field == 0 { (fraction, -1022) } else { (fraction | 1 << 52, field - 1023) };
    let scale = exponent.max(least);
    let dropped = (53 - precision as i32 + scale - exponent).min(63);
    let kept = significand >> dropped;
    let rest = significand & ((1 << dropped) - 1);
    let tie = 1 << (dropped - 1);
    let away = match rounding {
        Rounding::Nearest => rest > tie || rest == tie && kept & 1 == 1,
        Rounding::Zero => false,
        Rounding::Down => rest != 0 && negative,
        Rounding::Up => rest != 0 && !negative,
    };
    // The implicit bit of a normal value, and a carry out of the significand, add to the exponent.
    let bits = ((scale - least) as u64) << (precision - 1);
    let bits = bits + kept + u64::from(away);
    if bits < u64::from(infinity) {
        return sign | bits as u32;
    }
    match rounding {
        Rounding::Nearest => sign | infinity,
        Rounding::Down if negative => sign | infinity,
        Rounding::Up if !negative => sign | infinity,
        _ => sign | (infinity - 1),
    }
}

/// `value`, which is rounded to nearest and lacks `error`, rounded to odd.
fn odd(value: f64, error: f64) -> f64 {
    let inexact = error != 0.0 && !error.is_nan();
    if !inexact || value.to_bits() & 1 == 1 {
        return value;
    }
    let outward = (error > 0.0) == (value > 0.0);
    f64::from_bits(if outward { value.to_bits() + 1 } else { value.to_bits() - 1 })
}

/// A sum, rounded to odd.
pub(super) fn add_odd(a: f64, b: f64) -> f64 {
    let sum = a + b;
    let of_b = sum - a;
    odd(sum, (a - (sum - of_b)) + (b - of_b))
}

/// A quotient of floats of up to 32 bits, rounded to odd.
pub(super) fn divide_odd(a: f64, b: f64) -> f64 {
    let quotient = a / b;
    if !quotient.is_finite() || !b.is_finite() {
        return quotient;
    }
    let rest = (-quotient).mul_add(b, a);
    odd(quotient, if b < 0.0 { -rest } else { rest })
}

/// The square root of a float of up to 32 bits, rounded to odd.
pub(super) fn square_root_odd(value: f64) -> f64 {
    let root = value.sqrt();
    if root.is_finite() { odd(root, (-root).mul_add(root, value)) } else { root }
}

/// An integer of up to 65 bits, rounded to odd.
pub(super) fn integer_odd(value: i128) -> f64 {
    let rounded = value as f64;
    odd(rounded, (value - rounded as i128) as f64)
}

/// An integer of up to 65 bits, rounded to f64.
pub(super) fn integer_to_f64(value: i128, rounding: Rounding) -> f64 {
    let rounded = value as f64;
    let above = rounded as i128 - value;
    match rounding {
        Rounding::Zero if above > 0 && value > 0 => rounded.next_down(),
        Rounding::Zero if above < 0 && value < 0 => rounded.next_up(),
        Rounding::Down if above > 0 => rounded.next_down(),
        Rounding::Up if above < 0 => rounded.next_up(),
        _ => rounded,
    }
}
