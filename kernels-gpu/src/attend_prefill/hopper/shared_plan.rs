use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK};

use super::ROWS;
use super::plane_ring::PlaneRing;
use crate::block_planes::BlockStages;
use crate::queries::HEADS;
use crate::row_tile::RowTile;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[ROWS]` of `[HEADS]` rows
    pub(super) queries: RowTile,
    /// `[stages]` of `[BLOCK]` rows
    pub(super) stages: BlockStages,
    /// `[3, stages]`: see [`PlaneRing`]
    pub(super) barriers: SharedPtr<u64>,
    /// `[4, ROWS * topk]`: see [`BlockLists`](crate::block_lists::BlockLists)
    pub(super) ids: SharedPtr<u32>,
    /// `[ROWS * topk]`: see [`Chosen`](super::chosen::Chosen)
    pub(super) chosen: SharedPtr<u32>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &AttendParams) -> Self {
        let queries = shared::dynamic_shared();
        let stages = BlockStages::new(queries.byte_add(BlockStages::BYTES), params.stages);
        let barriers = stages.end().cast();
        let ids = stages.end().byte_add(params.stages * PlaneRing::BARRIER_BYTES).cast();
        let chosen = ids.byte_add(ROWS * params.topk * AttendParams::ID_BYTES);
        Self { queries: RowTile::at(queries, ROWS * HEADS), stages, barriers, ids, chosen }
    }
}

// Queries take a stage.
const _: () = assert!(ROWS * HEADS == BLOCK as u32);
const _: () = assert!(PlaneRing::BARRIER_BYTES == AttendParams::STAGE_BARRIER_BYTES);
