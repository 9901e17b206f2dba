use cuda_std::prelude::*;

use super::{BLOCKS, ROLE_WARPS};
use crate::event::Event;

/// Where roles meet in each step: those of a block, and those of the pair with the thread of the first block that starts
/// products. Two steps are on their way at a time, so there are two barriers of each kind, and a barrier's phase is the step's
/// number halved.
///
/// Barriers are named by the event that ends their phases.
#[derive(Clone, Copy)]
pub(super) struct Steps {
    /// `[6, 2]`
    barriers: SharedPtr<u64>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// Its place among the tile's blocks.
    pub(super) nth: u32,
    barriers: SharedPtr<u64>,
}

impl Steps {
    /// Bytes of the barriers.
    pub(super) const BARRIER_BYTES: u32 = 6 * 2 * size_of::<u64>() as u32;

    #[inline(always)]
    pub(super) const fn new(barriers: SharedPtr<u64>) -> Self {
        Self { barriers }
    }

    /// One thread: makes the barriers. One of the cluster has to come before they are used.
    ///
    /// # Safety
    ///
    /// Their place is the steps' alone.
    #[inline(always)]
    pub(super) unsafe fn init(self) {
        for nth in 0..2 {
            let step = self.nth(nth);
            // SAFETY: the caller's promise.
            unsafe {
                step.scored().init(1);
                step.weighed().init(ROLE_WARPS);
                step.summed().init(1);
                step.joined().init(ROLE_WARPS);
                step.weighed_by_pair().init(BLOCKS * ROLE_WARPS);
                step.joined_by_pair().init(BLOCKS * ROLE_WARPS);
            }
        }
    }

    #[inline(always)]
    pub(super) const fn nth(self, nth: u32) -> Step {
        Step { nth, barriers: self.barriers.add(nth % 2) }
    }
}

impl Step {
    /// The phase of the step's events.
    #[inline(always)]
    pub(super) const fn phase(self) -> u32 {
        self.nth / 2
    }

    /// The products with the keys are there.
    #[inline(always)]
    pub(super) const fn scored(self) -> Event {
        Event::at(self.barriers)
    }

    /// The weights are there, and where a row does not see all of the block the weighted sums of values too. Each warp that makes
    /// them arrives.
    #[inline(always)]
    pub(super) const fn weighed(self) -> Event {
        Event::at(self.barriers.add(2))
    }

    /// The weighted sums of values are there, of a block that all rows see all of.
    #[inline(always)]
    pub(super) const fn summed(self) -> Event {
        Event::at(self.barriers.add(4))
    }

    /// The totals have taken them in. Each warp that has some arrives.
    #[inline(always)]
    pub(super) const fn joined(self) -> Event {
        Event::at(self.barriers.add(6))
    }

    /// In the pair's first block: the weights of both are there, in tensor memory. Each warp of both that makes them arrives.
    #[inline(always)]
    pub(super) const fn weighed_by_pair(self) -> Event {
        Event::at(self.barriers.add(8))
    }

    /// In the pair's first block: the totals of both have taken the weighted sums in. Each warp of both that has some arrives.
    #[inline(always)]
    pub(super) const fn joined_by_pair(self) -> Event {
        Event::at(self.barriers.add(10))
    }

    /// One thread: waits until the block's totals have taken in the step that had the place of this one before.
    ///
    /// # Safety
    ///
    /// The thread goes through all steps.
    #[inline(always)]
    pub(super) unsafe fn wait_for_place(self) {
        if let Some(before) = self.phase().checked_sub(1) {
            // SAFETY: this step's sums are what the next phase is of, and they are not there yet.
            unsafe { self.joined().wait(before) };
        }
    }

    /// One thread of the pair's first block: the same of the totals of both.
    ///
    /// # Safety
    ///
    /// As above.
    #[inline(always)]
    pub(super) unsafe fn wait_for_place_of_pair(self) {
        if let Some(before) = self.phase().checked_sub(1) {
            // SAFETY: as above.
            unsafe { self.joined_by_pair().wait_for_pair(before) };
        }
    }
}
