use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{BLOCK, CacheParams};

use crate::block_copy::Plane;
use crate::block_lists::BlockLists;
use crate::div_rem::div_rem;
use crate::request::Request;
use crate::row_tile::RowTile;
use crate::stages::Stages;

/// Stages for a plane of a block each.
pub(crate) type BlockStages = Stages<{ BLOCK as u32 }>;

/// The planes of a tile's blocks on their way through shared memory, copied by all of `THREADS` threads: K of the
/// first, V of the first, K of the second.
#[derive(Clone, Copy)]
pub(crate) struct BlockRing<const THREADS: u32> {
    planes: [Plane; 2],
    lists: BlockLists,
    request: Request,
    begin: u32,
    end: u32,
    stages: BlockStages,
}

impl<const THREADS: u32> BlockRing<THREADS> {
    /// The ring of a KV head's blocks from the `begin`th of some lists on, before the `end`th.
    #[inline(always)]
    pub(crate) fn new(
        cache: &CacheParams,
        kv_head: u32,
        request: Request,
        lists: BlockLists,
        (begin, end): (u32, u32),
        stages: BlockStages,
    ) -> Self {
        let planes = [Plane::new(cache, 0, kv_head), Plane::new(cache, 1, kv_head)];
        Self { planes, lists, request, begin, end, stages }
    }

    /// All threads: starts the copies of the first planes, to all stages but the last.
    ///
    /// # Safety
    ///
    /// The lists hold blocks that the request has, whose pages exist; nobody uses these stages.
    #[inline(always)]
    pub(crate) unsafe fn start(self) {
        // SAFETY: the caller's promise.
        (0..self.stages.count() - 1).for_each(|nth| unsafe { self.start_plane(nth) });
    }

    /// All threads: K of the `nth` block of all, once it is there.
    ///
    /// # Safety
    ///
    /// The ring was started, and all threads come here for K and V of each block in turn; none of them uses what
    /// came before any more.
    #[inline(always)]
    pub(crate) unsafe fn keys(self, nth: u32) -> RowTile {
        // SAFETY: the caller's promise.
        unsafe { self.arrived(2 * (nth - self.begin)) }
    }

    /// All threads: V of the `nth` block of all, once it is there.
    ///
    /// # Safety
    ///
    /// As [`keys`](Self::keys).
    #[inline(always)]
    pub(crate) unsafe fn values(self, nth: u32) -> RowTile {
        // SAFETY: the caller's promise.
        unsafe { self.arrived(2 * (nth - self.begin) + 1) }
    }

    /// Starts the copy of the `nth` plane, if there are so many.
    ///
    /// # Safety
    ///
    /// Nobody uses its stage.
    #[inline(always)]
    unsafe fn start_plane(self, nth: u32) {
        let entry = self.begin + nth / 2;
        if entry < self.end {
            let plane = if nth.is_multiple_of(2) { self.planes[0] } else { self.planes[1] };
            let keys = self.request.keys_in(self.lists.block(entry));
            // SAFETY: the page is one of the request's; the caller promises the stage.
            unsafe {
                let page = self.lists.page(entry);
                let (thread, to) = (thread::thread_idx_x(), self.stage(nth));
                plane.start_copy::<THREADS, { BLOCK as u32 }>(thread, page, 0, keys, to);
            }
        }
        ptx::cp_async_commit_group();
    }

    #[inline(always)]
    fn stage(self, nth: u32) -> RowTile {
        self.stages.nth(div_rem(nth, self.stages.count()).1)
    }

    /// The `nth` plane, once it is there, and nobody uses the one before any more.
    ///
    /// # Safety
    ///
    /// Its copy was started, and all threads come here for each plane in turn.
    #[inline(always)]
    unsafe fn arrived(self, nth: u32) -> RowTile {
        self.stages.wait_for_first();
        thread::sync_threads();
        // SAFETY: that was the barrier behind all uses of the plane before, whose stage it is.
        unsafe { self.start_plane(nth + self.stages.count() - 1) };
        self.stage(nth)
    }
}
