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

/// A warp: arrives at the cluster's barrier; what it did to memory before is seen by those who wait
/// (`barrier.cluster.arrive`, with release; sm_90).
///
/// All threads of the cluster's blocks come to this call, each warp's together, and then to
/// [`barrier_cluster_wait`]; a cluster of which some threads went another way hangs.
#[gpu_only]
#[inline(always)]
pub fn barrier_cluster_arrive() {
    // SAFETY: every block is in a cluster, if only its own.
    unsafe { core::arch::asm!("barrier.cluster.arrive.release.aligned;", options(nostack)) }
}

/// A warp: the same, without telling what it did to memory (`barrier.cluster.arrive.relaxed`; sm_90): so others know that
/// it has begun.
///
/// As [`barrier_cluster_arrive`].
#[gpu_only]
#[inline(always)]
pub fn barrier_cluster_arrive_relaxed() {
    // SAFETY: as above.
    unsafe { core::arch::asm!("barrier.cluster.arrive.relaxed.aligned;", options(nostack)) }
}

/// A warp: waits until all threads of the cluster have arrived, and sees what they did to memory
/// (`barrier.cluster.wait`, with acquire; sm_90).
///
/// As [`barrier_cluster_arrive`], which comes before.
#[gpu_only]
#[inline(always)]
pub fn barrier_cluster_wait() {
    // SAFETY: as above.
    unsafe { core::arch::asm!("barrier.cluster.wait.acquire.aligned;", options(nostack)) }
}

/// One thread: stores 8 bytes to the shared memory of a block of the cluster (`st.shared::cluster.b64`; sm_90).
///
/// # Safety
///
/// `to` is the cluster's address of shared memory of that size, a multiple of it, which no other thread accesses
/// meanwhile; its block has begun and does not exit before the store is done.
#[gpu_only]
#[inline(always)]
pub unsafe fn st_shared_cluster_b64(to: u32, value: u64) {
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "st.shared::cluster.b64 [{}], {};",
            in(reg32) to, in(reg64) value,
            options(nostack),
        );
    }
}
