use cuda_std::prelude::*;
use cuda_std::ptx;

/// What happens once for each phase of an mbarrier: when all arrivals that a phase takes have come.
#[derive(Clone, Copy)]
pub(crate) struct Event(SharedPtr<u64>);

impl Event {
    #[inline(always)]
    pub(crate) const fn at(barrier: SharedPtr<u64>) -> Self {
        Self(barrier)
    }

    /// One thread: makes the barrier.
    ///
    /// # Safety
    ///
    /// Its place is shared memory that nobody else touches before a barrier of the block.
    #[inline(always)]
    pub(crate) unsafe fn init(self, arrivals: u32) {
        // SAFETY: the caller's promise.
        unsafe { ptx::mbarrier_init(self.0.address(), arrivals) };
    }

    /// One thread: waits until it has happened in a phase. What others did before it arrived is seen then, in shared memory and,
    /// if they have put a fence between, in tensor memory.
    ///
    /// # Safety
    ///
    /// The barrier is made, and in that phase or the next.
    #[inline(always)]
    pub(crate) unsafe fn wait(self, phase: u32) {
        // SAFETY: the caller's promise.
        while !unsafe { ptx::mbarrier_try_wait_parity(self.0.address(), phase % 2) } {}
        ptx::tcgen05_fence_after_thread_sync();
    }

    /// One thread: arrives.
    ///
    /// # Safety
    ///
    /// The barrier is made, and its phase lacks an arrival.
    #[inline(always)]
    pub(crate) unsafe fn arrive(self) {
        // SAFETY: the caller's promise.
        unsafe { ptx::mbarrier_arrive(self.0.address()) };
    }

    /// A warp: arrives once, with what all its lanes have done, to tensor memory too.
    ///
    /// # Safety
    ///
    /// As [`arrive`](Self::arrive), and all lanes come together.
    #[inline(always)]
    pub(crate) unsafe fn arrive_as_warp(self) {
        ptx::tcgen05_fence_before_thread_sync();
        // SAFETY: the caller's promise.
        unsafe {
            warp::sync_warp(u32::MAX);
            if warp::lane_id() == 0 {
                self.arrive();
            }
        }
    }

    /// A warp: as [`arrive_as_warp`](Self::arrive_as_warp), and arrives once at an event of the pair's first block too, with
    /// what its lanes have done to tensor memory alone.
    ///
    /// # Safety
    ///
    /// As [`arrive_as_warp`](Self::arrive_as_warp), of both; the first block has not exited.
    #[inline(always)]
    pub(crate) unsafe fn arrive_as_warp_and_at_first(self, of_first: Self) {
        ptx::tcgen05_fence_before_thread_sync();
        // SAFETY: the caller's promise.
        unsafe {
            warp::sync_warp(u32::MAX);
            if warp::lane_id() == 0 {
                self.arrive();
                ptx::mbarrier_arrive_relaxed_cluster(of_first.in_first());
            }
        }
    }

    /// One thread: waits until it has happened in a phase, where warps of both blocks of a pair arrive. What they did to tensor
    /// memory before is seen then.
    ///
    /// # Safety
    ///
    /// As [`wait`](Self::wait).
    #[inline(always)]
    pub(crate) unsafe fn wait_for_pair(self, phase: u32) {
        // SAFETY: the caller's promise.
        while !unsafe { ptx::mbarrier_try_wait_parity_relaxed_cluster(self.0.address(), phase % 2) }
        {
        }
        ptx::tcgen05_fence_after_thread_sync();
    }

    /// The barrier's address in the first block of a pair, which is a cluster.
    #[inline(always)]
    pub(crate) fn in_first(self) -> u32 {
        // SAFETY: a cluster has a first block.
        unsafe { ptx::mapa_shared_cluster(self.0.address(), 0) }
    }

    /// One thread: arrives, and has the phase take bytes too, which asynchronous copies bring ([`counts`](Self::counts)).
    ///
    /// # Safety
    ///
    /// As [`arrive`](Self::arrive).
    #[inline(always)]
    pub(crate) unsafe fn arrive_expecting(self, bytes: u32) {
        // SAFETY: the caller's promise.
        unsafe { ptx::mbarrier_arrive_expect_tx(self.0.address(), bytes) };
    }

    /// The barrier, for copies whose bytes it is to count.
    #[inline(always)]
    pub(crate) const fn counts(self) -> SharedPtr<u64> {
        self.0
    }

    /// One thread: arrives when the products that it has started are done.
    ///
    /// # Safety
    ///
    /// As [`arrive`](Self::arrive).
    #[inline(always)]
    pub(crate) unsafe fn arrive_after_products(self) {
        // SAFETY: the caller's promise.
        unsafe { ptx::tcgen05_commit(self.0.address()) };
    }

    /// One thread: arrives in both blocks of a pair, which is a cluster, when the products that it has started are done.
    ///
    /// # Safety
    ///
    /// As [`arrive`](Self::arrive), in both blocks, which have not exited.
    #[inline(always)]
    pub(crate) unsafe fn arrive_in_pair_after_products(self) {
        // SAFETY: the caller's promise.
        unsafe { ptx::tcgen05_commit_multicast::<0b11>(self.0.address()) };
    }

    /// One thread: arrives when the copies that it has started are done.
    ///
    /// # Safety
    ///
    /// As [`arrive`](Self::arrive).
    #[inline(always)]
    pub(crate) unsafe fn arrive_after_copies(self) {
        // SAFETY: the caller's promise.
        unsafe { ptx::cp_async_mbarrier_arrive_noinc(self.0.address()) };
    }
}
