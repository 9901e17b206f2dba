//! Loads and stores.

mod access;
mod atomic;
mod copy;
mod modifiers;
mod run;
mod update;

pub(super) use access::{Location, Ordering, addresses, eat_space, little_endian};
pub(super) use atomic::Atomic;
pub(crate) use copy::Copies;
pub(super) use copy::Copy;
pub(super) use update::{Function, Update};

use self::modifiers::Modifiers;
use super::decode::{Target, Text};
use super::program::{Class, Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Lanes, Stop, lanes};
use crate::memory::Access;
use crate::ptx::{Operand, Space, Type};

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    what: What,
    /// `None` for a generic address.
    space: Option<Space>,
    order: Ordering,
    target: Target,
    /// An element's type.
    ty: Type,
}

#[derive(Clone, Debug)]
enum What {
    /// One register for each element, none for `_`.
    Load(Vec<Option<Register>>),
    Store(Vec<Source>),
    /// Something about caches, which there are none of here.
    Hint,
}

impl Memory {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.mnemonic() == "prefetch" {
            return Self::decode_prefetch(text);
        }
        let mut modifiers = Modifiers::default();
        while modifiers.eat(text)? {}
        let ty = text.ty()?;
        text.finish(2 + usize::from(modifiers.hinted()))?;
        modifiers.check_access(text)?;
        let (space, lanes) = (modifiers.space(), modifiers.lanes());
        let is_number = ty != Type::Pred && (!ty.is_float() || matches!(ty, Type::F32 | Type::F64));
        if !is_number {
            return Err(text.refuse("not an access of this type"));
        }
        if ty == Type::B128 && lanes > 1 {
            return Err(text.refuse("128 bits are accessed one at a time"));
        }
        let is_wide = lanes as u32 * ty.bytes() == 32;
        if lanes as u32 * ty.bytes() > 32 || lanes == 8 && !is_wide {
            return Err(
                text.refuse("an access has up to 32 bytes, in elements of 4 where there are 8")
            );
        }
        let is_global = !modifiers.has("const") && matches!(space, None | Some(Space::Global));
        if is_wide && !is_global {
            return Err(text.refuse("32 bytes are accessed in global memory alone"));
        }
        if modifiers.keeps_in_second_level() && !is_wide {
            return Err(text.refuse("a priority in L2 is of accesses of 32 bytes"));
        }
        let loads = text.mnemonic() == "ld";
        let (what, address, elements) = if ty == Type::B128 {
            let halves = text.wide(text.operand(usize::from(!loads))?)?;
            match loads {
                true => (What::Load(halves.map(Some).to_vec()), 1, 1),
                false => (What::Store(halves.map(Source::Register).to_vec()), 0, 1),
            }
        } else if loads {
            let to = text.vector(0)?.iter().map(|element| match element {
                Operand::Sink if lanes > 1 => Ok(None),
                element => Ok(Some(loadable(text, element, ty)?)),
            });
            let to: Vec<_> = to.collect::<Result<_, LoadError>>()?;
            let elements = to.len();
            if to.iter().all(Option::is_none) {
                return Err(text.refuse("a load without a destination"));
            }
            (What::Load(to), 1, elements)
        } else {
            let from = text.vector(1)?.iter().map(|element| match element {
                Operand::Name(_) if text.register(element).is_ok() => {
                    Ok(Source::Register(loadable(text, element, ty)?))
                }
                element => text.source_of(element, ty),
            });
            let from: Vec<_> = from.collect::<Result<_, LoadError>>()?;
            let elements = from.len();
            (What::Store(from), 0, elements)
        };
        let widths = text.vector(1 - address)?.iter().filter_map(|element| {
            let (_, declared) = text.register(element).ok()?;
            Some(declared.bits())
        });
        let mut widths: Vec<u32> = widths.collect();
        widths.dedup();
        if widths.len() > 1 {
            return Err(text.refuse("registers of one width in a vector"));
        }
        if elements != lanes {
            return Err(text.refuse(format!("{elements} elements, expected {lanes}")));
        }
        if modifiers.hinted() {
            text.source(2, Type::B64)?;
        }
        let (order, target) = (modifiers.order(), text.address(address, space)?);
        let space = text.space_accessed(address, space);
        if matches!((&what, space, target.base), (What::Store(_), Some(Space::Param), None)) {
            return Err(text.refuse("a kernel's parameters are not stored to"));
        }
        // What has 128 bits is two elements.
        let ty = if ty == Type::B128 { Type::B64 } else { ty };
        Ok(Self { what, space, order, target, ty })
    }

    /// A hint that something will be accessed soon.
    fn decode_prefetch(text: &Text) -> Result<Self, LoadError> {
        let spaces = [
            ("global", (Space::Global, false)),
            ("local", (Space::Local, false)),
            // Where tensor maps are.
            ("const", (Space::Global, true)),
            ("param", (Space::Param, true)),
        ];
        let space = text.one_of(&spaces);
        let of = |maps: bool| space.is_none_or(|(_, of_maps)| of_maps == maps);
        let kept = ["L2::evict_last", "L2::evict_normal"];
        let known = of(false) && ["L1", "L2"].into_iter().any(|cache| text.eat(cache))
            || of(true) && text.eat("tensormap")
            || space == Some(spaces[0].1) && kept.into_iter().any(|cache| text.eat(cache));
        text.finish(1)?;
        if !known {
            return Err(text.refuse("expected .L1, .L2 or .tensormap"));
        }
        let space = space.map(|(space, _)| space);
        let (order, target) = (Ordering::default(), text.address(0, space)?);
        Ok(Self { what: What::Hint, space, order, target, ty: Type::B8 })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match &self.what {
            What::Load(to) => {
                self.load(cx, mask, to)?;
                self.order.acquired(cx);
            }
            What::Store(from) => {
                self.order.releases(cx);
                self.store(cx, mask, from)?;
            }
            What::Hint => {}
        }
        Ok(())
    }

    fn load(&self, cx: &mut Cx, mask: u32, to: &[Option<Register>]) -> Result<(), Stop> {
        let addresses = addresses(cx, &self.target, mask)?;
        let element = self.ty.bytes() as usize;
        let bytes = (element * to.len()) as u32;
        let mut values = [[0_u64; LANES]; 8];
        for lane in lanes(mask) {
            let access = Access { address: addresses[lane], bytes };
            let loaded = cx.load(lane, self.space, access, self.order.strong);
            let loaded = loaded.map_err(|kind| Stop { lane: lane as u32, kind })?;
            for (value, bytes) in values.iter_mut().zip(loaded.chunks(element)).take(to.len()) {
                value[lane] = little_endian(bytes);
            }
        }
        cx.count_access(self.space, &addresses, mask, bytes, false);
        for (to, value) in to.iter().zip(&values) {
            if let Some(to) = to {
                self.put(cx, *to, value, mask);
            }
        }
        Ok(())
    }

    fn store(&self, cx: &mut Cx, mask: u32, from: &[Source]) -> Result<(), Stop> {
        let addresses = addresses(cx, &self.target, mask)?;
        let element = self.ty.bytes() as usize;
        let len = element * from.len();
        let mut values = [[0_u64; LANES]; 8];
        for (value, from) in values.iter_mut().zip(from) {
            *value = cx.warp.double(*from, mask)?;
        }
        for lane in lanes(mask) {
            let mut bytes = [0; 32];
            for (bytes, value) in bytes.chunks_mut(element).zip(&values).take(from.len()) {
                bytes.copy_from_slice(&value[lane].to_le_bytes()[..element]);
            }
            let access = Access { address: addresses[lane], bytes: len as u32 };
            let stored = cx.store(lane, self.space, access, &bytes[..len], self.order.strong);
            stored.map_err(|kind| Stop { lane: lane as u32, kind })?;
        }
        cx.count_access(self.space, &addresses, mask, len as u32, true);
        Ok(())
    }

    /// Puts a loaded element into a register, extended by its type where that is wider.
    fn put(&self, cx: &mut Cx, to: Register, value: &Lanes<u64>, mask: u32) {
        let shift = 64 - self.ty.bits();
        let value = if self.ty.is_signed() {
            value.map(|value| ((value << shift) as i64 >> shift) as u64)
        } else {
            *value
        };
        match to.class {
            Class::Double => cx.warp.set_double(to, &value, mask),
            _ => cx.warp.set_word(to, &value.map(|value| value as u32), mask),
        }
    }
}

/// A register that an element is loaded into or stored from: it may be wider than the element.
fn loadable(text: &Text, operand: &Operand, ty: Type) -> Result<Register, LoadError> {
    let (register, declared) = text.register(operand)?;
    if declared.bits() < ty.bits() || register.class == Class::Predicate {
        return Err(text.refuse("the register has too few bits"));
    }
    text.check_kind(declared, ty)?;
    Ok(register)
}
