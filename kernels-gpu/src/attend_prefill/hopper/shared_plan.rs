use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK};

use super::ROWS;
use super::plane_ring::PlaneRing;
use crate::attend_prefill::tile_blocks::TileBlocks;
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
    /// `[ROWS * topk]`: see [`TileBlocks`]
    pub(super) blocks: SharedPtr<[u32; 4]>,
    /// `[4, stages]`: see [`PlaneRing`]
    pub(super) barriers: SharedPtr<u64>,
    /// What it takes to build the former: the last stage, which is not used yet
    pub(super) scratch: SharedPtr<u32>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &AttendParams) -> Self {
        let queries = shared::dynamic_shared();
        let stages = BlockStages::new(queries.byte_add(BlockStages::BYTES), params.stages);
        let blocks = stages.end();
        let barriers = blocks.byte_add(ROWS * params.topk * AttendParams::ID_BYTES).cast();
        let scratch = stages.last().chunk(0, 0).cast();
        Self { queries: RowTile::at(queries, ROWS * HEADS), stages, blocks, barriers, scratch }
    }
}

// Queries take a stage, and another has room for what building lists takes.
const _: () = assert!(ROWS * HEADS == BLOCK as u32);
const _: () = assert!(TileBlocks::SCRATCH_BYTES <= BlockStages::BYTES);
const _: () = assert!(PlaneRing::BARRIER_BYTES == AttendParams::STAGE_BARRIER_BYTES);
