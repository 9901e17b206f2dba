use cuda_std::prelude::*;

use crate::event::Event;

/// What happens to stages in shared memory that some threads copy to, and one thread's products read.
#[derive(Clone, Copy)]
pub(crate) struct StageEvents {
    /// `[2, count]`
    barriers: SharedPtr<u64>,
    /// How many stages there are.
    count: u32,
}

impl StageEvents {
    /// Bytes of the barriers of a stage.
    pub(crate) const BARRIER_BYTES: u32 = 2 * size_of::<u64>() as u32;

    #[inline(always)]
    pub(crate) const fn new(barriers: SharedPtr<u64>, count: u32) -> Self {
        Self { barriers, count }
    }

    /// One thread: makes the barriers, for copies by so many threads.
    ///
    /// # Safety
    ///
    /// Their place is shared memory that nobody else touches before a barrier of the block.
    #[inline(always)]
    pub(crate) unsafe fn init(self, copy_threads: u32) {
        for stage in 0..self.count {
            // SAFETY: the caller's promise.
            unsafe {
                self.arrival(stage).init(copy_threads);
                self.use_of(stage).init(1);
            }
        }
    }

    /// What was copied to a stage has arrived: each thread that copies arrives when its part is there.
    #[inline(always)]
    pub(crate) const fn arrival(self, stage: u32) -> Event {
        Event::at(self.barriers.add(stage))
    }

    /// It is used: the thread that starts products arrives when they are done.
    #[inline(always)]
    pub(crate) const fn use_of(self, stage: u32) -> Event {
        Event::at(self.barriers.add(self.count + stage))
    }
}
