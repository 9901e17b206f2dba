use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::IndexParams;

use super::shared_plan::SharedPlan;
use crate::block_copy::{Plane, wait_for_first};
use crate::page_ids::PageIds;
use crate::request::Request;
use crate::row_tile::RowTile;

/// Blocks of keys on their way through the stages in shared memory.
pub(super) struct Ring {
    plane: Plane,
    request: Request,
    pages: PageIds,
    plan: SharedPlan,
    stages: u32,
    /// The stage whose keys were asked for last.
    stage: u32,
}

impl Ring {
    /// The keys of these pages.
    #[inline(always)]
    pub(super) fn new(
        params: &IndexParams,
        request: Request,
        pages: PageIds,
        plan: SharedPlan,
    ) -> Self {
        let plane = Plane::new(&params.cache, 0, 0);
        let stages = params.stages;
        Self { plane, request, pages, plan, stages, stage: stages - 1 }
    }

    /// The stage that nothing is copied to before the first block has arrived.
    #[inline(always)]
    pub(super) fn spare(&self) -> RowTile {
        self.plan.stage(self.stages - 1)
    }

    /// All threads: starts the first copies, all that there is room for without the stage of the last.
    ///
    /// # Safety
    ///
    /// The pages are the request's; all threads come together.
    #[inline(always)]
    pub(super) unsafe fn start_first(&mut self) {
        for stage in 0..self.stages - 1 {
            // SAFETY: nobody has used the stages yet; the rest is the caller's promise.
            unsafe { self.start(stage) };
        }
    }

    /// All threads: the next block, once it is there. The one before is given up.
    ///
    /// # Safety
    ///
    /// The first copies were started, and all threads come together.
    #[inline(always)]
    pub(super) unsafe fn arrived(&mut self) -> RowTile {
        wait_for_first(self.stages);
        thread::sync_threads();
        let before = self.stage;
        self.stage = if before + 1 == self.stages { 0 } else { before + 1 };
        // SAFETY: that was the barrier behind all uses of the block before, whose stage it is.
        unsafe { self.start(before) };
        self.plan.stage(self.stage)
    }

    /// All threads: starts the copy of the next block, if there is one.
    ///
    /// # Safety
    ///
    /// Nobody uses the stage; all threads come together.
    #[inline(always)]
    unsafe fn start(&mut self, stage: u32) {
        if let Some(block) = self.pages.block() {
            let keys = self.request.keys_in(block);
            // SAFETY: the page is one of the request's; the caller promises the stage, and brings all lanes together.
            unsafe {
                let page = self.pages.take();
                self.plane.start_copy::<{ IndexParams::THREADS }>(
                    page,
                    keys,
                    self.plan.stage(stage),
                );
            }
        }
        // A group for each stage, also where it is empty, so that their number tells which have arrived.
        ptx::cp_async_commit_group();
    }
}
