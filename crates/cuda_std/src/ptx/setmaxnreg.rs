use crate::gpu_only;

/// A warpgroup: gives registers back, so that each thread keeps so many (`setmaxnreg.dec`; sm_90a).
///
/// # Safety
///
/// All threads of four successive warps, the first a multiple of four, come to this call together. They have at least so
/// many: a multiple of 8, 24 to 256. The kernel is compiled for a known number of threads.
#[gpu_only]
#[inline(always)]
pub unsafe fn setmaxnreg_dec<const REGISTERS: u32>() {
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!(
            "setmaxnreg.dec.sync.aligned.u32 {};",
            const REGISTERS,
            options(nomem, nostack),
        );
    }
}

/// A warpgroup: waits until the block has them to spare, and takes registers, so that each thread has so many
/// (`setmaxnreg.inc`; sm_90a).
///
/// # Safety
///
/// As [`setmaxnreg_dec`], of more than the threads have. Others of the block give as many back.
#[gpu_only]
#[inline(always)]
pub unsafe fn setmaxnreg_inc<const REGISTERS: u32>() {
    // SAFETY: the caller's promise.
    unsafe {
        core::arch::asm!(
            "setmaxnreg.inc.sync.aligned.u32 {};",
            const REGISTERS,
            options(nomem, nostack),
        );
    }
}
