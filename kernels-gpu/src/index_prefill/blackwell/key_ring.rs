use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{BLOCK, CacheParams};

use crate::block_copy::Plane;
use crate::block_planes::BlockStages;
use crate::div_rem::div_rem;
use crate::event::Event;
use crate::page_ids::PageIds;
use crate::request::Request;
use crate::row_tile::RowTile;
use crate::stage_events::StageEvents;

/// Warps that copy.
pub(super) const COPY_WARPS: u32 = 2;

/// Threads that copy.
const COPY_THREADS: u32 = COPY_WARPS * warp::WARP_SIZE;

/// The index keys of a tile's blocks on their way from the warps that copy them to the products.
#[derive(Clone, Copy)]
pub(super) struct KeyRing {
    events: StageEvents,
    /// How many stages there are.
    count: u32,
}

impl KeyRing {
    #[inline(always)]
    pub(super) const fn new(stages: BlockStages, barriers: SharedPtr<u64>) -> Self {
        Self { events: StageEvents::new(stages, barriers), count: stages.count() }
    }

    /// One thread: makes the barriers. One of the block has to come before they are used.
    ///
    /// # Safety
    ///
    /// Their place is the ring's alone.
    #[inline(always)]
    pub(super) unsafe fn init(self) {
        // SAFETY: the caller's promise.
        unsafe { self.events.init(COPY_THREADS) };
    }

    /// The warps that copy, of which this is the `thread`-th thread: the keys of blocks `begin` to `end`, each block's as soon as
    /// there is a place for them.
    ///
    /// # Safety
    ///
    /// The cache is the kernel's, and the request has the blocks. All of the threads come here.
    #[inline(always)]
    pub(super) unsafe fn copy_all(
        self,
        thread: u32,
        cache: &CacheParams,
        request: Request,
        begin: u32,
        end: u32,
    ) {
        let plane = Plane::new(cache, 0, 0);
        // SAFETY: the caller's promise.
        let mut pages = unsafe { PageIds::new(cache, request, begin, 1, end) };
        for block in begin..end {
            let (phase, stage) = self.turn(block - begin);
            // SAFETY: the barriers are made, the keys of each block are used, and there are no others before they are. The page
            // is the block's, and all lanes are together.
            unsafe {
                let page = pages.take();
                let (keys, to) = (request.keys_in(block), self.events.free(phase, stage));
                plane.start_copy::<COPY_THREADS, { BLOCK as u32 }>(thread, page, 0, keys, to);
                self.events.arrival(stage).arrive_after_copies();
            }
        }
    }

    /// One thread: the keys of the `nth` block, once they have arrived, for its products.
    ///
    /// # Safety
    ///
    /// They are not used yet.
    #[inline(always)]
    pub(super) unsafe fn arrived(self, nth: u32) -> RowTile {
        let (phase, stage) = self.turn(nth);
        // SAFETY: the barriers are made; and the caller's promise.
        let keys = unsafe { self.events.arrived(phase, stage) };
        ptx::fence_proxy_async();
        keys
    }

    /// The keys of the `nth` block are used.
    #[inline(always)]
    pub(super) const fn used(self, nth: u32) -> Event {
        self.events.use_of(self.turn(nth).1)
    }

    /// One thread: waits until the keys of the `nth` block are used.
    ///
    /// # Safety
    ///
    /// The block is the last, or no later one has taken its place.
    #[inline(always)]
    pub(super) unsafe fn wait_until_used(self, nth: u32) {
        // SAFETY: the caller's promise.
        unsafe { self.used(nth).wait(self.turn(nth).0) };
    }

    /// How many others had the stage of the `nth` block's keys before, and which it is.
    #[inline(always)]
    const fn turn(self, nth: u32) -> (u32, u32) {
        div_rem(nth, self.count)
    }
}
