use cuda_std::prelude::*;
use cuda_std::ptx;

use crate::block_planes::BlockStages;
use crate::row_tile::RowTile;

/// Tiles of a block's rows on their way through stages in shared memory, from a warpgroup that copies them to `GROUPS`
/// others that use them, each those that it wants to.
///
/// Barriers are named by the event that ends their phases.
#[derive(Clone, Copy)]
pub(crate) struct GroupRing<const GROUPS: u32> {
    stages: BlockStages,
    /// `[GROUPS, stages]`: a tile that the group uses has arrived. Each thread that copies arrives when its part is there.
    /// A phase is about one such tile, whatever other tiles the stage has between them: so no group is ever more than a
    /// phase away, and one bit tells where it is.
    arrived: SharedPtr<u64>,
    /// `[stages]`: the tile is used. Each warp that uses it arrives then; for those that do not, a thread that copies does.
    used: SharedPtr<u64>,
}

/// Warps of a group.
pub(crate) const GROUP_WARPS: u32 = 4;

/// Threads that copy: a warpgroup, since only as one can they give registers back.
pub(crate) const COPY_THREADS: u32 = GROUP_WARPS * warp::WARP_SIZE;

impl<const GROUPS: u32> GroupRing<GROUPS> {
    /// Bytes of the barriers of a stage.
    pub(crate) const BARRIER_BYTES: u32 = (GROUPS + 1) * size_of::<u64>() as u32;

    #[inline(always)]
    pub(crate) const fn new(stages: BlockStages, barriers: SharedPtr<u64>) -> Self {
        Self { stages, arrived: barriers, used: barriers.add(GROUPS * stages.count()) }
    }

    /// All threads: makes the barriers. One of the block has to come before they are used.
    ///
    /// # Safety
    ///
    /// Their place is the ring's alone.
    #[inline(always)]
    pub(crate) unsafe fn init(self) {
        if thread::thread_idx_x() == 0 {
            // SAFETY: the caller's promise.
            unsafe {
                for nth in 0..GROUPS * self.stages.count() {
                    ptx::mbarrier_init(self.arrived.add(nth).address(), COPY_THREADS);
                }
                for nth in 0..self.stages.count() {
                    ptx::mbarrier_init(self.used.add(nth).address(), GROUPS * GROUP_WARPS);
                }
            }
        }
    }

    /// A thread that copies: what it needs for that.
    #[inline(always)]
    pub(crate) const fn copier(self) -> Copier<GROUPS> {
        Copier { ring: self, stage: 0, round: 0 }
    }

    /// A warp of a group: what it needs to use tiles.
    #[inline(always)]
    pub(crate) const fn user(self, group: u32) -> User<GROUPS> {
        let arrived = self.arrived.add(group * self.stages.count());
        User { ring: Self { arrived, ..self }, stage: 0, phases: 0 }
    }

    /// The stage after another.
    #[inline(always)]
    const fn after(self, stage: u32) -> u32 {
        if stage + 1 == self.stages.count() { 0 } else { stage + 1 }
    }
}

/// A thread that copies tiles.
pub(crate) struct Copier<const GROUPS: u32> {
    ring: GroupRing<GROUPS>,
    /// The stage of the next tile.
    stage: u32,
    /// How often each stage was filled before.
    round: u32,
}

impl<const GROUPS: u32> Copier<GROUPS> {
    /// The threads that copy, of which this is the `thread`-th: `start` starts its part of the copy of the next tile, as
    /// soon as there is a place for it. `is_user` tells which groups use the tile.
    ///
    /// # Safety
    ///
    /// The barriers are made, and all of the threads come here. At least one group uses the tile.
    #[inline(always)]
    pub(crate) unsafe fn next(
        &mut self,
        thread: u32,
        is_user: impl Fn(u32) -> bool,
        start: impl FnOnce(RowTile),
    ) {
        let used = self.ring.used.add(self.stage).address();
        let others = (0..GROUPS).map(|group| if is_user(group) { 0 } else { GROUP_WARPS }).sum();
        // SAFETY: the barriers are made. That the tile has arrived is known only after the first thread has arrived for
        // those that do not use it; so before that nobody else has, and somebody will.
        unsafe {
            if self.round > 0 {
                wait(used, self.round - 1);
            }
            if thread == 0 && others > 0 {
                ptx::mbarrier_arrive_no_complete(used, others);
            }
            start(self.ring.stages.nth(self.stage));
            for group in 0..GROUPS {
                if is_user(group) {
                    let arrived = group * self.ring.stages.count() + self.stage;
                    ptx::cp_async_mbarrier_arrive_noinc(self.ring.arrived.add(arrived).address());
                }
            }
        }
        self.stage = self.ring.after(self.stage);
        if self.stage == 0 {
            self.round += 1;
        }
    }
}

/// A warp that uses tiles.
pub(crate) struct User<const GROUPS: u32> {
    /// With the barriers of its group first.
    ring: GroupRing<GROUPS>,
    /// The stage of the next tile.
    stage: u32,
    /// A bit for each stage: in which phase its barrier is for the next tile.
    phases: u32,
}

/// A tile that has arrived.
#[derive(Clone, Copy)]
pub(crate) struct Arrived {
    pub(crate) tile: RowTile,
    /// The barrier that tells that it is used.
    used: SharedPtr<u64>,
}

impl<const GROUPS: u32> User<GROUPS> {
    /// A warp: the next tile, once it has arrived, for reads of both proxies.
    ///
    /// # Safety
    ///
    /// The group uses the tile. There is a stage for it besides those of tiles that are not used yet.
    #[inline(always)]
    pub(crate) unsafe fn next(&mut self) -> Arrived {
        let stage = self.stage;
        // SAFETY: the barrier is made, and in the phase of this tile or the next, for which the tile must be used first.
        unsafe { wait(self.ring.arrived.add(stage).address(), self.phases >> stage) };
        self.phases ^= 1 << stage;
        self.stage = self.ring.after(stage);
        ptx::fence_proxy_async();
        Arrived { tile: self.ring.stages.nth(stage), used: self.ring.used.add(stage) }
    }
}

impl Arrived {
    /// A warp: the tile is no longer used.
    ///
    /// # Safety
    ///
    /// All lanes come together, once for each tile.
    #[inline(always)]
    pub(crate) unsafe fn is_used(self) {
        // SAFETY: the caller brings all lanes together; the phase lacks this arrival.
        unsafe {
            warp::sync_warp(u32::MAX);
            if warp::lane_id() == 0 {
                ptx::mbarrier_arrive(self.used.address());
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
