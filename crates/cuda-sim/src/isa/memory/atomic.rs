//! Atomic functions of memory.

use super::access::{Ordering, addresses};
use super::modifiers::Modifiers;
use super::update::{Function, Update};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Stop, lanes};
use crate::isa::decode::{Target, Text};
use crate::isa::program::{Class, Register, Source};
use crate::memory::Access;
use crate::ptx::{Operand, Space, Type};

/// `atom`, and `red`, which has no result.
#[derive(Clone, Debug)]
pub(crate) struct Atomic {
    update: Update,
    space: Option<Space>,
    order: Ordering,
    target: Target,
    /// Of each element what it held; none for `_`, and empty for `red`.
    to: Vec<Option<Register>>,
    /// Of each element the operand; for `cas` what is compared with, and what is put there.
    from: Vec<[Source; 2]>,
}

impl Atomic {
    pub(in crate::isa) fn decode(text: &Text) -> Result<Self, LoadError> {
        use Function::*;
        let (mut function, mut unflushed) = (None, false);
        let mut modifiers = Modifiers::default();
        loop {
            if let Some(named) = text.one_of(&Function::NAMES) {
                if function.replace(named).is_some() {
                    return Err(text.refuse("two functions"));
                }
            } else if text.eat("noftz") {
                unflushed = true;
            } else if !modifiers.eat(text)? {
                break;
            }
        }
        modifiers.check(text)?;
        let (space, vector, hinted) =
            (modifiers.space(), modifiers.lanes() as u32, modifiers.hinted());
        let returns = text.mnemonic() == "atom";
        let foreign: &[&str] = &[
            "weak",
            "volatile",
            "mmio",
            "nc",
            "ca",
            "cg",
            "cs",
            "lu",
            "cv",
            "wb",
            "wt",
            "L2::64B",
            "L2::128B",
            "L2::256B",
            "local",
            "param",
            "param::entry",
            "const",
        ];
        let orders: &[&str] = if returns { &[] } else { &["acquire", "acq_rel"] };
        if let Some(modifier) = modifiers.any(foreign).or(modifiers.any(orders)) {
            return Err(text.refuse(format!("no .{modifier} of this instruction")));
        }
        if modifiers.keeps_in_cache() {
            return Err(text.refuse("no priority in caches of this instruction"));
        }
        let function = function.ok_or_else(|| text.refuse("not simulated"))?;
        if !returns && matches!(function, Exchange | CompareAndSwap) {
            return Err(text.refuse("a reduction has a result that depends on what was there"));
        }
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
        let result = usize::from(returns);
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
        if vector == 1
            && text.operands().iter().any(|operand| matches!(operand, Operand::Vector(_)))
        {
            return Err(text.refuse("braces where there is one element"));
        }
        if hinted {
            text.source(result + 1 + values, Type::B64)?;
        }
        let (order, target) = (modifiers.order(), text.address(result, space)?);
        let update = Update { function, ty };
        Ok(Self { update, space, order, target, to, from })
    }

    pub(in crate::isa) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let addresses = addresses(cx, &self.target, mask)?;
        let element = self.update.ty.bytes();
        self.order.releases(cx);
        for (index, [a, b]) in self.from.iter().enumerate() {
            let (a, b) = (cx.warp.double(*a, mask)?, cx.warp.double(*b, mask)?);
            let mut old = [0; LANES];
            for lane in lanes(mask) {
                let address = addresses[lane].wrapping_add(index as u64 * u64::from(element));
                let access = Access { address, bytes: element };
                let f = |space, held| self.update.apply(space, held, a[lane], b[lane]);
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
}
