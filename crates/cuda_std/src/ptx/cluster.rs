use crate::gpu_only;

/// One thread: the address, among those of the cluster's shared memory, of what is at `address` in the shared memory of
/// the cluster's block `rank` (`mapa.shared::cluster`; sm_90).
///
/// # Safety
///
/// The cluster has the block.
#[gpu_only]
#[inline(always)]
pub unsafe fn mapa_shared_cluster(address: u32, rank: u32) -> u32 {
    let mapped;
    // SAFETY: the caller promises the block.
    unsafe {
        core::arch::asm!(
            "mapa.shared::cluster.u32 {}, {}, {};",
            out(reg32) mapped, in(reg32) address, in(reg32) rank,
            options(pure, nomem, nostack),
        );
    }
    mapped
}

/// A warp: arrives at the cluster's barrier, and releases nothing by that but what a thread has fenced by itself, such as
/// barriers that it has made ([`fence_mbarrier_init`](super::fence_mbarrier_init)): so it waits for none of the accesses to
/// memory that were started before (`barrier.cluster.arrive.relaxed`; sm_90).
///
/// All threads of the cluster's blocks come to this call, each warp's together, and then to
/// [`barrier_cluster_wait`]; a cluster of which some threads went another way hangs.
#[gpu_only]
#[inline(always)]
pub fn barrier_cluster_arrive_relaxed() {
    // SAFETY: every block is in a cluster, if only its own.
    unsafe { core::arch::asm!("barrier.cluster.arrive.relaxed.aligned;", options(nostack)) }
}

/// A warp: arrives at the cluster's barrier, and releases what its threads did before (`barrier.cluster.arrive`, with release;
/// sm_90).
///
/// As [`barrier_cluster_arrive_relaxed`].
#[gpu_only]
#[inline(always)]
pub fn barrier_cluster_arrive() {
    // SAFETY: as above.
    unsafe { core::arch::asm!("barrier.cluster.arrive.release.aligned;", options(nostack)) }
}

/// A warp: waits until all threads of the cluster have arrived, and sees what they have released
/// (`barrier.cluster.wait`, with acquire; sm_90).
///
/// As [`barrier_cluster_arrive_relaxed`], which comes before.
#[gpu_only]
#[inline(always)]
pub fn barrier_cluster_wait() {
    // SAFETY: as above.
    unsafe { core::arch::asm!("barrier.cluster.wait.acquire.aligned;", options(nostack)) }
}

/// One thread: stores 8 bytes to the shared memory of a block of the cluster, and has a barrier there count them
/// (`st.async.shared::cluster.mbarrier::complete_tx::bytes.b64`; sm_90). Who waits for the barrier's phase sees them.
///
/// # Safety
///
/// `to` and `barrier` are the cluster's addresses of shared memory of one of its blocks, multiples of 8. No other thread
/// accesses the former before the phase ends. The barrier is initialised, which this thread has learnt; its block does not
/// exit before.
#[gpu_only]
#[inline(always)]
pub unsafe fn st_async_b64(to: u32, value: u64, barrier: u32) {
    // SAFETY: the caller promises the addresses.
    unsafe {
        core::arch::asm!(
            "st.async.shared::cluster.mbarrier::complete_tx::bytes.b64 [{}], {}, [{}];",
            in(reg32) to, in(reg64) value, in(reg32) barrier,
            options(nostack),
        );
    }
}
