use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK, CacheParams, MAX_TOPK};

use super::{COPY_THREADS, ROWS};
use crate::attend_prefill::small_divisor::SmallDivisor;
use crate::attend_prefill::tile_blocks::TileBlocks;
use crate::block_copy::Plane;
use crate::block_planes::BlockStages;
use crate::event::Event;
use crate::request::Request;
use crate::row_tile::RowTile;
use crate::stage_events::StageEvents;

/// Tokens of a plane.
const TOKENS: u32 = BLOCK as u32;

/// The planes of a tile's blocks on their way from the warps that copy them to the products: K of the first, V of the first, K of
/// the second.
#[derive(Clone, Copy)]
pub(super) struct PlaneRing {
    events: StageEvents,
    /// How many stages there are, by which planes are numbered.
    count: SmallDivisor,
}

impl PlaneRing {
    #[inline(always)]
    pub(super) const fn new(stages: BlockStages, barriers: SharedPtr<u64>) -> Self {
        let count = SmallDivisor::new(stages.count());
        Self { events: StageEvents::new(stages, barriers), count }
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

    /// The warps that copy, of which this is the `thread`-th thread: all planes of a KV head's blocks, each as soon as there is a
    /// place for it.
    ///
    /// # Safety
    ///
    /// The blocks are the request's, and their pages exist. All of the threads come here.
    #[inline(always)]
    pub(super) unsafe fn copy_all(
        self,
        thread: u32,
        cache: &CacheParams,
        kv_head: u32,
        request: Request,
        blocks: TileBlocks,
    ) {
        let planes = [Plane::new(cache, 0, kv_head), Plane::new(cache, 1, kv_head)];
        for nth in 0..2 * blocks.len() {
            let block = blocks.nth(nth / 2);
            let plane = if nth.is_multiple_of(2) { planes[0] } else { planes[1] };
            let keys = request.keys_in(block.block);
            let (phase, stage) = self.count.div_rem(nth);
            // SAFETY: the barriers are made, each plane is used, and there is no other before it is.
            unsafe {
                let to = self.events.free(phase, stage);
                plane.start_copy::<COPY_THREADS, TOKENS>(thread, block.page, 0, keys, to);
                self.events.arrival(stage).arrive_after_copies();
            }
        }
    }

    /// One thread: the `nth` plane, once it has arrived, for reads of both proxies.
    ///
    /// # Safety
    ///
    /// The plane is not used yet.
    #[inline(always)]
    pub(super) unsafe fn arrived(self, nth: u32) -> RowTile {
        let (phase, stage) = self.count.div_rem(nth);
        // SAFETY: the barriers are made; and the caller's promise.
        unsafe { self.events.arrived(phase, stage) }
    }

    /// The `nth` plane is used.
    #[inline(always)]
    pub(super) const fn used(self, nth: u32) -> Event {
        let (_, stage) = self.count.div_rem(nth);
        self.events.use_of(stage)
    }
}

// What a small divisor takes, and divides: planes of a tile.
const _: () = assert!(AttendParams::MAX_STAGES <= 16 && 2 * ROWS * (MAX_TOPK as u32) < 4096);
