use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{AttendParams, BLOCK, CacheParams, MAX_TOPK};

use super::group::{Group, is_used_by, others};
use super::{COPY_THREADS, GROUP_WARPS, GROUPS, ROWS};
use crate::attend_prefill::small_divisor::SmallDivisor;
use crate::attend_prefill::tile_blocks::TileBlocks;
use crate::block_copy::Plane;
use crate::block_planes::BlockStages;
use crate::request::Request;
use crate::row_tile::RowTile;
use crate::share_out::share_out;

/// Tokens of a plane.
const TOKENS: u32 = BLOCK as u32;

/// The planes of a tile's blocks on their way from the warps that copy them to those that use them: K of the first, V of
/// the first, K of the second.
///
/// Barriers are named by the event that ends their phases.
#[derive(Clone, Copy)]
pub(super) struct PlaneRing {
    stages: BlockStages,
    /// Their count, by which planes are numbered.
    count: SmallDivisor,
    /// `[GROUPS, stages]`: a plane that the group uses has arrived. Each thread that copies arrives when its part is there.
    /// A phase is about one such plane, whatever other planes the stage has between them: so no group is ever more than
    /// a phase away, and one bit tells where it is.
    arrived: SharedPtr<u64>,
    /// `[stages]`: the plane is used. Each warp that uses it arrives then; for those that do not, a thread that copies does.
    used: SharedPtr<u64>,
}

impl PlaneRing {
    /// Bytes of the barriers of a stage.
    pub(super) const BARRIER_BYTES: u32 = (GROUPS + 1) * size_of::<u64>() as u32;

    #[inline(always)]
    pub(super) const fn new(stages: BlockStages, barriers: SharedPtr<u64>) -> Self {
        let (count, used) = (SmallDivisor::new(stages.count()), GROUPS * stages.count());
        Self { stages, count, arrived: barriers, used: barriers.add(used) }
    }

    /// All threads: makes the barriers. One of the block has to come before they are used.
    ///
    /// # Safety
    ///
    /// Their place is the ring's alone.
    #[inline(always)]
    pub(super) unsafe fn init(self) {
        let arrived = GROUPS * self.stages.count();
        share_out(arrived + self.stages.count(), |nth| {
            let arrivals = if nth < arrived { COPY_THREADS } else { GROUPS * GROUP_WARPS };
            // SAFETY: the caller's promise; those of `used` come after those of `arrived`.
            unsafe { ptx::mbarrier_init(self.arrived.add(nth).address(), arrivals) };
        });
    }

    /// The warps that copy: all planes of a KV head's blocks, each as soon as there is a place for it.
    ///
    /// # Safety
    ///
    /// The blocks are the request's, and their pages exist. All of the threads come here.
    #[inline(always)]
    pub(super) unsafe fn copy_all(
        self,
        cache: &CacheParams,
        kv_head: u32,
        request: Request,
        blocks: TileBlocks,
    ) {
        let thread = thread::thread_idx_x() - GROUPS * GROUP_WARPS * warp::WARP_SIZE;
        let planes = [Plane::new(cache, 0, kv_head), Plane::new(cache, 1, kv_head)];
        for nth in 0..2 * blocks.len() {
            let block = blocks.nth(nth / 2);
            let plane = if nth.is_multiple_of(2) { planes[0] } else { planes[1] };
            let (keys, others) = (request.keys_in(block.block), others(block));
            let (phase, stage) = self.count.div_rem(nth);
            let used = self.used.add(stage).address();
            // SAFETY: the barriers are made. That the plane has arrived is known only after the first thread has arrived
            // for those that do not use it; so before that nobody else has, and somebody will.
            unsafe {
                if phase > 0 {
                    wait(used, phase - 1);
                }
                if thread == 0 && others > 0 {
                    ptx::mbarrier_arrive_no_complete(used, others);
                }
                let to = self.stages.nth(stage);
                plane.start_copy::<COPY_THREADS, TOKENS>(thread, block.page, 0, keys, to);
                for group in 0..GROUPS {
                    if is_used_by(block, group) {
                        let arrived = self.arrived.add(group * self.stages.count() + stage);
                        ptx::cp_async_mbarrier_arrive_noinc(arrived.address());
                    }
                }
            }
        }
    }

    /// A warp of a group: what it needs to use planes.
    #[inline(always)]
    pub(super) const fn user(self, group: Group) -> User {
        let arrived = self.arrived.add(group.nth * self.stages.count());
        User { ring: Self { arrived, ..self }, phases: 0 }
    }
}

/// A warp that uses planes.
pub(super) struct User {
    /// With the barriers of its group first.
    ring: PlaneRing,
    /// A bit for each stage: in which phase its barrier is for the next plane.
    phases: u32,
}

impl User {
    /// A warp: the `nth` plane, once it has arrived, for reads of both proxies.
    ///
    /// # Safety
    ///
    /// The group uses the plane, and has used those before it that it uses.
    #[inline(always)]
    pub(super) unsafe fn arrived(&mut self, nth: u32) -> RowTile {
        let (_, stage) = self.ring.count.div_rem(nth);
        // SAFETY: the barrier is made, and in the phase of this plane or the next, for which the plane must be used first.
        unsafe { wait(self.ring.arrived.add(stage).address(), self.phases >> stage) };
        self.phases ^= 1 << stage;
        ptx::fence_proxy_async();
        self.ring.stages.nth(stage)
    }

    /// A warp: the `nth` plane is no longer used.
    ///
    /// # Safety
    ///
    /// All lanes come together, once for each plane that has arrived.
    #[inline(always)]
    pub(super) unsafe fn used(&self, nth: u32) {
        let (_, stage) = self.ring.count.div_rem(nth);
        // SAFETY: the caller brings all lanes together; the phase lacks this arrival.
        unsafe {
            warp::sync_warp(u32::MAX);
            if warp::lane_id() == 0 {
                ptx::mbarrier_arrive(self.ring.used.add(stage).address());
            }
        }
    }
}

/// One thread: waits for the end of a phase.
///
/// # Safety
///
/// The barrier is made, and in that phase or the next.
#[inline(always)]
unsafe fn wait(barrier: u32, phase: u32) {
    // SAFETY: the caller's promise.
    while !unsafe { ptx::mbarrier_try_wait_parity(barrier, phase % 2) } {}
}

// What a small divisor takes, and divides: planes of a tile.
const _: () = assert!(AttendParams::MAX_STAGES <= 16 && 2 * ROWS * (MAX_TOPK as u32) < 4096);
