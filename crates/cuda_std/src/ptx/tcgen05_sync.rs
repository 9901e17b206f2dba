use crate::gpu_only;

/// One thread: has a barrier be arrived at once, when all products that it has started are done (`tcgen05.commit`; sm_100f).
///
/// # Safety
///
/// The barrier is initialised, and its present phase still lacks an arrival.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_commit(barrier: u32) {
    // SAFETY: the caller promises the barrier. A block's shared memory is a part of its cluster's.
    unsafe {
        core::arch::asm!(
            "tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [{}];",
            in(reg32) barrier,
            options(nostack),
        );
    }
}

/// One thread: the same of products of two blocks, for barriers at the same place in all blocks of the cluster whose rank is a
/// bit of `RANKS` (`tcgen05.commit.cta_group::2` with `.multicast::cluster`; sm_100f).
///
/// # Safety
///
/// As [`tcgen05_commit`], of the barrier of each of these blocks, which have not exited.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_commit_multicast<const RANKS: u16>(barrier: u32) {
    // SAFETY: the caller promises the barriers.
    unsafe {
        core::arch::asm!(
            "tcgen05.commit.cta_group::2.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 \
             [{}], {};",
            in(reg32) barrier, const RANKS,
            options(nostack),
        );
    }
}

/// One thread: has what it has done to tensor memory, and waited for, come before what others do to it after they have been
/// told (`tcgen05.fence::before_thread_sync`; sm_100f).
#[gpu_only]
#[inline(always)]
pub fn tcgen05_fence_before_thread_sync() {
    // SAFETY: it has no operands.
    unsafe { core::arch::asm!("tcgen05.fence::before_thread_sync;", options(nostack)) }
}

/// One thread: has what it does to tensor memory from here on come after what it has been told of
/// (`tcgen05.fence::after_thread_sync`; sm_100f).
#[gpu_only]
#[inline(always)]
pub fn tcgen05_fence_after_thread_sync() {
    // SAFETY: it has no operands.
    unsafe { core::arch::asm!("tcgen05.fence::after_thread_sync;", options(nostack)) }
}
