//! What atomic instructions and reductions put in place of a value.

use crate::isa::rounding::{Rounding, add_odd, flush, narrow, widen};
use crate::ptx::{Space, Type};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Add,
    Min,
    Max,
    And,
    Or,
    Xor,
    Exchange,
    CompareAndSwap,
    /// Counts up to the operand, then from 0.
    Increment,
    /// Counts down to 0, then from the operand.
    Decrement,
}

impl Function {
    pub(crate) const NAMES: [(&str, Self); 10] = [
        ("add", Self::Add),
        ("min", Self::Min),
        ("max", Self::Max),
        ("and", Self::And),
        ("or", Self::Or),
        ("xor", Self::Xor),
        ("exch", Self::Exchange),
        ("cas", Self::CompareAndSwap),
        ("inc", Self::Increment),
        ("dec", Self::Decrement),
    ];
}

/// A function, of values of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Update {
    pub(crate) function: Function,
    pub(crate) ty: Type,
}

impl Update {
    /// What replaces `held`.
    pub(crate) fn apply(self, space: Space, held: u64, a: u64, b: u64) -> u64 {
        let shift = 64 - self.ty.bits();
        let signed = |value: u64| (value << shift) as i64;
        let ordered = |less: bool| if less { held } else { a };
        match self.function {
            Function::Add | Function::Min | Function::Max if self.ty.is_float() => {
                self.apply_to_floats(space, held, a)
            }
            Function::Add => held.wrapping_add(a),
            Function::Min if self.ty.is_signed() => ordered(signed(held) < signed(a)),
            Function::Min => ordered(held < a),
            Function::Max if self.ty.is_signed() => ordered(signed(held) > signed(a)),
            Function::Max => ordered(held > a),
            Function::And => held & a,
            Function::Or => held | a,
            Function::Xor => held ^ a,
            Function::Exchange => a,
            Function::CompareAndSwap => {
                if held == a {
                    b
                } else {
                    held
                }
            }
            Function::Increment => {
                if held >= a {
                    0
                } else {
                    held + 1
                }
            }
            Function::Decrement => {
                if held == 0 || held > a {
                    a
                } else {
                    held - 1
                }
            }
        }
    }

    fn apply_to_floats(self, space: Space, held: u64, a: u64) -> u64 {
        let ty = self.ty;
        let one = |held: u32, a: u32| {
            // In global memory f32 is added without subnormals, in shared memory with them.
            let flushes = ty == Type::F32 && space == Space::Global;
            let value = |bits| if flushes { flush(ty, widen(ty, bits)) } else { widen(ty, bits) };
            let (x, y) = (value(held), value(a));
            let result = match self.function {
                Function::Add => add_odd(x, y),
                Function::Min => x.min(y),
                _ => x.max(y),
            };
            narrow(ty, if flushes { flush(ty, result) } else { result }, Rounding::Nearest)
        };
        match ty {
            Type::F64 => (f64::from_bits(held) + f64::from_bits(a)).to_bits(),
            Type::F16x2 | Type::BF16x2 => {
                let [low, high] = [0, 16]
                    .map(|half| one((held >> half) as u32 & 0xffff, (a >> half) as u32 & 0xffff));
                u64::from(high << 16 | low)
            }
            _ => one(held as u32, a as u32).into(),
        }
    }
}
