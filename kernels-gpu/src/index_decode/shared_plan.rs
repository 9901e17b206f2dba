use cuda_std::prelude::*;
use msa_abi::IndexParams;

use super::QUARTER;
use crate::row_tile::{Chunk, RowTile};
use crate::stages::Stages;

/// Warps of a block.
pub(super) const WARPS: u32 = IndexParams::THREADS / warp::WARP_SIZE;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[DECODE_PAIRS]` rows
    queries: SharedPtr<Chunk>,
    /// `[WARPS, stages]` of `[QUARTER]` rows; this warp's
    pub(super) stages: Stages<QUARTER>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &IndexParams) -> Self {
        let queries = shared::dynamic_shared::<Chunk>();
        let warp = thread::thread_idx_x() / warp::WARP_SIZE;
        let first = queries.byte_add(
            IndexParams::DECODE_QUERY_BYTES
                + warp * params.stages * IndexParams::DECODE_STAGE_BYTES,
        );
        Self { queries, stages: Stages::new(first, params.stages) }
    }

    #[inline(always)]
    pub(super) fn queries(self) -> RowTile {
        RowTile::at(self.queries)
    }
}

const _: () = {
    let row = RowTile::CHUNKS * size_of::<Chunk>() as u32;
    assert!(IndexParams::DECODE_QUERY_BYTES == IndexParams::DECODE_PAIRS * row);
    assert!(IndexParams::DECODE_STAGE_BYTES == Stages::<QUARTER>::BYTES);
};
