use cuda_std::prelude::*;
use msa_abi::IndexParams;

use super::ring::QUARTER;
use crate::row_tile::{Chunk, RowTile};

/// Warps of a block.
pub(super) const WARPS: u32 = IndexParams::THREADS / warp::WARP_SIZE;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[DECODE_PAIRS]` rows
    queries: SharedPtr<Chunk>,
    /// `[WARPS, stages]` of `[QUARTER]` rows; this warp's
    stages: SharedPtr<Chunk>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &IndexParams) -> Self {
        let queries = shared::dynamic_shared::<Chunk>();
        let warp = thread::thread_idx_x() / warp::WARP_SIZE;
        let stages = queries.byte_add(
            IndexParams::DECODE_QUERY_BYTES
                + warp * params.stages * IndexParams::DECODE_STAGE_BYTES,
        );
        Self { queries, stages }
    }

    #[inline(always)]
    pub(super) fn queries(self) -> RowTile {
        RowTile::at(self.queries)
    }

    /// The `nth` stage of this warp.
    #[inline(always)]
    pub(super) fn stage(self, nth: u32) -> RowTile {
        RowTile::at(self.stages.byte_add(nth * IndexParams::DECODE_STAGE_BYTES))
    }
}

const _: () = {
    let row = RowTile::CHUNKS * size_of::<Chunk>() as u32;
    assert!(IndexParams::DECODE_QUERY_BYTES == IndexParams::DECODE_PAIRS * row);
    assert!(IndexParams::DECODE_STAGE_BYTES == QUARTER * row);
};
