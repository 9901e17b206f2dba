//! Loads and stores.

use super::convert::SHARED_WINDOW;
use super::decode::{Target, Text};
use super::program::{Class, Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Lanes, Stop, lanes};
use crate::fault::FaultKind;
use crate::memory::Access;
use crate::ptx::{Operand, Space, Type};

#[derive(Clone, Debug)]
pub(crate) struct Memory {
    what: What,
    /// `None` for a generic address.
    space: Option<Space>,
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

/// Modifiers that say how an access is ordered, for whom, and what caches should make of it.
const HINTS: [&str; 32] = [
    "weak",
    "relaxed",
    "acquire",
    "release",
    "volatile",
    "cta",
    "cluster",
    "gpu",
    "sys",
    "nc",
    "ca",
    "cg",
    "cs",
    "lu",
    "cv",
    "wb",
    "wt",
    "L1::evict_normal",
    "L1::evict_unchanged",
    "L1::evict_first",
    "L1::evict_last",
    "L1::no_allocate",
    "L2::evict_normal",
    "L2::evict_first",
    "L2::evict_last",
    "L2::cache_hint",
    "L2::64B",
    "L2::128B",
    "L2::256B",
    "mmio",
    "L1",
    "L2",
];

impl Memory {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let spaces = [
            ("global", Space::Global),
            ("shared", Space::Shared),
            ("shared::cta", Space::Shared),
            ("local", Space::Local),
            ("param", Space::Param),
            ("param::entry", Space::Param),
            ("const", Space::Const),
        ];
        let mut space = None;
        let mut lanes = 1;
        let mut hinted = false;
        loop {
            if let Some(named) = text.one_of(&spaces) {
                space = Some(named);
            } else if let Some(vector) = text.one_of(&[("v2", 2), ("v4", 4), ("v8", 8)]) {
                lanes = vector;
            } else if let Some(hint) = HINTS.iter().find(|hint| text.eat(hint)) {
                hinted |= *hint == "L2::cache_hint";
            } else {
                break;
            }
        }
        let operands = 2 + usize::from(hinted);
        let (what, address) = match text.mnemonic() {
            "ld" => {
                let ty = text.ty()?;
                text.finish(operands)?;
                let elements = text.vector(0)?;
                let to = elements.iter().map(|element| match element {
                    Operand::Sink => Ok(None),
                    element => Ok(Some(loadable(text, element, ty)?)),
                });
                let to: Vec<_> = to.collect::<Result<_, LoadError>>()?;
                (What::Load(to), 1)
            }
            "st" => {
                let ty = text.ty()?;
                text.finish(operands)?;
                let from = text.vector(1)?.iter().map(|element| match element {
                    Operand::Name(_) if text.register(element).is_ok() => {
                        Ok(Source::Register(loadable(text, element, ty)?))
                    }
                    element => text.source_of(element, ty),
                });
                (What::Store(from.collect::<Result<_, LoadError>>()?), 0)
            }
            _ => {
                text.finish(1)?;
                (What::Hint, 0)
            }
        };
        let elements = match &what {
            What::Load(to) => to.len(),
            What::Store(from) => from.len(),
            What::Hint => lanes,
        };
        if elements != lanes {
            return Err(text.refuse(format!("{elements} elements, expected {lanes}")));
        }
        let ty = match what {
            What::Hint => Type::B8,
            _ => text.last_type()?,
        };
        let space = match space {
            Some(Space::Const) => Some(Space::Global),
            space => space,
        };
        Ok(Self { what, space, target: text.address(address)?, ty })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let addresses = match &self.what {
            What::Hint => return Ok(()),
            _ => addresses(cx, &self.target, mask)?,
        };
        let element = self.ty.bytes();
        match &self.what {
            What::Load(to) => {
                let mut values = vec![[0_u64; LANES]; to.len()];
                for lane in lanes(mask) {
                    let bytes = element * to.len() as u32;
                    let access = Access { address: addresses[lane], bytes };
                    let at = |kind| Stop { lane: lane as u32, kind };
                    let loaded = load(cx, self.space, access).map_err(at)?;
                    for (index, value) in values.iter_mut().enumerate() {
                        value[lane] = part(&loaded, index * element as usize, element);
                    }
                }
                for (to, value) in to.iter().zip(&values) {
                    if let Some(to) = to {
                        self.put(cx, *to, value, mask);
                    }
                }
            }
            What::Store(from) => {
                let values = from.iter().map(|from| cx.warp.double(*from, mask));
                let values: Vec<_> = values.collect::<Result<_, _>>()?;
                for lane in lanes(mask) {
                    let mut bytes = [0; 32];
                    for (index, value) in values.iter().enumerate() {
                        let start = index * element as usize;
                        let value = value[lane].to_le_bytes();
                        bytes[start..start + element as usize]
                            .copy_from_slice(&value[..element as usize]);
                    }
                    let len = element * from.len() as u32;
                    let access = Access { address: addresses[lane], bytes: len };
                    let at = |kind| Stop { lane: lane as u32, kind };
                    store(cx, self.space, access, &bytes[..len as usize]).map_err(at)?;
                }
            }
            What::Hint => {}
        }
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
    Ok(register)
}

/// The address of each lane.
pub(super) fn addresses(cx: &Cx, target: &Target, mask: u32) -> Result<Lanes<u64>, Stop> {
    Ok(match target.base {
        None => [target.offset as u64; LANES],
        Some(base) => {
            cx.warp.double(base, mask)?.map(|address| address.wrapping_add_signed(target.offset))
        }
    })
}

/// The space that an address is in, and the address there.
pub(super) fn resolve(space: Option<Space>, address: u64) -> (Space, u64) {
    match space {
        // Shared addresses have 32 bits; registers of 64 may hold them.
        Some(space) => (space, address),
        None if (SHARED_WINDOW..2 * SHARED_WINDOW).contains(&address) => {
            (Space::Shared, address - SHARED_WINDOW)
        }
        None => (Space::Global, address),
    }
}

fn load(cx: &mut Cx, space: Option<Space>, access: Access) -> Result<[u8; 32], FaultKind> {
    let (space, address) = resolve(space, access.address);
    let access = Access { address, ..access };
    let len = access.bytes as usize;
    let mut loaded = [0; 32];
    match space {
        Space::Shared => {
            cx.block.shared.check(access)?;
            let warp = cx.warp.index;
            let bytes = cx.block.shared.read(access, warp, &cx.block.clocks[warp])?;
            loaded[..len].copy_from_slice(bytes);
        }
        Space::Param => {
            let range = access.address as usize..access.address as usize + len;
            let bytes = cx.parameters.get(range).ok_or(FaultKind::OutOfBounds {
                space: "param",
                address,
                bytes: access.bytes,
                near: Some((0, cx.parameters.len() as u64)),
            })?;
            loaded[..len].copy_from_slice(bytes);
        }
        Space::Global => {
            let allocation = cx.global.find(address).ok_or(nowhere(access))?;
            allocation.check(access)?;
            for start in (0..len).step_by(8) {
                let step = (len - start).min(8);
                let at = address - allocation.start() + start as u64;
                if !allocation.is_written(at, step as u32) {
                    let address = address + start as u64;
                    return Err(FaultKind::UninitializedMemory { space: "global", address });
                }
                let value = allocation.load(at, step as u32).to_le_bytes();
                loaded[start..start + step].copy_from_slice(&value[..step]);
            }
        }
        Space::Local | Space::Const | Space::Register => {
            let what = "memory of this space is not simulated".to_owned();
            return Err(FaultKind::InvalidOperand { what });
        }
    }
    Ok(loaded)
}

fn store(cx: &mut Cx, space: Option<Space>, access: Access, from: &[u8]) -> Result<(), FaultKind> {
    let (space, address) = resolve(space, access.address);
    let access = Access { address, ..access };
    match space {
        Space::Shared => {
            cx.block.shared.check(access)?;
            let warp = cx.warp.index;
            cx.block.shared.write(access, from, warp, &cx.block.clocks[warp])
        }
        Space::Global => {
            let allocation = cx.global.find(address).ok_or(nowhere(access))?;
            allocation.check(access)?;
            for (index, chunk) in from.chunks(8).enumerate() {
                let at = address - allocation.start() + 8 * index as u64;
                allocation.store(at, chunk.len() as u32, part(from, 8 * index, chunk.len() as u32));
            }
            Ok(())
        }
        _ => {
            let what = "a store to memory of this space".to_owned();
            Err(FaultKind::InvalidOperand { what })
        }
    }
}

/// An access below every allocation.
pub(super) fn nowhere(access: Access) -> FaultKind {
    let Access { address, bytes } = access;
    FaultKind::OutOfBounds { space: "global", address, bytes, near: None }
}

/// The little-endian integer of up to 8 bytes from `start` on.
fn part(bytes: &[u8], start: usize, len: u32) -> u64 {
    let mut value = [0; 8];
    value[..len as usize].copy_from_slice(&bytes[start..start + len as usize]);
    u64::from_le_bytes(value)
}
