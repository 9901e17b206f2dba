//! Floating-point arithmetic.

use super::availability::{EXTREME_OF_THREE, require};
use super::decode::Text;
use super::lanewise::{doubles, words};
use super::program::{Register, Source};
use super::rounding::{
    Rounding, add_odd, divide_odd, double, flush, nan, narrow, square_root_odd, widen,
};
use crate::error::LoadError;
use crate::exec::{Cx, Stop};
use crate::ptx::Type;

/// `add`, `fma`, `max`, …: a function of up to three floats of one type, or of pairs of them.
#[derive(Clone, Debug)]
pub(crate) struct Float {
    function: Function,
    ty: Type,
    rounding: Rounding,
    ftz: bool,
    clamp: Clamp,
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
    /// Whether NaN wins over a number, and whether it is the magnitude, under the product's sign.
    Min {
        nan: bool,
        magnitude: bool,
    },
    Max {
        nan: bool,
        magnitude: bool,
    },
    /// The first or last of three, and whether NaN wins over numbers.
    MinOfThree {
        nan: bool,
    },
    MaxOfThree {
        nan: bool,
    },
    Abs,
    Neg,
    /// The second operand with the sign of the first.
    CopySign,
    Sqrt,
    Reciprocal,
    ReciprocalSqrt,
    Sin,
    Cos,
    Tanh,
    Log2,
    Exp2,
}

/// What becomes of a result out of some range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clamp {
    None,
    /// `.sat`: between 0 and 1, NaN to 0.
    Unit,
    /// `.relu`: at least 0.
    Positive,
}

impl Clamp {
    fn apply(self, value: f64) -> f64 {
        match self {
            Self::Unit => {
                if value > 0.0 {
                    value.min(1.0)
                } else {
                    0.0
                }
            }
            Self::Positive if value <= 0.0 => 0.0,
            _ => value,
        }
    }
}

impl Float {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        use Function::*;
        let mnemonic = text.mnemonic();
        let approximate = text.eat("approx") || (mnemonic == "div" && text.eat("full"));
        let rounding = text.one_of(&Rounding::NAMES);
        let ftz = text.eat("ftz");
        let approximable = ["div", "rcp", "sqrt", "rsqrt", "sin", "cos", "lg2", "ex2", "tanh"];
        if approximate && !approximable.contains(&mnemonic) {
            return Err(text.refuse("nothing to approximate"));
        }
        let nan = text.eat("NaN");
        let magnitude = text.eat("xorsign") && text.eat("abs");
        let clamp = text.one_of(&[("sat", Clamp::Unit), ("relu", Clamp::Positive)]);
        let ty = text.ty()?;
        let rounded = rounding.is_some();
        let of_three = ty == Type::F32 && !magnitude && text.operand_count() == 4;
        let function = match mnemonic {
            "add" => Add,
            "sub" => Sub,
            "mul" => Mul,
            "fma" if rounded => Fma,
            "mad" if rounded && matches!(ty, Type::F32 | Type::F64) => Fma,
            "div" if rounded != approximate => Div,
            "min" if of_three => MinOfThree { nan },
            "max" if of_three => MaxOfThree { nan },
            "min" => Min { nan, magnitude },
            "max" => Max { nan, magnitude },
            "abs" => Abs,
            "neg" => Neg,
            "copysign" => CopySign,
            "sqrt" if rounded != approximate => Sqrt,
            "rcp" if rounded != approximate => Reciprocal,
            "rsqrt" if approximate => ReciprocalSqrt,
            "sin" if approximate => Sin,
            "cos" if approximate => Cos,
            "tanh" if approximate => Tanh,
            "lg2" if approximate => Log2,
            "ex2" if approximate => Exp2,
            _ => return Err(text.refuse("not simulated")),
        };
        let of_three = matches!(function, MinOfThree { .. } | MaxOfThree { .. });
        if of_three {
            require(text, EXTREME_OF_THREE)?;
        }
        let is_extreme = of_three || matches!(function, Min { .. } | Max { .. });
        let is_sum = matches!(function, Add | Sub | Mul | Fma);
        let takes_rounding = is_sum || matches!(function, Div | Sqrt | Reciprocal) && !approximate;
        let is_half = matches!(ty, Type::F16 | Type::F16x2 | Type::BF16 | Type::BF16x2);
        let known = match ty {
            Type::F32 => clamp != Some(Clamp::Positive),
            Type::F64 => {
                let plain = !ftz && !nan && !magnitude && clamp.is_none();
                let approximated = approximate || matches!(function, Sin | Cos | Tanh);
                plain && (!approximated || function == ReciprocalSqrt)
            }
            _ => {
                let rounding = matches!(rounding, None | Some(Rounding::Nearest));
                let relu = clamp != Some(Clamp::Positive) || function == Fma;
                let function = is_sum || is_extreme || matches!(function, Abs | Neg | Exp2 | Tanh);
                is_half && rounding && relu && function
            }
        };
        // Of bf16 subnormals are kept, but for its exponential, which always flushes them.
        let is_brain = matches!(ty, Type::BF16 | Type::BF16x2);
        let flushes = match function {
            CopySign | Tanh => !ftz,
            Exp2 if ty != Type::F32 => ftz == is_brain,
            _ => !(ftz && is_brain),
        };
        let clamps = !(is_brain && clamp == Some(Clamp::Unit));
        if !known
            || !flushes
            || !clamps
            || ((nan || magnitude) && !is_extreme)
            || (clamp.is_some() && !is_sum)
            || (rounded && !takes_rounding)
        {
            return Err(text.refuse("not a form that is simulated"));
        }
        let operands = match function {
            Fma | MinOfThree { .. } | MaxOfThree { .. } => 3,
            Add | Sub | Mul | Div | Min { .. } | Max { .. } | CopySign => 2,
            _ => 1,
        };
        text.finish(operands + 1)?;
        let mut from = [Source::Immediate(0); 3];
        for (index, from) in from.iter_mut().enumerate().take(operands) {
            *from = text.source(index + 1, ty)?;
        }
        let rounding = rounding.unwrap_or(Rounding::Nearest);
        let clamp = clamp.unwrap_or(Clamp::None);
        Ok(Self { function, ty, rounding, ftz, clamp, to: text.destination(0, ty)?, from })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match self.ty {
            Type::F64 => doubles(cx, mask, self.to, self.from, |bits| self.double(bits)),
            Type::F32 => self.execute_single(cx, mask),
            Type::F16 | Type::BF16 => {
                words(cx, mask, self.to, self.from, |bits| self.element(self.ty, bits))
            }
            _ => words(cx, mask, self.to, self.from, |bits| {
                let low = self.element(self.ty, bits.map(|bits| bits & 0xffff));
                let high = self.element(self.ty, bits.map(|bits| bits >> 16));
                high << 16 | low
            }),
        }
    }

    /// What is common, by f32's own arithmetic; the rest as for narrower floats.
    fn execute_single(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let Self { to, from, .. } = *self;
        if self.rounding == Rounding::Nearest && self.clamp == Clamp::None && !self.ftz {
            let result = |value: f32| if value.is_nan() { nan(Type::F32) } else { value.to_bits() };
            let float = f32::from_bits;
            match self.function {
                Function::Add => {
                    return words(cx, mask, to, from, |[a, b, _]| result(float(a) + float(b)));
                }
                Function::Sub => {
                    return words(cx, mask, to, from, |[a, b, _]| result(float(a) - float(b)));
                }
                Function::Mul => {
                    return words(cx, mask, to, from, |[a, b, _]| result(float(a) * float(b)));
                }
                Function::Fma => {
                    return words(cx, mask, to, from, |[a, b, c]| {
                        result(float(a).mul_add(float(b), float(c)))
                    });
                }
                _ => {}
            }
        }
        words(cx, mask, to, from, |bits| self.element(Type::F32, bits))
    }

    /// The result for floats of up to 32 bits.
    fn element(&self, ty: Type, bits: [u32; 3]) -> u32 {
        use Function::*;
        let sign = 1 << (if ty == Type::F32 { 31 } else { 15 });
        let ftz = |value| if self.ftz { flush(ty, value) } else { value };
        let [a, b, c] = bits.map(|bits| ftz(widen(ty, bits)));
        let cancels = |a: f64, b: f64, sum: f64| {
            // A sum that is zero of numbers that are not is -0 when rounded down.
            let differ = a.is_sign_negative() != b.is_sign_negative();
            if sum == 0.0 && differ && self.rounding == Rounding::Down { -0.0 } else { sum }
        };
        let value = match self.function {
            Abs => a.abs(),
            Neg => -a,
            CopySign => return bits[1] & !sign | bits[0] & sign,
            Add => cancels(a, b, add_odd(a, b)),
            Sub => cancels(a, -b, add_odd(a, -b)),
            Mul => a * b,
            Fma => cancels(a * b, c, add_odd(a * b, c)),
            Div => divide_odd(a, b),
            Sqrt => square_root_odd(a),
            Reciprocal => divide_odd(1.0, a),
            Min { nan, magnitude } => extreme(a, b, nan, magnitude, |a, b| a < b),
            Max { nan, magnitude } => extreme(a, b, nan, magnitude, |a, b| a > b),
            MinOfThree { nan } => extreme_of_three([a, b, c], nan, |a, b| a < b),
            MaxOfThree { nan } => extreme_of_three([a, b, c], nan, |a, b| a > b),
            // What the hardware approximates is exact to the format here; a comparison with the
            // hardware is within its stated error.
            ReciprocalSqrt => 1.0 / a.sqrt(),
            Sin => a.sin(),
            Cos => a.cos(),
            Tanh => a.tanh(),
            Log2 => a.log2(),
            Exp2 => a.exp2(),
        };
        // What is subnormal before it is rounded is flushed, also where it would be rounded up.
        narrow(ty, self.clamp.apply(ftz(value)), self.rounding)
    }

    fn double(&self, bits: [u64; 3]) -> u64 {
        use Function::*;
        const SIGN: u64 = 1 << 63;
        let [a, b, c] = bits.map(f64::from_bits);
        let rounding = self.rounding;
        let value = match self.function {
            Add => double::add(a, b, rounding),
            Sub => double::add(a, -b, rounding),
            Mul => double::multiply(a, b, rounding),
            Fma => double::multiply_add(a, b, c, rounding),
            Div => double::divide(a, b, rounding),
            Min { .. } => extreme(a, b, false, false, |a, b| a < b),
            Max { .. } => extreme(a, b, false, false, |a, b| a > b),
            Abs => return bits[0] & !SIGN,
            Neg => return bits[0] ^ SIGN,
            CopySign => return bits[1] & !SIGN | bits[0] & SIGN,
            Sqrt => double::square_root(a, rounding),
            Reciprocal => double::divide(1.0, a, rounding),
            ReciprocalSqrt => 1.0 / a.sqrt(),
            MinOfThree { .. } | MaxOfThree { .. } | Sin | Cos | Tanh | Log2 | Exp2 => {
                unreachable!("decoded for narrower types alone")
            }
        };
        value.to_bits()
    }
}

/// The one of two values that comes first: of a number and NaN the number, unless `nan`; -0 before +0.
fn extreme(a: f64, b: f64, nan: bool, magnitude: bool, first: impl Fn(f64, f64) -> bool) -> f64 {
    let negative = magnitude && a.is_sign_negative() != b.is_sign_negative();
    let [a, b] = if magnitude { [a.abs(), b.abs()] } else { [a, b] };
    let chosen = match (a.is_nan(), b.is_nan()) {
        (true, true) => f64::NAN,
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
            let sign = |value: f64| 1.0_f64.copysign(value);
            if first(sign(a), sign(b)) { a } else { b }
        }
        (false, false) => {
            if first(a, b) {
                a
            } else {
                b
            }
        }
    };
    if negative { -chosen } else { chosen }
}

/// The same of three.
fn extreme_of_three([a, b, c]: [f64; 3], nan: bool, first: impl Fn(f64, f64) -> bool) -> f64 {
    extreme(extreme(a, b, nan, false, &first), c, nan, false, first)
}
