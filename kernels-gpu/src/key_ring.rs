use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{BLOCK, CacheParams};

use crate::block_copy::Plane;
use crate::page_ids::PageIds;
use crate::request::Request;
use crate::row_tile::RowTile;
use crate::stages::Stages;

/// Index keys on their way through shared memory, each block as parts of `KEYS` keys. They are copied by `THREADS`
/// threads together: those of a warp, which then has stages of its own, or all of a block.
pub(crate) struct KeyRing<const THREADS: u32, const KEYS: u32> {
    plane: Plane,
    request: Request,
    pages: PageIds,
    stages: Stages<KEYS>,
    /// The stage whose keys were asked for last.
    stage: u32,
    /// What is copied next: a page, so many keys of it or none, and the first key of the part.
    page: u32,
    keys: u32,
    first_key: u32,
}

impl<const THREADS: u32, const KEYS: u32> KeyRing<THREADS, KEYS> {
    /// Whether each warp has a ring of its own.
    const IS_OF_WARP: bool = THREADS == warp::WARP_SIZE;

    /// The keys of these pages.
    #[inline(always)]
    pub(crate) fn new(
        cache: &CacheParams,
        request: Request,
        pages: PageIds,
        stages: Stages<KEYS>,
    ) -> Self {
        Self {
            plane: Plane::new(cache, 0, 0),
            request,
            pages,
            stages,
            stage: stages.count() - 1,
            page: 0,
            keys: 0,
            first_key: 0,
        }
    }

    /// The ring's threads: starts the first copies, to all stages but the last.
    ///
    /// # Safety
    ///
    /// The pages are the request's, and nobody uses these stages; all of the threads come together.
    #[inline(always)]
    pub(crate) unsafe fn start_first(&mut self) {
        for stage in 0..self.stages.count() - 1 {
            // SAFETY: the caller's promise.
            unsafe { self.start(stage) };
        }
    }

    /// The ring's threads: the next part, once it is there. The one before is given up.
    ///
    /// # Safety
    ///
    /// The first copies were started, and all of the threads come together.
    #[inline(always)]
    pub(crate) unsafe fn arrived(&mut self) -> RowTile {
        self.stages.wait_for_first();
        let before = self.stage;
        self.stage = if before + 1 == self.stages.count() { 0 } else { before + 1 };
        // SAFETY: the caller brings all threads together; behind the barrier none of them uses the part before any more.
        unsafe {
            if Self::IS_OF_WARP {
                warp::sync_warp(u32::MAX);
            } else {
                thread::sync_threads();
            }
            self.start(before);
        }
        self.stages.nth(self.stage)
    }

    /// The ring's threads: starts the copy of the next part, if there is one.
    ///
    /// # Safety
    ///
    /// The pages are the request's, and nobody uses the stage; all of the threads come together.
    #[inline(always)]
    unsafe fn start(&mut self, stage: u32) {
        if self.first_key == 0 {
            self.keys = 0;
            if let Some(block) = self.pages.block() {
                self.keys = self.request.keys_in(block);
                // SAFETY: it is there, and the caller brings all lanes together.
                self.page = unsafe { self.pages.take() };
            }
        }
        // What lies past the last key becomes zero, but past the last page there is nothing to do.
        if self.keys > 0 {
            let thread = if Self::IS_OF_WARP { warp::lane_id() } else { thread::thread_idx_x() };
            let to = self.stages.nth(stage);
            // SAFETY: the page is one of the request's; the caller promises the stage.
            unsafe {
                self.plane.start_copy::<THREADS, KEYS>(
                    thread,
                    self.page,
                    self.first_key,
                    self.keys,
                    to,
                );
            }
        }
        self.first_key = (self.first_key + KEYS) % BLOCK as u32;
        ptx::cp_async_commit_group();
    }
}
