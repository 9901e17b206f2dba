use core::mem::offset_of;

use cuda_std::prelude::*;
use msa_abi::MAX_TOPK;

use super::cut::Cut;
use super::for_each_of;
use super::histogram::Histogram;
use super::key::Key;
use super::key_list::KeyList;

/// What the static shared memory holds.
#[repr(C, align(16))]
struct Layout {
    /// A histogram for each step of a cut: so a step need not wait until all have read the last one's.
    histograms: [[u32; Cut::DIGITS as usize]; Cut::STEPS as usize],
    /// How many keys are in `candidates`.
    candidate_count: [u32; 4],
    /// The keys that are sorted in the end.
    candidates: [Key; MAX_CANDIDATES as usize],
    /// The chosen ones among them, where the list goes by id.
    chosen: [Key; MAX_TOPK],
}

/// Most keys that a cut may leave.
pub(super) const MAX_CANDIDATES: u32 = 2 * MAX_TOPK as u32;

const _: () = assert!(MAX_CANDIDATES.is_multiple_of(KeyList::AT_ONCE));
const _: () = assert!((MAX_TOPK as u32).is_multiple_of(KeyList::AT_ONCE));

/// The block's static shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan(SharedPtr<Layout>);

impl SharedPlan {
    /// All threads of the block: declares the memory, zeroes the counts and empties the lists. What is in
    /// it is there after the next barrier.
    #[inline(always)]
    pub(super) fn new() -> Self {
        let plan = Self(shared::static_shared());
        const LISTS: usize = offset_of!(Layout, candidates);
        plan.fill(0, LISTS, [0u32; 4]);
        plan.fill(LISTS, size_of::<Layout>(), [Key::LAST; 2]);
        plan
    }

    /// All threads of the block: fills the bytes `from .. to` with copies of a value of 16 bytes.
    #[inline(always)]
    fn fill<T: Copy>(self, from: usize, to: usize, value: T) {
        for_each_of(((to - from) / size_of::<T>()) as u32, |nth| {
            // SAFETY: the place is in the plan, and no other thread touches it before a barrier.
            unsafe { self.field::<T>(from).add(nth).write(value) };
        });
    }

    /// The histogram of a cut's next step.
    #[inline(always)]
    pub(super) fn histogram(self, steps: u32) -> Histogram {
        let histograms = self.field::<u32>(offset_of!(Layout, histograms));
        // SAFETY: fewer than `Cut::STEPS` steps have been taken, so it is among the histograms.
        unsafe { Histogram::at(histograms.add(steps * Cut::DIGITS)) }
    }

    /// The number of candidates.
    #[inline(always)]
    pub(super) fn candidate_count(self) -> SharedPtr<u32> {
        self.field(offset_of!(Layout, candidate_count))
    }

    /// The list of candidates.
    #[inline(always)]
    pub(super) fn candidates(self) -> KeyList {
        // SAFETY: it starts at a multiple of 16 bytes, and `new` emptied it.
        unsafe { KeyList::at(self.field(offset_of!(Layout, candidates))) }
    }

    /// The list of chosen keys.
    #[inline(always)]
    pub(super) fn chosen(self) -> KeyList {
        // SAFETY: it starts at a multiple of 16 bytes, and `new` emptied it.
        unsafe { KeyList::at(self.field(offset_of!(Layout, chosen))) }
    }

    #[inline(always)]
    fn field<T>(self, offset: usize) -> SharedPtr<T> {
        self.0.byte_add(offset as u32).cast()
    }
}
