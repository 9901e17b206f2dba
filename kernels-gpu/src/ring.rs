use cuda_std::prelude::*;
use cuda_std::ptx;

use crate::row_tile::RowTile;
use crate::stages::Stages;

/// Tiles of `ROWS` rows on their way through stages in shared memory. They are copied by `THREADS` threads together: those
/// of a warp, which then has stages of its own, or all of a block.
pub(crate) struct Ring<T, const THREADS: u32, const ROWS: u32> {
    tiles: T,
    stages: Stages<ROWS>,
    /// The stage whose tile was asked for last.
    stage: u32,
}

/// What comes through a ring, one tile of `ROWS` rows after the other.
pub(crate) trait Tiles<const THREADS: u32, const ROWS: u32> {
    /// The `thread`-th of a ring's `THREADS` threads: starts its part of the copy of the next tile, if there is one.
    ///
    /// # Safety
    ///
    /// Nobody touches the tile's place until the threads have waited for their copies. All of them come together.
    unsafe fn start_next(&mut self, thread: u32, to: RowTile);
}

impl<T: Tiles<THREADS, ROWS>, const THREADS: u32, const ROWS: u32> Ring<T, THREADS, ROWS> {
    /// Whether each warp has a ring of its own.
    const IS_OF_WARP: bool = THREADS == warp::WARP_SIZE;

    #[inline(always)]
    pub(crate) const fn new(tiles: T, stages: Stages<ROWS>) -> Self {
        Self { tiles, stages, stage: stages.count() - 1 }
    }

    /// The ring's threads: starts the first copies, to all stages but the last.
    ///
    /// # Safety
    ///
    /// Nobody uses these stages, and all of the threads come together.
    #[inline(always)]
    pub(crate) unsafe fn start_first(&mut self) {
        for stage in 0..self.stages.count() - 1 {
            // SAFETY: the caller's promise.
            unsafe { self.start(stage) };
        }
    }

    /// The ring's threads: the next tile, once it is there. The one before is given up.
    ///
    /// # Safety
    ///
    /// The first copies were started, and all of the threads come together.
    #[inline(always)]
    pub(crate) unsafe fn arrived(&mut self) -> RowTile {
        self.stages.wait_for_first();
        let before = self.stage;
        self.stage = if before + 1 == self.stages.count() { 0 } else { before + 1 };
        // SAFETY: the caller brings all threads together; behind the barrier none of them uses the tile before any more.
        unsafe {
            Self::meet();
            self.start(before);
            if self.stages.count() == 1 {
                // Where there is one stage alone, the tile is what was asked for just now.
                ptx::cp_async_wait_group::<0>();
                Self::meet();
            }
        }
        self.stages.nth(self.stage)
    }

    /// The ring's threads: starts the copy of the next tile, if there is one.
    ///
    /// # Safety
    ///
    /// Nobody uses the stage, and all of the threads come together.
    #[inline(always)]
    unsafe fn start(&mut self, stage: u32) {
        let thread = if Self::IS_OF_WARP { warp::lane_id() } else { thread::thread_idx_x() };
        // SAFETY: the caller's promise.
        unsafe { self.tiles.start_next(thread, self.stages.nth(stage)) };
        ptx::cp_async_commit_group();
    }

    /// The ring's threads: each waits for the others.
    ///
    /// # Safety
    ///
    /// All of them come together.
    #[inline(always)]
    unsafe fn meet() {
        // SAFETY: the caller's promise.
        unsafe {
            if Self::IS_OF_WARP {
                warp::sync_warp(u32::MAX);
            } else {
                thread::sync_threads();
            }
        }
    }
}
