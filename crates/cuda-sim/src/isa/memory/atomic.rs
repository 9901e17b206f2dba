//! Atomic functions of memory.

use super::access::{Ordering, addresses, eat_space};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Stop, lanes};
use crate::isa::decode::{Target, Text};
use crate::isa::program::{Class, Register, Source};
use crate::isa::rounding::{Rounding, add_odd, flush, narrow, widen};
use crate::memory::Access;
use crate::ptx::{Operand, Space, Type};

/// `atom`, and `red`, which has no result.
#[derive(Clone, Debug)]
pub(crate) struct Atomic {
    function: Function,
    ty: Type,
    space: Option<Space>,
    order: Ordering,
    target: Target,
    /// Of each element what it held; none for `_`, and empty for `red`.
    to: Vec<Option<Register>>,
    /// Of each element the operand; for `cas` what is compared with, and what is put there.
    from: Vec<[Source; 2]>,
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
    pub(in crate::isa) fn decode(text: &Text) -> Result<Self, LoadError> {
        use Function::*;
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
        let (mut space, mut function, mut vector) = (None, None, 1);
        let (mut unflushed, mut hinted) = (false, false);
        let mut order = Ordering::default();
        loop {
            if let Some(named) = eat_space(text) {
                space = Some(named);
            } else if let Some(named) = text.one_of(&functions) {
                function = Some(named);
            } else if let Some(elements) = text.one_of(&[("v2", 2), ("v4", 4), ("v8", 8)]) {
                vector = elements;
            } else if text.eat("noftz") {
                unflushed = true;
            } else if text.eat("L2::cache_hint") {
                hinted = true;
            } else if !order.eat(text) {
                break;
            }
        }
        let function = function.ok_or_else(|| text.refuse("not simulated"))?;
        let ty = text.ty()?;
        let is_half = matches!(ty, Type::F16 | Type::BF16 | Type::F16x2 | Type::BF16x2);
        let of_bits = matches!(ty, Type::B32 | Type::B64);
        let of_numbers = matches!(ty, Type::U32 | Type::S32 | Type::U64 | Type::S64);
        let is_known = match function {
            Add if is_half => unflushed,
            Add => matches!(ty, Type::F32 | Type::F64) || of_numbers && ty != Type::S64,
            Min | Max if is_half => vector > 1 && unflushed,
            Min | Max => of_numbers,
            And | Or | Xor | Exchange => of_bits,
            CompareAndSwap => of_bits || ty == Type::B16,
            Increment | Decrement => ty == Type::U32,
        };
        let vectors = is_half || ty == Type::F32 && function == Add;
        if !is_known || (vector > 1 && !vectors) || (unflushed && !is_half) {
            return Err(text.refuse("not simulated for this type"));
        }
        if vector > 1 && (space != Some(Space::Global) || vector * ty.bytes() > 16) {
            return Err(text.refuse("a vector has up to 16 bytes, in global memory"));
        }
        let result = usize::from(text.mnemonic() == "atom");
        let values = if function == CompareAndSwap { 2 } else { 1 };
        text.finish(result + 1 + values + usize::from(hinted))?;
        let to = match result {
            0 => Vec::new(),
            _ => {
                let elements = text.vector(0)?.iter().map(|element| match element {
                    Operand::Sink => Ok(None),
                    element => text.destination_of(element, ty).map(Some),
                });
                elements.collect::<Result<_, LoadError>>()?
            }
        };
        let from = text.vector(result + 1)?.iter().map(|operand| {
            let second = match values {
                2 => text.source(result + 2, ty)?,
                _ => Source::Immediate(0),
            };
            Ok([text.source_of(operand, ty)?, second])
        });
        let from: Vec<_> = from.collect::<Result<_, LoadError>>()?;
        if from.len() != vector as usize || (result == 1 && to.len() != from.len()) {
            return Err(text.refuse(format!("expected {vector} elements")));
        }
        Ok(Self { function, ty, space, order, target: text.address(result)?, to, from })
    }

    pub(in crate::isa) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let addresses = addresses(cx, &self.target, mask)?;
        let element = self.ty.bytes();
        self.order.releases(cx);
        for (index, [a, b]) in self.from.iter().enumerate() {
            let (a, b) = (cx.warp.double(*a, mask)?, cx.warp.double(*b, mask)?);
            let mut old = [0; LANES];
            for lane in lanes(mask) {
                let address = addresses[lane].wrapping_add(index as u64 * u64::from(element));
                let access = Access { address, bytes: element };
                let f = |space, held| self.apply(space, held, a[lane], b[lane]);
                let updated = cx.update(lane, self.space, access, f);
                old[lane] = updated.map_err(|kind| Stop { lane: lane as u32, kind })?;
            }
            match self.to.get(index) {
                Some(Some(to)) if to.class == Class::Double => cx.warp.set_double(*to, &old, mask),
                Some(Some(to)) => cx.warp.set_word(*to, &old.map(|value| value as u32), mask),
                _ => {}
            }
        }
        let bytes = element * self.from.len() as u32;
        cx.count_access(self.space, &addresses, mask, bytes, self.to.is_empty());
        self.order.acquired(cx);
        Ok(())
    }

    /// What replaces `held`.
    fn apply(&self, space: Space, held: u64, a: u64, b: u64) -> u64 {
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

    fn apply_to_floats(&self, space: Space, held: u64, a: u64) -> u64 {
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
