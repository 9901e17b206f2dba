use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{AttendParams, BLOCK};

use super::row_list::RowList;
use super::shared_plan::SharedPlan;
use crate::attend_decode::scratch::WARPS;
use crate::block_planes::BlockStages;
use crate::mapped_planes::MappedPlanes;
use crate::row_tile::RowTile;

/// The planes of a part of a row's blocks on their way through stages in shared memory: K of the first, V of the first, K of
/// the second. Each warp has a part of each plane copied, the keys whose scores are its.
pub(super) struct PlaneRing {
    planes: MappedPlanes,
    stages: BlockStages,
    /// `[stages]`: a plane has arrived. Each warp arrives when it has started its part of the copy, whose bytes the phase
    /// takes, too.
    arrived: SharedPtr<u64>,
    list: RowList,
    /// Keys that the row sees in its request.
    keys: u32,
    /// The plane that is copied next, two for each place of the list.
    next: u32,
    /// The place before which they end.
    end: u32,
    /// The stage of the plane that is used next,
    stage: u32,
    /// and the phase of its barrier.
    phase: u32,
}

impl PlaneRing {
    /// Bytes of the barrier of a stage.
    pub(super) const BARRIER_BYTES: u32 = size_of::<u64>() as u32;

    /// One thread of the block: makes the barriers. One of the block has to come before they are used.
    ///
    /// # Safety
    ///
    /// Nobody else touches their place before that.
    #[inline(always)]
    pub(super) unsafe fn init(plan: SharedPlan) {
        for stage in 0..plan.stages.count() {
            // SAFETY: the caller's promise.
            unsafe { ptx::mbarrier_init(plan.planes_arrived.add(stage).address(), WARPS) };
        }
        ptx::fence_mbarrier_init();
    }

    /// The planes of blocks from one place of a list to before another, as far as a row with so many keys sees them.
    #[inline(always)]
    pub(super) const fn new(
        planes: MappedPlanes,
        plan: SharedPlan,
        list: RowList,
        keys: u32,
        (begin, end): (u32, u32),
    ) -> Self {
        let (stages, arrived) = (plan.stages, plan.planes_arrived);
        Self { planes, stages, arrived, list, keys, next: 2 * begin, end, stage: 0, phase: 0 }
    }

    /// All threads of the block: starts the first copies, to all stages.
    ///
    /// # Safety
    ///
    /// The barriers are made. The list holds blocks that the request has, whose pages exist.
    #[inline(always)]
    pub(super) unsafe fn start_first(&mut self) {
        for stage in 0..self.stages.count() {
            // SAFETY: the caller's promise; nobody has used the stages.
            unsafe { self.start(stage) };
        }
    }

    /// One thread: the next plane, once it has arrived, but for parts of which the row sees no key.
    ///
    /// # Safety
    ///
    /// There is one, whose copy was started, and that before it is used.
    #[inline(always)]
    pub(super) unsafe fn arrived(&self) -> RowTile {
        let barrier = self.arrived.add(self.stage).address();
        // SAFETY: the caller's promise: the barrier is in the phase of this plane, or in the next.
        while !unsafe { ptx::mbarrier_try_wait_parity(barrier, self.phase) } {}
        self.stages.nth(self.stage)
    }

    /// All threads of the block: the plane is used. Each waits for the others, and the copy of a later plane starts.
    ///
    /// # Safety
    ///
    /// As for [`start_first`](Self::start_first), once for each plane that has arrived.
    #[inline(always)]
    pub(super) unsafe fn used(&mut self) {
        thread::sync_threads();
        // SAFETY: the caller's promise; behind the barrier nobody uses the stage.
        unsafe { self.start(self.stage) };
        self.stage += 1;
        if self.stage == self.stages.count() {
            (self.stage, self.phase) = (0, self.phase ^ 1);
        }
    }

    /// A warp: starts its part of the copy of the next plane, if there is one.
    ///
    /// # Safety
    ///
    /// As for [`start_first`](Self::start_first), and nobody uses the stage.
    #[inline(always)]
    unsafe fn start(&mut self, stage: u32) {
        let place = self.next / 2;
        if place < self.end {
            let first = thread::thread_idx_x() / warp::WARP_SIZE * MappedPlanes::TOKENS;
            let (to, arrived) = (self.stages.nth(stage), self.arrived.add(stage));
            // SAFETY: all lanes are here; the page is the block's. The phase lacks one arrival of each warp, and what it
            // copies is told to it before.
            unsafe {
                let block = self.list.block(place);
                if warp::lane_id() == 0 {
                    if first < block.keys_of(self.keys) {
                        ptx::mbarrier_arrive_expect_tx(arrived.address(), MappedPlanes::BYTES);
                        self.planes.start_copy(self.next % 2, block.page, first, to, arrived);
                    } else {
                        ptx::mbarrier_arrive(arrived.address());
                    }
                }
            }
        }
        self.next += 1;
    }
}

// The warps have all tokens of a block, and the parameters tell the bytes of a barrier.
const _: () = assert!(MappedPlanes::TOKENS * WARPS == BLOCK as u32);
const _: () = assert!(PlaneRing::BARRIER_BYTES == AttendParams::CLUSTER_STAGE_BARRIER_BYTES);
