use cuda_std::prelude::*;
use msa_abi::AttendParams;

use crate::block_planes::BlockStages;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[stages]` of `[BLOCK]` rows; at first the last one has the queries of the tile
    pub(super) stages: BlockStages,
    /// `[4, PREFILL_ROWS * topk]`: see [`BlockLists`](crate::block_lists::BlockLists)
    pub(super) ids: SharedPtr<u32>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &AttendParams) -> Self {
        let stages = BlockStages::new(shared::dynamic_shared(), params.stages);
        Self { stages, ids: stages.end().cast() }
    }
}
