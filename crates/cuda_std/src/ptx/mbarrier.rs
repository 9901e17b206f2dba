use crate::gpu_only;

/// One thread: makes the 8 bytes at `barrier` a barrier whose phases each take `arrivals` arrivals (`mbarrier.init`;
/// sm_80).
///
/// # Safety
///
/// They are a multiple of 8 in shared memory, and nobody else touches them before a barrier of the block.
#[gpu_only]
#[inline(always)]
pub unsafe fn mbarrier_init(barrier: u32, arrivals: u32) {
    // SAFETY: the caller promises the place.
    unsafe {
        core::arch::asm!(
            "mbarrier.init.shared.b64 [{}], {};",
            in(reg32) barrier, in(reg32) arrivals,
            options(nostack),
        );
    }
}

/// One thread: has the other blocks of the cluster see the barriers that it has initialised, once they have met it at a
/// barrier of the cluster (`fence.mbarrier_init`; sm_90).
#[gpu_only]
#[inline(always)]
pub fn fence_mbarrier_init() {
    // SAFETY: it has no operands.
    unsafe { core::arch::asm!("fence.mbarrier_init.release.cluster;", options(nostack)) }
}

/// One thread: arrives at a barrier; what it did to memory before is seen by those who wait for the phase
/// (`mbarrier.arrive`; sm_80).
///
/// # Safety
///
/// The barrier is initialised, and its present phase still lacks an arrival.
#[gpu_only]
#[inline(always)]
pub unsafe fn mbarrier_arrive(barrier: u32) {
    // SAFETY: the caller promises the barrier.
    unsafe {
        core::arch::asm!(
            "{{ .reg .b64 state; mbarrier.arrive.shared.b64 state, [{}]; }}",
            in(reg32) barrier,
            options(nostack),
        );
    }
}

/// One thread: the same, and has the phase take `bytes` bytes, too, that asynchronous stores bring or have brought
/// (`mbarrier.arrive.expect_tx`; sm_90).
///
/// # Safety
///
/// As [`mbarrier_arrive`].
#[gpu_only]
#[inline(always)]
pub unsafe fn mbarrier_arrive_expect_tx(barrier: u32, bytes: u32) {
    // SAFETY: the caller promises the barrier.
    unsafe {
        core::arch::asm!(
            "{{ .reg .b64 state; mbarrier.arrive.expect_tx.shared.b64 state, [{}], {}; }}",
            in(reg32) barrier, in(reg32) bytes,
            options(nostack),
        );
    }
}

/// One thread: arrives `count` times at a barrier, for others, without ending the phase
/// (`mbarrier.arrive.noComplete`; sm_80).
///
/// # Safety
///
/// The barrier is initialised, and its present phase lacks more than `count` arrivals, of which there is at least one.
#[gpu_only]
#[inline(always)]
pub unsafe fn mbarrier_arrive_no_complete(barrier: u32, count: u32) {
    // SAFETY: the caller promises the barrier.
    unsafe {
        core::arch::asm!(
            "{{ .reg .b64 state; mbarrier.arrive.noComplete.shared.b64 state, [{}], {}; }}",
            in(reg32) barrier, in(reg32) count,
            options(nostack),
        );
    }
}

/// One thread: has the copies that it has started arrive at a barrier once they are done, as one of the arrivals that
/// its phase takes (`cp.async.mbarrier.arrive.noinc`; sm_80).
///
/// # Safety
///
/// The barrier is initialised, and its present phase still lacks an arrival.
#[gpu_only]
#[inline(always)]
pub unsafe fn cp_async_mbarrier_arrive_noinc(barrier: u32) {
    // SAFETY: the caller promises the barrier.
    unsafe {
        core::arch::asm!(
            "cp.async.mbarrier.arrive.noinc.shared.b64 [{}];",
            in(reg32) barrier,
            options(nostack),
        );
    }
}

/// One thread: waits a while for the end of the phase of this parity (phases are counted from 0), and tells whether it
/// has ended (`mbarrier.try_wait.parity`; sm_90). Then it sees what those who arrived did to memory.
///
/// # Safety
///
/// The barrier is initialised, and its present phase is that one or the next.
#[gpu_only]
#[inline(always)]
pub unsafe fn mbarrier_try_wait_parity(barrier: u32, parity: u32) -> bool {
    let ended: u32;
    // SAFETY: the caller promises the barrier.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [{}], {}; selp.u32 {}, 1, 0, p; }}",
            in(reg32) barrier, in(reg32) parity, out(reg32) ended,
            options(nostack),
        );
    }
    ended != 0
}

/// One thread: the same, of the arrivals of [`mbarrier_arrive_relaxed_cluster`] (`mbarrier.try_wait.parity.relaxed.cluster`;
/// sm_90). It sees what was done to tensor memory, behind a fence of its own
/// ([`tcgen05_fence_after_thread_sync`](super::tcgen05_fence_after_thread_sync)).
///
/// # Safety
///
/// As [`mbarrier_try_wait_parity`].
#[gpu_only]
#[inline(always)]
pub unsafe fn mbarrier_try_wait_parity_relaxed_cluster(barrier: u32, parity: u32) -> bool {
    let ended: u32;
    // SAFETY: the caller promises the barrier.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; mbarrier.try_wait.parity.relaxed.cluster.shared.b64 p, [{}], {}; \
             selp.u32 {}, 1, 0, p; }}",
            in(reg32) barrier, in(reg32) parity, out(reg32) ended,
            options(nostack),
        );
    }
    ended != 0
}

/// One thread: arrives at a barrier of any block of the cluster, whose address there is given. Of what it did before only that to
/// tensor memory is seen by those who wait for the phase, if it has fenced it
/// ([`tcgen05_fence_before_thread_sync`](super::tcgen05_fence_before_thread_sync)): so it waits for none of its accesses to other
/// memory (`mbarrier.arrive.relaxed.cluster`; sm_90).
///
/// # Safety
///
/// As [`mbarrier_arrive`]. The block is there, and does not exit before the phase ends.
#[gpu_only]
#[inline(always)]
pub unsafe fn mbarrier_arrive_relaxed_cluster(barrier: u32) {
    // SAFETY: the caller promises the barrier.
    unsafe {
        core::arch::asm!(
            "mbarrier.arrive.relaxed.cluster.shared::cluster.b64 _, [{}];",
            in(reg32) barrier,
            options(nostack),
        );
    }
}
