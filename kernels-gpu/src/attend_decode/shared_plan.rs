use cuda_std::prelude::*;
use msa_abi::AttendParams;

use super::scratch::{Scratch, WARPS};
use crate::block_planes::BlockStages;
use crate::queries::HEADS;
use crate::softmax::Sums;

/// Where everything is in the dynamic shared memory: first what there is once, then arrays with an element for
/// each row of the tile.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[stages]` of `[BLOCK]` rows
    pub(super) stages: BlockStages,
    /// Of `tile_rows` rows.
    pub(super) scratch: Scratch,
    /// f32 `[tile_rows, 4, THREADS]` of 4: each thread's own part of the row's total
    totals: SharedPtr<[f32; 4]>,
    /// `[tile_rows, WARPS, HEADS]`: each warp's own copy of the total's sums
    total_sums: SharedPtr<Sums>,
    /// `[4, tile_rows * topk]`: see [`BlockLists`](crate::block_lists::BlockLists)
    pub(super) ids: SharedPtr<u32>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &AttendParams) -> Self {
        let rows = params.tile_rows;
        let stages = BlockStages::new(shared::dynamic_shared(), params.stages);
        let scratch = Scratch::new(stages.end(), rows);
        let totals = scratch.end().cast();
        let total_sums = totals.add(rows * 4 * AttendParams::THREADS).cast::<Sums>();
        let ids = total_sums.add(rows * WARPS * HEADS).cast();
        Self { stages, scratch, totals, total_sums, ids }
    }

    /// This thread's part of a row's total, of the `nth` 8 dims of its warp's.
    #[inline(always)]
    pub(super) fn total(self, row: u32, nth: u32) -> SharedPtr<[f32; 4]> {
        self.totals.add((row * 4 + nth) * AttendParams::THREADS + thread::thread_idx_x())
    }

    /// A warp's copy of the sums of a row's total.
    #[inline(always)]
    pub(super) fn total_sums(self, row: u32, warp: u32, head: u32) -> SharedPtr<Sums> {
        self.total_sums.add((row * WARPS + warp) * HEADS + head)
    }
}

// What a row takes is what a launch asks for.
const _: () = {
    let total = 4 * AttendParams::THREADS * 16 + WARPS * HEADS * size_of::<Sums>() as u32;
    assert!(AttendParams::SCRATCH_BYTES + total == AttendParams::ROW_BYTES);
    assert!(BlockStages::BYTES == AttendParams::STAGE_BYTES);
};
