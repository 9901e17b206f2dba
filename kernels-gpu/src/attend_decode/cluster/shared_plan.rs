use cuda_std::prelude::*;
use msa_abi::AttendParams;

use crate::attend_decode::scratch::Scratch;
use crate::block_planes::BlockStages;
use crate::queries::HEADS;
use crate::softmax::Sums;

/// Where everything is in the dynamic shared memory.
#[derive(Clone, Copy)]
pub(super) struct SharedPlan {
    /// `[stages]` of `[BLOCK]` rows
    pub(super) stages: BlockStages,
    /// Of one row.
    pub(super) scratch: Scratch,
    /// `[stages]`: see [`PlaneRing`](super::plane_ring::PlaneRing)
    pub(super) planes_arrived: SharedPtr<u64>,
    /// `[topk][HEADS]`: see [`Parts`](super::parts::Parts)
    pub(super) part_sums: SharedPtr<Sums>,
    /// f32 `[topk][pairs of a block of threads]` of 2
    pub(super) part_values: SharedPtr<[f32; 2]>,
    /// Tells that all parts are put: behind the sums, whose number does not depend on the cluster.
    pub(super) parts_are_put: SharedPtr<u64>,
}

impl SharedPlan {
    #[inline(always)]
    pub(super) fn new(params: &AttendParams) -> Self {
        let stages = BlockStages::new(shared::dynamic_shared(), params.stages);
        let scratch = Scratch::new(stages.end(), 1);
        let planes_arrived = scratch.end().cast::<u64>();
        let part_sums = planes_arrived.add(stages.count()).cast::<Sums>();
        let parts_are_put = part_sums.add(params.topk * HEADS).cast::<u64>();
        let part_values = parts_are_put.add(1).cast();
        Self { stages, scratch, planes_arrived, part_sums, part_values, parts_are_put }
    }
}
