use cuda_std::prelude::*;
use msa_abi::{BLOCK, IndexParams};

use crate::select::Key;
use crate::stages::Stages;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[stages]` of `[BLOCK]` rows; at first the last one has the queries of the tile
    pub(super) stages: Stages<{ BLOCK as u32 }>,
    /// `[warps, topk, 32]`; this lane's first
    keys: SharedPtr<Key>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &IndexParams) -> Self {
        let stages = Stages::new(shared::dynamic_shared(), params.stages);
        let warp = thread::thread_idx_x() / warp::WARP_SIZE;
        let keys = stages.end().cast::<Key>();
        Self { stages, keys: keys.add(warp * params.topk * warp::WARP_SIZE + warp::lane_id()) }
    }

    /// The first key of this lane's pair; the next one is 32 on.
    #[inline(always)]
    pub(super) const fn keys(self) -> SharedPtr<Key> {
        self.keys
    }
}

const _: () = {
    assert!(IndexParams::PREFILL_STAGE_BYTES == Stages::<{ BLOCK as u32 }>::BYTES);
    // A tile's queries wait in a stage.
    assert!(IndexParams::PREFILL_PAIRS <= BLOCK as u32);
};
