//! Floating-point arithmetic.

use super::decode::Text;
use super::lanewise::{doubles, words};
use super::program::{Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, Stop};
use crate::ptx::Type;

/// `add`, `fma`, `max`, …: a function of up to three floats of one type, rounded to nearest even.
#[derive(Clone, Debug)]
pub(crate) struct Float {
    function: Function,
    ty: Type,
    ftz: bool,
    saturate: bool,
    to: Register,
    from: [Source; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Add,
    Sub,
    Mul,
    Fma,
    Div,
    Min { nan: bool },
    Max { nan: bool },
    Abs,
    Neg,
    Sqrt,
    Reciprocal,
    ReciprocalSqrt,
    Log2,
    Exp2,
}

/// What the hardware gives for every NaN in f32.
const NAN: u32 = 0x7fff_ffff;

impl Float {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        use Function::*;
        let approximate = text.eat("approx");
        let rounded = text.eat("rn");
        let ftz = text.eat("ftz");
        let nan = text.eat("NaN");
        let saturate = text.eat("sat");
        let ty = text.ty()?;
        let function = match text.mnemonic() {
            "add" => Add,
            "sub" => Sub,
            "mul" => Mul,
            "fma" | "mad" if rounded => Fma,
            "div" if rounded || approximate => Div,
            "min" => Min { nan },
            "max" => Max { nan },
            "abs" => Abs,
            "neg" => Neg,
            "sqrt" if rounded || approximate => Sqrt,
            "rcp" if rounded || approximate => Reciprocal,
            "rsqrt" if approximate => ReciprocalSqrt,
            "lg2" if approximate => Log2,
            "ex2" if approximate => Exp2,
            _ => return Err(text.refuse("not simulated")),
        };
        if !matches!(ty, Type::F32 | Type::F64) || (ty == Type::F64 && (ftz || saturate)) {
            return Err(text.refuse("not simulated for this type"));
        }
        let operands = match function {
            Fma => 3,
            Add | Sub | Mul | Div | Min { .. } | Max { .. } => 2,
            _ => 1,
        };
        text.finish(operands + 1)?;
        let mut from = [Source::Immediate(0); 3];
        for (index, from) in from.iter_mut().enumerate().take(operands) {
            *from = text.source(index + 1, ty)?;
        }
        Ok(Self { function, ty, ftz, saturate, to: text.destination(0, ty)?, from })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        use Function::*;
        let Self { function, ty, ftz, saturate, to, from } = *self;
        // Abs and neg are of the sign alone, and keep a NaN's other bits.
        if ty == Type::F64 {
            return doubles(cx, mask, to, from, |bits| {
                let [a, b, c] = bits.map(f64::from_bits);
                let value = match function {
                    Add => a + b,
                    Sub => a - b,
                    Mul => a * b,
                    Fma => a.mul_add(b, c),
                    Div => a / b,
                    Min { .. } => a.min(b),
                    Max { .. } => a.max(b),
                    Abs => return bits[0] & (u64::MAX >> 1),
                    Neg => return bits[0] ^ 1 << 63,
                    Sqrt => a.sqrt(),
                    Reciprocal => 1.0 / a,
                    ReciprocalSqrt => 1.0 / a.sqrt(),
                    Log2 => a.log2(),
                    Exp2 => a.exp2(),
                };
                value.to_bits()
            });
        }
        words(cx, mask, to, from, |bits| {
            let flush = |value: f32| {
                if ftz && value.is_subnormal() { 0.0_f32.copysign(value) } else { value }
            };
            let [a, b, c] = bits.map(|bits| flush(f32::from_bits(bits)));
            let value = match function {
                Add => a + b,
                Sub => a - b,
                Mul => a * b,
                Fma => a.mul_add(b, c),
                Div => a / b,
                Min { nan } => ordered(a, b, nan, |a, b| a < b),
                Max { nan } => ordered(a, b, nan, |a, b| a > b),
                Abs => return flush(a).to_bits() & (u32::MAX >> 1),
                Neg => return flush(a).to_bits() ^ 1 << 31,
                Sqrt => a.sqrt(),
                Reciprocal => 1.0 / a,
                // The functions that the hardware approximates are exact to f32 here; a test on the
                // hardware compares within its stated error.
                ReciprocalSqrt => (1.0 / f64::from(a).sqrt()) as f32,
                Log2 => f64::from(a).log2() as f32,
                Exp2 => f64::from(a).exp2() as f32,
            };
            let value = flush(value);
            match value {
                value if value.is_nan() && saturate => 0,
                value if value.is_nan() => NAN,
                value if saturate => value.clamp(0.0, 1.0).to_bits(),
                value => value.to_bits(),
            }
        })
    }
}

/// The one of two values that comes first: of a number and NaN the number, unless `nan`; -0 before +0.
fn ordered(a: f32, b: f32, nan: bool, first: impl Fn(f32, f32) -> bool) -> f32 {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => f32::NAN,
        (true, false) => {
            if nan {
                a
            } else {
                b
            }
        }
        (false, true) => {
            if nan {
                b
            } else {
                a
            }
        }
        (false, false) if a == b => {
            let sign = |value: f32| if value.is_sign_negative() { -1.0 } else { 1.0 };
            if first(sign(a), sign(b)) { a } else { b }
        }
        (false, false) => {
            if first(a, b) {
                a
            } else {
                b
            }
        }
    }
}

/// The value of a bf16 or f16.
pub(super) fn half_to_f32(ty: Type, bits: u16) -> f32 {
    match ty {
        Type::BF16 => half::bf16::from_bits(bits).to_f32(),
        _ => half::f16::from_bits(bits).to_f32(),
    }
}

/// The bf16 or f16 nearest a value, ties to even; NaN as the hardware gives it.
pub(super) fn f32_to_half(ty: Type, value: f32) -> u16 {
    match ty {
        _ if value.is_nan() => 0x7fff,
        Type::BF16 => half::bf16::from_f32(value).to_bits(),
        _ => half::f16::from_f32(value).to_bits(),
    }
}
