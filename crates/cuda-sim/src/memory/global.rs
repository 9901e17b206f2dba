use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64};
use std::sync::{Arc, OnceLock, RwLock};

use super::between_blocks::{Conflict, Other, Visit, WordUse};
use crate::fault::FaultKind;

/// Where the first allocation starts. Lower addresses are windows to other spaces, or nothing.
const BASE: u64 = 0x7000_0000_0000;

/// What allocations are aligned to, as the driver aligns them.
const ALIGNMENT: u64 = 512;

/// Bytes between allocations that belong to none, so that running over an end is seen.
const GUARD: u64 = 4096;

/// Bytes that are materialised together.
const PAGE: u64 = 1 << 16;

/// A device's global memory: allocations that know which of their bytes have been written.
///
/// A page of an allocation exists once something is written to it: a cache of a million tokens takes as
/// much memory as is used of it. What nothing has written reads as 0xff: NaN in every float format.
#[derive(Debug, Default)]
pub(crate) struct GlobalMemory {
    allocations: RwLock<Allocations>,
}

#[derive(Debug, Default)]
struct Allocations {
    /// By start. Freed ones stay, without their pages, so that a later access can be told what it is.
    by_start: BTreeMap<u64, Arc<Allocation>>,
    end: u64,
    live_bytes: u64,
}

/// Some bytes of global memory.
#[derive(Debug)]
pub(crate) struct Allocation {
    start: u64,
    len: u64,
    /// Empty once freed.
    pages: Box<[OnceLock<Box<Page>>]>,
}

#[derive(Debug)]
struct Page {
    words: Box<[AtomicU64]>,
    /// A bit for each byte.
    written: Box<[AtomicU8]>,
    /// For each word of 4 bytes its last use by a launch's blocks, from the first launch on.
    uses: OnceLock<Box<[WordUse]>>,
    /// For each sector the last launch that loaded of it, and the last that stored to it.
    sectors: OnceLock<Box<[[AtomicU32; 2]]>>,
}

impl Page {
    fn poisoned() -> Box<Self> {
        Box::new(Self {
            words: (0..PAGE / 8).map(|_| AtomicU64::new(u64::MAX)).collect(),
            written: (0..PAGE / 8).map(|_| AtomicU8::new(0)).collect(),
            uses: OnceLock::new(),
            sectors: OnceLock::new(),
        })
    }
}

/// Bytes that global memory moves together.
pub(crate) const SECTOR: u64 = 32;

/// Why the host may not do this with device memory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MemoryError {
    /// Nothing, or too little, is allocated there.
    #[error("{bytes} bytes at {address:#x} are not within one allocation")]
    OutOfBounds {
        /// The first byte.
        address: u64,
        /// Bytes that were to be accessed.
        bytes: u64,
    },
    /// No allocation starts there.
    #[error("{address:#x} is not the start of an allocation")]
    NotAnAllocation {
        /// The address.
        address: u64,
    },
    /// Something is there already.
    #[error("{bytes} bytes cannot be mapped at {address:#x}: another allocation is there")]
    Taken {
        /// The first byte.
        address: u64,
        /// Bytes that were to be mapped.
        bytes: u64,
    },
    /// The address has been freed before.
    #[error("{address:#x} has been freed before")]
    FreedTwice {
        /// The address.
        address: u64,
    },
}

/// One thread's access, of up to 32 bytes; or a run of any number of bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) address: u64,
    pub(crate) bytes: u32,
}

impl Access {
    /// Refuses an address in a space that is no multiple of `alignment`.
    pub(crate) fn check_alignment(
        self,
        space: &'static str,
        alignment: u32,
    ) -> Result<(), FaultKind> {
        match self.address.is_multiple_of(alignment.into()) {
            true => Ok(()),
            false => Err(FaultKind::Misaligned { space, address: self.address, alignment }),
        }
    }

    /// All of a run, in parts of 1, 2, 4 or 8 bytes at a multiple of their number.
    pub(crate) fn parts(self) -> impl Iterator<Item = Self> {
        let (mut at, end) = (self.address, self.address + u64::from(self.bytes));
        std::iter::from_fn(move || {
            let left = end.checked_sub(at).filter(|left| *left > 0)?;
            let bytes = 1 << (at | 8).trailing_zeros().min(left.ilog2());
            let part = Self { address: at, bytes };
            at += u64::from(bytes);
            Some(part)
        })
    }
}

impl GlobalMemory {
    /// Allocates `len` bytes, none of them written.
    pub(crate) fn allocate(&self, len: u64) -> u64 {
        let mut all = self.allocations.write().expect("no panic under the lock");
        let start = all.end.max(BASE);
        all.end = (start + len + GUARD).next_multiple_of(ALIGNMENT);
        all.live_bytes += len;
        let pages = (0..len.div_ceil(PAGE)).map(|_| OnceLock::new()).collect();
        all.by_start.insert(start, Arc::new(Allocation { start, len, pages }));
        start
    }

    /// Frees the allocation that starts at `address`.
    pub(crate) fn free(&self, address: u64) -> Result<(), MemoryError> {
        let mut all = self.allocations.write().expect("no panic under the lock");
        let allocation =
            all.by_start.get(&address).ok_or(MemoryError::NotAnAllocation { address })?;
        if allocation.is_freed() {
            return Err(MemoryError::FreedTwice { address });
        }
        let len = allocation.len;
        let gone = Allocation { start: address, len, pages: Box::default() };
        all.by_start.insert(address, Arc::new(gone));
        all.live_bytes -= len;
        Ok(())
    }

    /// Makes an allocation at an address of the caller's choice: a multiple of 16, where none is.
    pub(crate) fn map(&self, start: u64, len: u64) -> Result<(), MemoryError> {
        let taken = MemoryError::Taken { address: start, bytes: len };
        let end = start.checked_add(len).ok_or(taken.clone())?;
        let mut all = self.allocations.write().expect("no panic under the lock");
        let before = all.by_start.range(..end).next_back();
        if before.is_some_and(|(_, other)| other.start + other.len > start)
            || !start.is_multiple_of(16)
        {
            return Err(taken);
        }
        all.live_bytes += len;
        let pages = (0..len.div_ceil(PAGE)).map(|_| OnceLock::new()).collect();
        all.by_start.insert(start, Arc::new(Allocation { start, len, pages }));
        Ok(())
    }

    /// Takes back what [`map`](Self::map) did. Others may then be there.
    pub(crate) fn unmap(&self, start: u64) -> Result<(), MemoryError> {
        let mut all = self.allocations.write().expect("no panic under the lock");
        let unknown = MemoryError::NotAnAllocation { address: start };
        let allocation = all.by_start.remove(&start).ok_or(unknown)?;
        all.live_bytes -= allocation.len;
        Ok(())
    }

    /// Bytes in live allocations.
    pub(crate) fn live_bytes(&self) -> u64 {
        self.allocations.read().expect("no panic under the lock").live_bytes
    }

    /// The allocation at or before an address, freed or not.
    pub(crate) fn find(&self, address: u64) -> Option<Arc<Allocation>> {
        let all = self.allocations.read().expect("no panic under the lock");
        all.by_start.range(..=address).next_back().map(|(_, allocation)| allocation.clone())
    }

    /// The live allocation that holds all of a range, for the host.
    fn of_range(&self, address: u64, bytes: u64) -> Result<Arc<Allocation>, MemoryError> {
        self.find(address)
            .filter(|allocation| !allocation.is_freed() && allocation.holds(address, bytes))
            .ok_or(MemoryError::OutOfBounds { address, bytes })
    }

    /// The start and length of the live allocation around an address.
    pub(crate) fn range_around(&self, address: u64) -> Result<(u64, u64), MemoryError> {
        self.of_range(address, 1).map(|allocation| (allocation.start, allocation.len))
    }

    /// Copies from the host.
    pub(crate) fn write(&self, address: u64, from: &[u8]) -> Result<(), MemoryError> {
        let allocation = self.of_range(address, from.len() as u64)?;
        let mut at = address - allocation.start;
        // Bytes up to the first whole word, words, and the bytes that are left.
        let (head, rest) = from.split_at(from.len().min((at.next_multiple_of(8) - at) as usize));
        let (words, tail) = rest.as_chunks::<8>();
        for byte in head {
            allocation.byte_mut(at, *byte);
            at += 1;
        }
        for word in words {
            allocation.store(at, 8, u64::from_le_bytes(*word));
            at += 8;
        }
        for byte in tail {
            allocation.byte_mut(at, *byte);
            at += 1;
        }
        Ok(())
    }

    /// Copies to the host, poison where nothing has been written.
    pub(crate) fn read(&self, address: u64, to: &mut [u8]) -> Result<(), MemoryError> {
        let allocation = self.of_range(address, to.len() as u64)?;
        for (byte, at) in to.iter_mut().zip(address - allocation.start..) {
            *byte = allocation.byte(at);
        }
        Ok(())
    }

    /// Copies within the device; what has not been written stays so.
    pub(crate) fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<(), MemoryError> {
        let (target, source) = (self.of_range(to, bytes)?, self.of_range(from, bytes)?);
        for at in 0..bytes {
            let (from, to) = (from + at - source.start, to + at - target.start);
            if source.is_written(from, 1) {
                target.byte_mut(to, source.byte(from));
            } else {
                target.poison(to);
            }
        }
        Ok(())
    }
}

impl Allocation {
    fn is_freed(&self) -> bool {
        self.pages.is_empty() && self.len > 0
    }

    pub(crate) fn holds(&self, address: u64, bytes: u64) -> bool {
        address >= self.start
            && address.checked_add(bytes).is_some_and(|end| end <= self.start + self.len)
    }

    /// Why a run of bytes that this allocation was found for, but does not hold, is refused; and one that
    /// it held until it was freed.
    pub(crate) fn check_run(&self, run: Access) -> Result<(), FaultKind> {
        let Access { address, bytes } = run;
        if !self.holds(address, bytes.into()) {
            let near = Some((self.start, self.len));
            return Err(FaultKind::OutOfBounds { space: "global", address, bytes, near });
        }
        if self.is_freed() {
            return Err(FaultKind::UseAfterFree { address });
        }
        Ok(())
    }

    fn page(&self, at: u64) -> Option<&Page> {
        self.pages[(at / PAGE) as usize].get().map(|page| &**page)
    }

    fn page_mut(&self, at: u64) -> &Page {
        self.pages[(at / PAGE) as usize].get_or_init(Page::poisoned)
    }

    fn byte(&self, at: u64) -> u8 {
        self.load(at, 1) as u8
    }

    fn byte_mut(&self, at: u64, value: u8) {
        self.store(at, 1, value.into());
    }

    /// Makes a byte as if nothing had written it.
    fn poison(&self, at: u64) {
        if let Some(page) = self.page(at) {
            self.byte_mut(at, u8::MAX);
            page.written[(at % PAGE / 8) as usize].fetch_and(!(1 << (at % 8)), Relaxed);
        }
    }

    /// Loads 1, 2, 4 or 8 bytes at a multiple of their number, relative to the start.
    pub(crate) fn load(&self, at: u64, bytes: u32) -> u64 {
        let mask = u64::MAX >> (64 - 8 * bytes);
        let Some(page) = self.page(at) else { return mask };
        let word = &page.words[(at % PAGE / 8) as usize];
        (word.load(Relaxed) >> (8 * (at % 8))) & mask
    }

    /// Stores 1, 2, 4 or 8 bytes at a multiple of their number, relative to the start.
    pub(crate) fn store(&self, at: u64, bytes: u32, value: u64) {
        let page = self.page_mut(at);
        let (word, shift) = (&page.words[(at % PAGE / 8) as usize], 8 * (at % 8));
        let ones = 0xff_u8 >> (8 - bytes);
        if bytes == 8 {
            word.store(value, Relaxed);
        } else {
            let mask = (u64::MAX >> (64 - 8 * bytes)) << shift;
            let merge = |old| Some(old & !mask | (value << shift) & mask);
            let _ = word.fetch_update(Relaxed, Relaxed, merge);
        }
        page.written[(at % PAGE / 8) as usize].fetch_or(ones << (at % 8), Relaxed);
    }

    /// Replaces 2, 4 or 8 bytes by a function of what they hold, in one step; returns what they held.
    pub(crate) fn update(&self, at: u64, bytes: u32, f: impl Fn(u64) -> u64) -> u64 {
        let page = self.page_mut(at);
        let (word, shift) = (&page.words[(at % PAGE / 8) as usize], 8 * (at % 8));
        let mask = u64::MAX >> (64 - 8 * bytes);
        let merge = |old: u64| {
            let new = f((old >> shift) & mask) & mask;
            Some(old & !(mask << shift) | new << shift)
        };
        match word.fetch_update(Relaxed, Relaxed, merge) {
            Ok(old) | Err(old) => (old >> shift) & mask,
        }
    }

    /// Whether all of some bytes have been written; they do not cross a multiple of 8.
    pub(crate) fn is_written(&self, at: u64, bytes: u32) -> bool {
        let ones = 0xff_u8 >> (8 - bytes);
        self.page(at).is_some_and(|page| {
            let written = page.written[(at % PAGE / 8) as usize].load(Relaxed) >> (at % 8);
            written & ones == ones
        })
    }

    /// The first of some bytes that nothing has written, relative to the start.
    pub(crate) fn first_unwritten(&self, at: u64, bytes: u32) -> Option<u64> {
        (at..at + u64::from(bytes)).find(|&byte| !self.is_written(byte, 1))
    }

    /// Notes a plain access of a block within a page, and says which other block's access nothing orders it
    /// with, or what it needs a fence after.
    pub(crate) fn note(
        &self,
        at: u64,
        bytes: u32,
        visit: &Visit,
        is_write: bool,
    ) -> Result<(), FaultKind> {
        let page = self.page_mut(at);
        let uses = page.uses.get_or_init(|| (0..PAGE / 4).map(|_| WordUse::default()).collect());
        let end = at + u64::from(bytes);
        let mut word = at / 4 * 4;
        while word < end {
            let first = at.max(word) - word;
            let mask = 0xf << first & 0xf >> (word + 4).saturating_sub(end);
            let noted = uses[(word % PAGE / 4) as usize].note(mask, visit, is_write);
            let (space, address_of) = ("global", |byte: u32| self.start + word + u64::from(byte));
            noted.map_err(|Conflict { with, byte, order }| {
                let (address, order) = (address_of(byte), order.to_owned());
                match with {
                    Other::Launch(kernel) => FaultKind::EarlyAccess { address, kernel, order },
                    Other::Block(block) => {
                        let one = |block| format!("block {block}");
                        let other = block.map_or("other blocks".to_owned(), one);
                        FaultKind::Race { space, address, other, order }
                    }
                    Other::Proxy => FaultKind::MissingProxyFence { space, address },
                }
            })?;
            word += 4;
        }
        Ok(())
    }

    /// Whether a launch has not accessed a sector in this way before.
    pub(crate) fn is_new_sector(&self, at: u64, launch: u32, is_write: bool) -> bool {
        let page = self.page_mut(at);
        let sectors =
            page.sectors.get_or_init(|| (0..=PAGE / SECTOR).map(|_| Default::default()).collect());
        let last =
            &sectors[((self.start % SECTOR + at % PAGE) / SECTOR) as usize][usize::from(is_write)];
        last.load(Relaxed) != launch && last.swap(launch, Relaxed) != launch
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }
}
