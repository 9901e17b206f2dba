use cuda_std::prelude::*;

use super::{GROUP_WARPS, GROUPS};
use crate::event::Event;

/// Where the thread that starts products meets the groups. A step is the product of a group with a block; steps are numbered by
/// blocks, and of a block by groups, and have the two places for scores in turn.
///
/// Barriers are named by the event that ends their phases.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    /// Groups that have pairs.
    pub(super) groups: u32,
    /// `[1 + 2 + 2 * GROUPS]`
    barriers: SharedPtr<u64>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Its block, counted from the first.
    nth: u32,
    /// Steps before it.
    number: u32,
    /// The group's, of even blocks.
    scored: SharedPtr<u64>,
    /// The first place's.
    free: SharedPtr<u64>,
}

/// Places for scores.
pub(super) const PLACES: u32 = 2;

impl Steps {
    /// Bytes of the barriers.
    pub(super) const BARRIER_BYTES: u32 = (1 + PLACES + 2 * GROUPS) * size_of::<u64>() as u32;

    #[inline(always)]
    pub(super) const fn new(barriers: SharedPtr<u64>, groups: u32) -> Self {
        Self { groups, barriers }
    }

    /// One thread: makes the barriers. One of the block has to come before they are used.
    ///
    /// # Safety
    ///
    /// Their place is the steps' alone.
    #[inline(always)]
    pub(super) unsafe fn init(self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.asked().init(self.groups * GROUP_WARPS);
            for place in 0..PLACES {
                Event::at(self.free().add(place)).init(GROUP_WARPS);
            }
            for nth in 0..2 * GROUPS {
                Event::at(self.scored().add(nth)).init(1);
            }
        }
    }

    /// The queries are there. Each warp that has some arrives.
    #[inline(always)]
    pub(super) const fn asked(self) -> Event {
        Event::at(self.barriers)
    }

    /// `[PLACES]`
    #[inline(always)]
    const fn free(self) -> SharedPtr<u64> {
        self.barriers.add(1)
    }

    /// `[2, GROUPS]`
    #[inline(always)]
    const fn scored(self) -> SharedPtr<u64> {
        self.barriers.add(1 + PLACES)
    }

    /// The step of a group and the `nth` block.
    #[inline(always)]
    pub(super) const fn nth(self, nth: u32, group: u32) -> Step {
        let number = nth * self.groups + group;
        Step { nth, number, scored: self.scored().add(group), free: self.free() }
    }
}

impl Step {
    /// Which place its scores have.
    #[inline(always)]
    pub(super) const fn place(self) -> u32 {
        self.number % PLACES
    }

    /// The products are there. A group has a barrier for its even blocks and one for the others: where it is the only one, the
    /// products of two blocks may be there before it looks for the first.
    #[inline(always)]
    pub(super) const fn scored(self) -> Event {
        Event::at(self.scored.add(self.nth % 2 * GROUPS))
    }

    /// The phase in which they are.
    #[inline(always)]
    pub(super) const fn phase(self) -> u32 {
        self.nth / 2
    }

    /// The scores are read. Each warp of the group arrives.
    #[inline(always)]
    pub(super) const fn free(self) -> Event {
        Event::at(self.free.add(self.place()))
    }

    /// One thread: waits until the scores of the step that had the place before are read.
    ///
    /// # Safety
    ///
    /// The thread goes through all steps.
    #[inline(always)]
    pub(super) unsafe fn wait_for_place(self) {
        if let Some(before) = (self.number / PLACES).checked_sub(1) {
            // SAFETY: this step's scores are what the next phase is of, and they are not there yet.
            unsafe { self.free().wait(before) };
        }
    }
}
