use cuda_std::prelude::*;
use msa_abi::{BLOCK, IdOrder, IndexParams};

use super::heap::Heap;
use crate::pair_tile::{Pair, PairTile};
use crate::select::{Forced, Key, ScoreRank};

/// What a lane has selected for its pair so far.
pub(super) struct Selection {
    /// Positions that the pair sees; 0 where there is no pair.
    horizon: u32,
    /// The pair's row, counted through all index heads.
    line: u32,
    forced: Forced,
    heap: Heap,
    /// The last key that is selected: what does not come before it is not.
    last: Key,
    /// This lane's first key.
    keys: SharedPtr<Key>,
}

impl Selection {
    /// A lane: nothing yet, of the `nth` pair of a tile. `keys` is the first key of the pair; the next one is 32 on.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's. There is room for as many keys as are selected, and nobody but the lane touches it.
    #[inline(always)]
    pub(super) unsafe fn new(
        params: &IndexParams,
        tile: PairTile,
        nth: u32,
        keys: SharedPtr<Key>,
    ) -> Self {
        let Pair { row, head } = tile.pair(nth).unwrap_or(Pair { row: 0, head: 0 });
        let horizon = tile.horizon(nth);
        let blocks = horizon.div_ceil(BLOCK as u32).min(params.cache.table_width);
        Self {
            horizon,
            line: head * params.batch.rows + tile.request.first_row + row,
            forced: Forced::new(blocks, params.init_blocks, params.local_blocks),
            // SAFETY: the caller promises the room.
            heap: unsafe { Heap::new(keys, params.topk) },
            last: Key::LAST,
            keys,
        }
    }

    /// A lane: takes a block's score into account, if the pair sees the block.
    ///
    /// # Safety
    ///
    /// It is not finished.
    #[inline(always)]
    pub(super) unsafe fn consider(&mut self, block: u32, score: f32) {
        let rank = ScoreRank::of(self.forced.score(block, score));
        let key = Key::new(rank, block);
        let is_seen = block * (BLOCK as u32) < self.horizon;
        if is_seen && rank.is_selectable() && key < self.last {
            // SAFETY: the heap is this lane's.
            self.last = unsafe { self.heap.replace_last(key) };
        }
    }

    /// A warp: writes what each of its lanes has selected: ids, or keys where this is a part of the horizon.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, and the pairs and the part are this warp's. All lanes come together.
    #[inline(always)]
    pub(super) unsafe fn finish(self, params: &IndexParams, part: u32) {
        let topk = params.topk;
        let ids = GlobalPtr::<i32>::from_address(params.block_ids.address());
        let parts = GlobalPtr::<Key>::from_address(params.partial_keys.address());
        let lines = u64::from(params.index_heads) * u64::from(params.batch.rows);
        let is_split = params.splits > 1;
        // SAFETY: until the lanes meet each has its own keys; then a line is all lanes', and each has its own slots.
        unsafe {
            if !is_split {
                self.heap.sort(params.id_order == IdOrder::Ascending);
            }
            warp::sync_warp(u32::MAX);
            let first = self.keys.byte_add(0_u32.wrapping_sub(warp::lane_id() * KEY));
            for lane in 0..warp::WARP_SIZE {
                let (line, _) = warp::warp_shuffle_idx(u32::MAX, self.line, lane, 32);
                let (horizon, _) = warp::warp_shuffle_idx(u32::MAX, self.horizon, lane, 32);
                let mut slot = warp::lane_id();
                while horizon > 0 && slot < topk {
                    let key = first.add(slot * warp::WARP_SIZE + lane).read();
                    let at = u64::from(line) * u64::from(topk) + u64::from(slot);
                    if is_split {
                        parts.add(u64::from(part) * lines * u64::from(topk) + at).write(key);
                    } else {
                        let id = if key == Key::LAST { -1 } else { key.id() as i32 };
                        ids.add(at).write(id);
                    }
                    slot += warp::WARP_SIZE;
                }
            }
        }
    }
}

/// Bytes of a key.
const KEY: u32 = size_of::<Key>() as u32;
