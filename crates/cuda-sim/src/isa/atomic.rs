//! Atomic functions of memory.

use super::decode::{Target, Text};
use super::memory::{addresses, nowhere, resolve};
use super::program::{Class, Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Stop, lanes};
use crate::memory::Access;
use crate::ptx::{Operand, Space, Type};

/// `atom`, and `red`, which has no result.
#[derive(Clone, Debug)]
pub(crate) struct Atomic {
    function: Function,
    ty: Type,
    space: Option<Space>,
    target: Target,
    to: Option<Register>,
    /// The operand; for `cas` what is compared with, and what is put there.
    from: [Source; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
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

impl Atomic {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        use Function::*;
        let spaces =
            [("global", Space::Global), ("shared", Space::Shared), ("shared::cta", Space::Shared)];
        let functions = [
            ("add", Add),
            ("min", Min),
            ("max", Max),
            ("and", And),
            ("or", Or),
            ("xor", Xor),
            ("exch", Exchange),
            ("cas", CompareAndSwap),
            ("inc", Increment),
            ("dec", Decrement),
        ];
        // Everything is sequentially consistent here, so how strong an access is does not matter.
        const ORDERS: [&str; 8] =
            ["relaxed", "acquire", "release", "acq_rel", "cta", "cluster", "gpu", "sys"];
        let (mut space, mut function) = (None, None);
        loop {
            if let Some(named) = text.one_of(&spaces) {
                space = Some(named);
            } else if let Some(named) = text.one_of(&functions) {
                function = Some(named);
            } else if !ORDERS.iter().any(|order| text.eat(order)) {
                break;
            }
        }
        let function = function.ok_or_else(|| text.refuse("not simulated"))?;
        let ty = text.ty()?;
        let is_known = match (ty, function) {
            (Type::F32 | Type::F64, Add) => true,
            (ty, _) => !ty.is_float() && matches!(ty.bits(), 32 | 64),
        };
        if !is_known {
            return Err(text.refuse("not simulated for this type"));
        }
        let result = usize::from(text.mnemonic() == "atom");
        let values = if function == CompareAndSwap { 2 } else { 1 };
        text.finish(result + 1 + values)?;
        let to = match (result, text.operand(0)?) {
            (0, _) | (_, Operand::Sink) => None,
            _ => Some(text.destination(0, ty)?),
        };
        let first = text.source(result + 1, ty)?;
        let second = match values {
            2 => text.source(result + 2, ty)?,
            _ => Source::Immediate(0),
        };
        Ok(Self { function, ty, space, target: text.address(result)?, to, from: [first, second] })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let addresses = addresses(cx, &self.target, mask)?;
        let [a, b] = self.from;
        let (a, b) = (cx.warp.double(a, mask)?, cx.warp.double(b, mask)?);
        let mut old = [0; LANES];
        for lane in lanes(mask) {
            let at = |kind| Stop { lane: lane as u32, kind };
            let (space, address) = resolve(self.space, addresses[lane]);
            let access = Access { address, bytes: self.ty.bytes() };
            let f = |held| self.apply(held, a[lane], b[lane]);
            old[lane] = match space {
                Space::Shared => {
                    cx.block.shared.check(access).map_err(at)?;
                    cx.block.shared.update(access, f).map_err(at)?
                }
                _ => {
                    let allocation = cx.global.find(address).ok_or(at(nowhere(access)))?;
                    allocation.check(access).map_err(at)?;
                    let start = address - allocation.start();
                    if !allocation.is_written(start, access.bytes) {
                        let space = "global";
                        return Err(at(crate::fault::FaultKind::UninitializedMemory {
                            space,
                            address,
                        }));
                    }
                    allocation.update(start, access.bytes, f)
                }
            };
        }
        if let Some(to) = self.to {
            match to.class {
                Class::Double => cx.warp.set_double(to, &old, mask),
                _ => cx.warp.set_word(to, &old.map(|value| value as u32), mask),
            }
        }
        Ok(())
    }

    fn apply(&self, held: u64, a: u64, b: u64) -> u64 {
        let shift = 64 - self.ty.bits();
        let signed = |value: u64| (value << shift) as i64;
        let ordered = |less: bool| if less { held } else { a };
        match self.function {
            Function::Add => match self.ty {
                Type::F32 => {
                    let sum = f32::from_bits(held as u32) + f32::from_bits(a as u32);
                    sum.to_bits().into()
                }
                Type::F64 => (f64::from_bits(held) + f64::from_bits(a)).to_bits(),
                _ => held.wrapping_add(a),
            },
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
}
