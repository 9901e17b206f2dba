use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK, HEAD_DIM};

use crate::block_planes::BlockStages;
use crate::queries::HEADS;
use crate::row_tile::RowTile;
use crate::softmax::Sums;

/// Warps of a block.
pub(super) const WARPS: u32 = AttendParams::THREADS / warp::WARP_SIZE;

/// Where everything is in the dynamic shared memory: first what there is once, then arrays with an element for
/// each row of the tile.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// Most rows of a tile.
    rows: u32,
    /// `[stages]` of `[BLOCK]` rows
    pub(super) stages: BlockStages,
    /// `[tile_rows * HEADS]` rows: queries
    queries: SharedPtr<[u32; 4]>,
    /// `[tile_rows]` of `[HEADS]` rows: weights of a block's keys
    weights: SharedPtr<[u32; 4]>,
    /// f32 `[tile_rows, 4, THREADS]` of 4: each thread's own part of the row's total
    totals: SharedPtr<[f32; 4]>,
    /// `[tile_rows, WARPS, HEADS]`: each warp's own copy of the total's sums
    total_sums: SharedPtr<Sums>,
    /// `[tile_rows, WARPS, HEADS]`: what each warp has found in its keys of a block: the maximum
    maxima: SharedPtr<f32>,
    /// and the sum of their weights.
    sums: SharedPtr<f32>,
    /// `[4, tile_rows * topk]`: see [`BlockLists`](crate::block_lists::BlockLists)
    pub(super) ids: SharedPtr<u32>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &AttendParams) -> Self {
        let rows = params.tile_rows;
        let stages = BlockStages::new(shared::dynamic_shared(), params.stages);
        let queries = stages.end();
        let weights = queries.byte_add(rows * ROWS);
        let totals = weights.byte_add(rows * ROWS).cast();
        let total_sums = totals.add(rows * 4 * AttendParams::THREADS).cast::<Sums>();
        let sums = total_sums.add(rows * WARPS * HEADS).cast::<f32>();
        let maxima = sums.add(rows * WARPS * HEADS);
        let ids = maxima.add(rows * WARPS * HEADS).cast();
        Self { rows, stages, queries, weights, totals, total_sums, maxima, sums, ids }
    }

    /// The queries of all rows, each row's [`HEADS`] after the other's.
    #[inline(always)]
    pub(super) fn queries(self) -> RowTile {
        RowTile::at(self.queries, self.rows * HEADS)
    }

    #[inline(always)]
    pub(super) fn weights(self, row: u32) -> RowTile {
        RowTile::at(self.weights.byte_add(row * ROWS), HEADS)
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

    /// The maximum that a warp has found.
    #[inline(always)]
    pub(super) fn maximum(self, row: u32, warp: u32, head: u32) -> SharedPtr<f32> {
        self.maxima.add((row * WARPS + warp) * HEADS + head)
    }

    /// The sum that a warp has found.
    #[inline(always)]
    pub(super) fn sums(self, row: u32, warp: u32, head: u32) -> SharedPtr<f32> {
        self.sums.add((row * WARPS + warp) * HEADS + head)
    }
}

/// Bytes of a tile with a row for each head.
const ROWS: u32 = HEADS * RowTile::CHUNKS * 16;

// A row of weights is as long as one of queries, and what a row takes is what a launch asks for.
const _: () = assert!(BLOCK == HEAD_DIM);
const _: () = {
    let per_head = size_of::<Sums>() as u32 + 4 + 4;
    let bytes = 2 * ROWS + 4 * AttendParams::THREADS * 16 + WARPS * HEADS * per_head;
    assert!(bytes == AttendParams::ROW_BYTES);
    assert!(BlockStages::BYTES == AttendParams::STAGE_BYTES);
};
