use cuda_std::prelude::*;
use msa_abi::IndexParams;

use super::steps::Steps;
use crate::block_planes::BlockStages;
use crate::index_prefill::WARP_PAIRS;
use crate::select::Key;
use crate::stage_events::StageEvents;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[stages]` of `[BLOCK]` rows
    pub(super) stages: BlockStages,
    /// `[warps, topk, 32]`: the keys that lanes select
    keys: SharedPtr<Key>,
    topk: u32,
    /// See [`Steps`]
    pub(super) steps: SharedPtr<u64>,
    /// See [`StageEvents`]
    pub(super) ring: SharedPtr<u64>,
    /// The address of tensor memory
    pub(super) tensor: SharedPtr<u32>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &IndexParams) -> Self {
        let stages = BlockStages::new(shared::dynamic_shared(), params.stages);
        let (keys, topk) = (stages.end().cast::<Key>(), params.topk);
        let steps = keys.add(IndexParams::BLACKWELL_PREFILL_PAIRS * topk).cast::<u64>();
        let ring = steps.byte_add(Steps::BARRIER_BYTES);
        let tensor = ring.byte_add(params.stages * StageEvents::BARRIER_BYTES).cast();
        Self { stages, keys, topk, steps, ring, tensor }
    }

    /// `[topk, 32]`: the keys that a warp selects; this lane's first.
    #[inline(always)]
    pub(super) fn keys(self, warp: u32) -> SharedPtr<Key> {
        self.keys.add(warp * WARP_PAIRS * self.topk + warp::lane_id())
    }
}

const _: () = {
    assert!(IndexParams::PREFILL_STAGE_BYTES == BlockStages::BYTES);
    assert!(IndexParams::BLACKWELL_STAGE_BARRIER_BYTES == StageEvents::BARRIER_BYTES);
    // Barriers, and the address.
    assert!(IndexParams::BLACKWELL_PREFILL_BYTES == Steps::BARRIER_BYTES + 8);
};
