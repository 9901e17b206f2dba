use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK};

use super::plane_ring::PlaneRing;
use super::steps::Steps;
use super::{LANES, ROWS, TILE_ROWS};
use crate::attend_prefill::tile_blocks::TileBlocks;
use crate::block_planes::BlockStages;
use crate::queries::HEADS;
use crate::row_tile::RowTile;
use crate::softmax::Sums;
use crate::stage_events::StageEvents;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[ROWS]` of `[HEADS]` rows
    pub(super) queries: RowTile,
    /// `[stages]` of half of a block's keys and of its values: see [`PlaneRing`]
    pub(super) stages: BlockStages,
    /// `[TILE_ROWS * topk]`: see [`TileBlocks`]
    pub(super) blocks: SharedPtr<[u32; 4]>,
    /// `[2, LANES]`: of successive steps the maxima and the sums of weights
    pub(super) sums: SharedPtr<Sums>,
    /// See [`Steps`]
    pub(super) steps: SharedPtr<u64>,
    /// See [`PlaneRing`]
    pub(super) planes: SharedPtr<u64>,
    /// The address of tensor memory
    pub(super) tensor: SharedPtr<u32>,
    /// What it takes to build the blocks: the last stage, which is not used yet
    pub(super) scratch: SharedPtr<u32>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &AttendParams) -> Self {
        let queries = shared::dynamic_shared();
        let stages = BlockStages::new(queries.byte_add(BlockStages::BYTES), params.stages);
        let blocks = stages.end();
        let sums = blocks.byte_add(TILE_ROWS * params.topk * AttendParams::ID_BYTES).cast::<Sums>();
        let steps = sums.add(2 * LANES).cast::<u64>();
        let planes = steps.byte_add(Steps::BARRIER_BYTES);
        let of_stages = params.stages * StageEvents::BARRIER_BYTES;
        let tensor = planes.byte_add(PlaneRing::BARRIER_BYTES + of_stages).cast();
        let scratch = stages.last().chunk(0, 0).cast();
        let queries = RowTile::at(queries, ROWS * HEADS);
        Self { queries, stages, blocks, sums, steps, planes, tensor, scratch }
    }
}

/// Bytes besides those of stages and ids.
const REST: u32 =
    2 * LANES * size_of::<Sums>() as u32 + Steps::BARRIER_BYTES + PlaneRing::BARRIER_BYTES + 8;

// Queries take a stage, and another has room for what building lists takes.
const _: () = assert!(ROWS * HEADS == BLOCK as u32);
const _: () = assert!(TileBlocks::SCRATCH_BYTES <= BlockStages::BYTES);
const _: () = assert!(TILE_ROWS == AttendParams::BLACKWELL_PREFILL_ROWS);
const _: () = assert!(REST == AttendParams::BLACKWELL_PREFILL_BYTES);
const _: () = assert!(StageEvents::BARRIER_BYTES == AttendParams::BLACKWELL_STAGE_BARRIER_BYTES);
