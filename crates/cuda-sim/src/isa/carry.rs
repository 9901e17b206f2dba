//! Arithmetic with a carry, for integers that are wider than registers.

use super::decode::Text;
use super::program::{Class, Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, Stop};
use crate::ptx::Type;

/// `add.cc`, `subc`, `madc.lo.cc`, …
#[derive(Clone, Debug)]
pub(crate) struct Carry {
    function: Function,
    /// Whether the carry is added, and whether it is left for the next instruction.
    takes: bool,
    leaves: bool,
    ty: Type,
    to: Register,
    from: [Source; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Add,
    Sub,
    /// The low or the high half of a product, and a sum.
    Mad {
        high: bool,
    },
}

impl Carry {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let (mnemonic, takes) = match text.mnemonic().strip_suffix('c') {
            Some(mnemonic) => (mnemonic, true),
            None => (text.mnemonic(), false),
        };
        let function = match mnemonic {
            "add" => Function::Add,
            "sub" => Function::Sub,
            _ => {
                let high = text.one_of(&[("lo", false), ("hi", true)]);
                Function::Mad { high: high.ok_or_else(|| text.refuse("expected .lo or .hi"))? }
            }
        };
        let leaves = text.eat("cc");
        let ty = text.ty()?;
        if !matches!(ty, Type::U32 | Type::S32 | Type::U64 | Type::S64) {
            return Err(text.refuse("not an instruction of this type"));
        }
        let operands = if matches!(function, Function::Mad { .. }) { 3 } else { 2 };
        text.finish(operands + 1)?;
        let mut from = [Source::Immediate(0); 3];
        for (index, from) in from.iter_mut().enumerate().take(operands) {
            *from = text.source(index + 1, ty)?;
        }
        Ok(Self { function, takes, leaves, ty, to: text.destination(0, ty)?, from })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let [a, b, c] = self.from;
        let (a, b) = (cx.warp.double(a, mask)?, cx.warp.double(b, mask)?);
        let c = cx.warp.double(c, mask)?;
        let carry = if self.takes { cx.warp.carry(mask)? } else { 0 };
        let bits = self.ty.bits();
        let mut carries = 0;
        let result = std::array::from_fn(|lane| {
            let (a, b) = (u128::from(a[lane]), u128::from(b[lane]));
            let carry = u128::from(carry >> lane & 1);
            let value = match self.function {
                Function::Add => a + b + carry,
                // A borrow shows in the bits above.
                Function::Sub => a.wrapping_sub(b).wrapping_sub(carry),
                Function::Mad { high } => {
                    let product = match (high, self.ty.is_signed()) {
                        (true, true) => {
                            let extend = |v: u128| (v << (128 - bits)) as i128 >> (128 - bits);
                            ((extend(a) * extend(b)) >> bits) as u128
                        }
                        (true, false) => (a * b) >> bits,
                        (false, _) => a * b,
                    };
                    (product & (u128::MAX >> (128 - bits))) + u128::from(c[lane]) + carry
                }
            };
            carries |= u32::from(value >> bits & 1 != 0) << lane;
            (value & (u128::MAX >> (128 - bits))) as u64
        });
        if self.leaves {
            cx.warp.set_carry(carries, mask);
        }
        match self.to.class {
            Class::Double => cx.warp.set_double(self.to, &result, mask),
            _ => cx.warp.set_word(self.to, &result.map(|value| value as u32), mask),
        }
        Ok(())
    }
}
