use cuda_std::prelude::*;
use msa_abi::IndexParams;

use super::Ring;
use crate::block_planes::BlockStages;
use crate::index_prefill::WARP_PAIRS;
use crate::row_tile::RowTile;
use crate::select::Key;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[stages]` of `[BLOCK]` rows
    stages: BlockStages,
    /// Bytes of each warp's own part.
    warp_bytes: u32,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &IndexParams) -> Self {
        let stages = BlockStages::new(shared::dynamic_shared(), params.stages);
        Self { stages, warp_bytes: WARP_PAIRS * IndexParams::hopper_pair_bytes(params.topk) }
    }

    /// `[WARP_PAIRS]` rows: the queries of a warp, where its keys will be.
    #[inline(always)]
    pub(super) const fn queries(self, warp: u32) -> RowTile {
        RowTile::at(self.stages.end().byte_add(warp * self.warp_bytes), WARP_PAIRS)
    }

    /// `[topk, 32]`: the keys that a warp selects, where its queries were; this lane's first.
    #[inline(always)]
    pub(super) fn keys(self, warp: u32) -> SharedPtr<Key> {
        self.stages.end().byte_add(warp * self.warp_bytes).cast::<Key>().add(warp::lane_id())
    }

    #[inline(always)]
    pub(super) const fn ring(self) -> Ring {
        let warps = IndexParams::HOPPER_PREFILL_PAIRS / WARP_PAIRS;
        Ring::new(self.stages, self.stages.end().byte_add(warps * self.warp_bytes).cast())
    }
}

const _: () = {
    assert!(IndexParams::PREFILL_STAGE_BYTES == BlockStages::BYTES);
    assert!(IndexParams::STAGE_BARRIER_BYTES == Ring::BARRIER_BYTES);
};
