use crate::gpu_only;

/// One thread: starts a copy of 16 bytes from global to shared memory, past the first-level cache
/// (`cp.async.cg`; sm_80). Of the source only the first `given` bytes are read; zeros take the place of the
/// others.
///
/// # Safety
///
/// Both addresses are multiples of 16, `given` is at most 16, and as many initialised bytes are in global memory
/// at `from`. Until the copy has been waited for ([`cp_async_wait_group`]), nobody writes them or touches the
/// 16 bytes of shared memory at `to`.
#[gpu_only]
#[inline(always)]
pub unsafe fn cp_async_cg_16(to: u32, from: u64, given: u32) {
    // SAFETY: the caller promises both ends of the copy.
    unsafe {
        core::arch::asm!(
            "cp.async.cg.shared.global [{}], [{}], 16, {};",
            in(reg32) to, in(reg64) from, in(reg32) given,
            options(nostack),
        );
    }
}

/// One thread: makes a group of the copies that it has started since the last one (`cp.async.commit_group`).
#[gpu_only]
#[inline(always)]
pub fn cp_async_commit_group() {
    // SAFETY: it has no operands.
    unsafe { core::arch::asm!("cp.async.commit_group;", options(nostack)) }
}

/// One thread: waits until all of its groups but the last `PENDING` have arrived (`cp.async.wait_group`). It
/// sees what they copied; other threads do after a barrier.
#[gpu_only]
#[inline(always)]
pub fn cp_async_wait_group<const PENDING: u32>() {
    // SAFETY: it has no operands but a number.
    unsafe { core::arch::asm!("cp.async.wait_group {};", const PENDING, options(nostack)) }
}
