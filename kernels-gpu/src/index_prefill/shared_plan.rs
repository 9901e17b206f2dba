use cuda_std::prelude::*;
use msa_abi::{BLOCK, IndexParams};

use crate::row_tile::{Chunk, RowTile};
use crate::select::Key;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[stages]` of `[BLOCK]` rows
    stages: SharedPtr<Chunk>,
    /// `[warps, topk, 32]`; this lane's first
    keys: SharedPtr<Key>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &IndexParams) -> Self {
        let stages = shared::dynamic_shared::<Chunk>();
        let warp = thread::thread_idx_x() / warp::WARP_SIZE;
        let keys = stages.byte_add(params.stages * IndexParams::PREFILL_STAGE_BYTES).cast::<Key>();
        Self { stages, keys: keys.add(warp * params.topk * warp::WARP_SIZE + warp::lane_id()) }
    }

    /// The `nth` stage.
    #[inline(always)]
    pub(super) fn stage(self, nth: u32) -> RowTile {
        RowTile::at(self.stages.byte_add(nth * IndexParams::PREFILL_STAGE_BYTES))
    }

    /// The first key of this lane's pair; the next one is 32 on.
    #[inline(always)]
    pub(super) const fn keys(self) -> SharedPtr<Key> {
        self.keys
    }
}

const _: () = {
    let row = RowTile::CHUNKS * size_of::<Chunk>() as u32;
    assert!(IndexParams::PREFILL_STAGE_BYTES == BLOCK as u32 * row);
    // A tile's queries wait in a stage.
    assert!(IndexParams::PREFILL_PAIRS <= BLOCK as u32);
};
