use cuda_std::prelude::*;

use crate::block_planes::BlockStages;
use crate::event::Event;
use crate::row_tile::RowTile;

/// Stages in shared memory that one or more threads copy to, and one thread's products read, and what happens to them.
#[derive(Clone, Copy)]
pub(crate) struct StageEvents {
    stages: BlockStages,
    /// `[2, stages]`
    barriers: SharedPtr<u64>,
}

impl StageEvents {
    /// Bytes of the barriers of a stage.
    pub(crate) const BARRIER_BYTES: u32 = 2 * size_of::<u64>() as u32;

    #[inline(always)]
    pub(crate) const fn new(stages: BlockStages, barriers: SharedPtr<u64>) -> Self {
        Self { stages, barriers }
    }

    /// One thread: makes the barriers, for copies that so many threads arrive for.
    ///
    /// # Safety
    ///
    /// Their place is shared memory that nobody else touches before a barrier of the block.
    #[inline(always)]
    pub(crate) unsafe fn init(self, copy_threads: u32) {
        for stage in 0..self.stages.count() {
            // SAFETY: the caller's promise.
            unsafe {
                self.arrival(stage).init(copy_threads);
                self.use_of(stage).init(1);
            }
        }
    }

    /// How many stages there are.
    #[inline(always)]
    pub(crate) const fn stages(self) -> u32 {
        self.stages.count()
    }

    /// One of them.
    #[inline(always)]
    pub(crate) const fn stage(self, stage: u32) -> RowTile {
        self.stages.nth(stage)
    }

    /// What was copied to a stage has arrived. Each thread that copies arrives: when its part is there, or at once where the
    /// barrier counts the bytes.
    #[inline(always)]
    pub(crate) const fn arrival(self, stage: u32) -> Event {
        Event::at(self.barriers.add(stage))
    }

    /// It is used: the thread that starts products arrives when they are done.
    #[inline(always)]
    pub(crate) const fn use_of(self, stage: u32) -> Event {
        Event::at(self.barriers.add(self.stages.count() + stage))
    }

    /// One thread: a stage to copy to, once what came there in all `phase` phases before is used.
    ///
    /// # Safety
    ///
    /// The barriers are made, and nothing else is copied to the stage before that.
    #[inline(always)]
    pub(crate) unsafe fn free(self, phase: u32, stage: u32) -> RowTile {
        if let Some(before) = phase.checked_sub(1) {
            // SAFETY: the caller's promise: the next phase is that of what is to be copied.
            unsafe { self.use_of(stage).wait(before) };
        }
        self.stages.nth(stage)
    }

    /// One thread: a stage, once what comes there in a phase has arrived.
    ///
    /// # Safety
    ///
    /// The barriers are made, and that is not used yet.
    #[inline(always)]
    pub(crate) unsafe fn arrived(self, phase: u32, stage: u32) -> RowTile {
        // SAFETY: the caller's promise: the next phase begins only after that is used.
        unsafe { self.arrival(stage).wait(phase) };
        self.stages.nth(stage)
    }
}
