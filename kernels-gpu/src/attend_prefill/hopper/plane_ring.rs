use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{AttendParams, BLOCK, MAX_TOPK};

use super::group::{Group, is_used_by, others};
use super::{GROUP_WARPS, GROUPS, ROWS};
use crate::attend_prefill::small_divisor::SmallDivisor;
use crate::attend_prefill::tile_blocks::TileBlocks;
use crate::block_planes::BlockStages;
use crate::mapped_planes::MappedPlanes;
use crate::row_tile::RowTile;
use crate::share_out::share_out;

/// Copies of a plane.
const COPIES: u32 = BLOCK as u32 / MappedPlanes::TOKENS;

/// The planes of a tile's blocks on their way from the warps that have them copied to those that use them: K of the first, V
/// of the first, K of the second.
///
/// One of these warps starts copies, and another tells the groups which have arrived. The bytes of a copy are counted by one
/// barrier, and a group that does not use every plane cannot tell by its phases which of them it is in.
///
/// Barriers are named by the event that ends their phases.
#[derive(Clone, Copy)]
pub(super) struct PlaneRing {
    stages: BlockStages,
    /// Their count, by which planes are numbered.
    count: SmallDivisor,
    /// `[GROUPS, stages]`: a plane that the group uses has arrived. The warp that tells so arrives.
    /// A phase is about one such plane, whatever other planes the stage has between them: so no group is ever more than
    /// a phase away, and one bit tells where it is.
    arrived: SharedPtr<u64>,
    /// `[stages]`: the plane is used. Each warp that uses it arrives then; for those that do not, the one that starts copies
    /// does.
    used: SharedPtr<u64>,
    /// `[stages]`: all of the plane is there. The warp that starts copies arrives, and says how many bytes these bring.
    copied: SharedPtr<u64>,
}

impl PlaneRing {
    /// Bytes of the barriers of a stage.
    pub(super) const BARRIER_BYTES: u32 = (GROUPS + 2) * size_of::<u64>() as u32;

    #[inline(always)]
    pub(super) const fn new(stages: BlockStages, barriers: SharedPtr<u64>) -> Self {
        let (count, used) = (SmallDivisor::new(stages.count()), GROUPS * stages.count());
        let used = barriers.add(used);
        Self { stages, count, arrived: barriers, used, copied: used.add(stages.count()) }
    }

    /// All threads: makes the barriers. One of the block has to come before they are used.
    ///
    /// # Safety
    ///
    /// Their place is the ring's alone.
    #[inline(always)]
    pub(super) unsafe fn init(self) {
        let stages = self.stages.count();
        let (used, copied) = (GROUPS * stages, (GROUPS + 1) * stages);
        share_out(copied + stages, |nth| {
            let arrivals = if nth >= used && nth < copied { GROUPS * GROUP_WARPS } else { 1 };
            // SAFETY: the caller's promise; those of `used` and `copied` come after those of `arrived`.
            unsafe { ptx::mbarrier_init(self.arrived.add(nth).address(), arrivals) };
        });
        ptx::fence_mbarrier_init();
    }

    /// One thread: starts the copies of all planes of some blocks, each as soon as there is a place for it.
    ///
    /// # Safety
    ///
    /// The blocks are the request's, and their pages exist. No other thread does that; what threads wrote to the stages is
    /// fenced from copies.
    #[inline(always)]
    pub(super) unsafe fn start_all(self, planes: MappedPlanes, blocks: TileBlocks) {
        for nth in 0..2 * blocks.len() {
            let block = blocks.nth(nth / 2);
            let others = others(block);
            let (phase, stage) = self.count.div_rem(nth);
            let (used, copied) = (self.used.add(stage).address(), self.copied.add(stage));
            // SAFETY: the barriers are made. That the plane has arrived is known only after this thread has arrived for those
            // that do not use it; so before that nobody else has, and somebody will.
            unsafe {
                if phase > 0 {
                    wait(used, phase - 1);
                }
                if others > 0 {
                    ptx::mbarrier_arrive_no_complete(used, others);
                }
                ptx::mbarrier_arrive_expect_tx(copied.address(), COPIES * MappedPlanes::BYTES);
                for part in 0..COPIES {
                    let (first, to) = (part * MappedPlanes::TOKENS, self.stages.nth(stage));
                    planes.start_copy(nth % 2, block.page, first, to, copied);
                }
            }
        }
    }

    /// One thread: tells groups of all planes of some blocks that they use, each when it has been copied.
    ///
    /// # Safety
    ///
    /// Another thread starts these copies ([`start_all`](Self::start_all)), and no third does this.
    #[inline(always)]
    pub(super) unsafe fn tell_all(self, blocks: TileBlocks) {
        for nth in 0..2 * blocks.len() {
            let block = blocks.nth(nth / 2);
            let (phase, stage) = self.count.div_rem(nth);
            // SAFETY: the barriers are made. The next copy to the stage starts after the groups have used this one, of which
            // they are told here.
            unsafe {
                wait(self.copied.add(stage).address(), phase);
                for group in 0..GROUPS {
                    if is_used_by(block, group) {
                        let arrived = self.arrived.add(group * self.stages.count() + stage);
                        ptx::mbarrier_arrive(arrived.address());
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
