use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{BLOCK, IndexParams};

use super::shared_plan::SharedPlan;
use crate::block_copy::{Plane, wait_for_first};
use crate::page_ids::PageIds;
use crate::request::Request;
use crate::row_tile::RowTile;

/// Parts of a block that come one after the other.
pub(super) const QUARTERS: u32 = 4;

/// Keys of one of them.
pub(super) const QUARTER: u32 = BLOCK as u32 / QUARTERS;

/// A warp's keys on their way through its stages in shared memory.
pub(super) struct Ring {
    plane: Plane,
    request: Request,
    pages: PageIds,
    plan: SharedPlan,
    stages: u32,
    /// The stage whose keys were asked for last.
    stage: u32,
    /// What is copied next: a page, or none, and the first key of it.
    page: u32,
    keys: u32,
    first_key: u32,
}

impl Ring {
    /// A warp: the keys of these pages.
    #[inline(always)]
    pub(super) fn new(
        params: &IndexParams,
        request: Request,
        pages: PageIds,
        plan: SharedPlan,
    ) -> Self {
        Self {
            plane: Plane::new(&params.cache, 0, 0),
            request,
            pages,
            plan,
            stages: params.stages,
            stage: params.stages - 1,
            page: 0,
            keys: 0,
            first_key: 0,
        }
    }

    /// A warp: starts the first copies, all that there is room for without the stage of the last.
    ///
    /// # Safety
    ///
    /// The pages are the request's; all lanes come together.
    #[inline(always)]
    pub(super) unsafe fn start_first(&mut self) {
        for stage in 0..self.stages - 1 {
            // SAFETY: nobody has used the stages yet; the rest is the caller's promise.
            unsafe { self.start(stage) };
        }
    }

    /// A warp: the next quarter, once it is there. The one before is given up.
    ///
    /// # Safety
    ///
    /// The first copies were started, and all lanes come together.
    #[inline(always)]
    pub(super) unsafe fn arrived(&mut self) -> RowTile {
        wait_for_first(self.stages);
        let before = self.stage;
        self.stage = if before + 1 == self.stages { 0 } else { before + 1 };
        // SAFETY: the caller brings all lanes together, and none of them uses the quarter before any more.
        unsafe {
            warp::sync_warp(u32::MAX);
            self.start(before);
        }
        self.plan.stage(self.stage)
    }

    /// A warp: starts the copy of the next quarter, if there is one.
    ///
    /// # Safety
    ///
    /// Nobody uses the stage; all lanes come together.
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
            // SAFETY: the page is one of the request's; the caller promises the stage.
            unsafe {
                self.plane.start_copy_of::<{ warp::WARP_SIZE }, QUARTER>(
                    warp::lane_id(),
                    self.page,
                    self.first_key,
                    self.keys,
                    self.plan.stage(stage),
                );
            }
        }
        self.first_key = (self.first_key + QUARTER) % BLOCK as u32;
        // A group for each stage, also where it is empty, so that their number tells which have arrived.
        ptx::cp_async_commit_group();
    }
}
