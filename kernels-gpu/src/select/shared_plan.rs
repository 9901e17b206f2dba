use core::mem::offset_of;

use cuda_std::prelude::*;
use msa_abi::MAX_TOPK;

use super::cut::Cut;
use super::histogram::Histogram;
use super::key::Key;
use super::key_list::KeyList;
use crate::share_out::share_out;

/// Most keys that a cut may leave over for sorting.
pub(crate) const MAX_CANDIDATES: usize = 2 * MAX_TOPK;

/// What is in the static shared memory. It starts as counts of 0 and places for keys without a key.
#[repr(C, align(16))]
struct Layout {
    /// One for each step of a cut: a step need not wait until every warp has read the one before.
    histograms: [[u32; Cut::DIGITS as usize]; Cut::STEPS as usize],
    lens: [u32; 4],
    keys: Keys,
}

#[repr(C)]
struct Keys {
    /// The keys that are sorted in the end.
    candidates: [Key; MAX_CANDIDATES],
    /// The first of them, where the row's ids are listed in ascending order.
    chosen: [Key; MAX_TOPK],
}

const _: () = {
    assert!(MAX_CANDIDATES.is_multiple_of(KeyList::AT_ONCE as usize));
    assert!(MAX_TOPK.is_multiple_of(KeyList::AT_ONCE as usize));
    assert!(offset_of!(Layout, keys).is_multiple_of(16));
};

/// The block's static shared memory.
#[derive(Clone, Copy)]
pub(crate) struct SharedPlan(SharedPtr<Layout>);

impl SharedPlan {
    /// What it takes.
    pub(crate) const BYTES: usize = size_of::<Layout>();

    /// All threads of the block: declares the memory and fills it. A barrier has to come before any use.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        const KEYS: usize = offset_of!(Layout, keys);
        let plan = Self(shared::static_shared());
        plan.fill(0, KEYS, [0u32; 4]);
        plan.fill(KEYS, size_of::<Keys>(), [Key::LAST; 2]);
        plan
    }

    /// The histogram for the step after `steps`.
    #[inline(always)]
    pub(crate) fn histogram(self, steps: u32) -> Histogram {
        let histograms = self.field::<u32>(offset_of!(Layout, histograms));
        // SAFETY: less than `Cut::STEPS` have been taken, so it is among the histograms.
        unsafe { Histogram::at(histograms.add(steps * Cut::DIGITS)) }
    }

    /// The list of candidates.
    #[inline(always)]
    pub(crate) fn candidates(self) -> KeyList {
        self.list(0, offset_of!(Layout, keys.candidates))
    }

    /// The list of chosen keys.
    #[inline(always)]
    pub(crate) fn chosen(self) -> KeyList {
        self.list(1, offset_of!(Layout, keys.chosen))
    }

    #[inline(always)]
    fn list(self, nth: u32, keys: usize) -> KeyList {
        let lens = self.field::<u32>(offset_of!(Layout, lens));
        // SAFETY: `new` empties both lists; they start at multiples of 16 bytes, as asserted above.
        unsafe { KeyList::at(lens.add(nth), self.field(keys)) }
    }

    /// All threads of the block: fills some bytes with copies of a value of 16.
    #[inline(always)]
    fn fill<T: Copy>(self, start: usize, len: usize, value: T) {
        share_out((len / size_of::<T>()) as u32, |nth| {
            // SAFETY: the place is in the plan, and until a barrier it is this thread's.
            unsafe { self.field::<T>(start).add(nth).write(value) };
        });
    }

    #[inline(always)]
    fn field<T>(self, offset: usize) -> SharedPtr<T> {
        self.0.byte_add(offset as u32).cast()
    }
}
