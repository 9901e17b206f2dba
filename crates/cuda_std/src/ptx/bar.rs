use crate::gpu_only;

/// A block: waits at barrier 0 until all threads have come (`bar.sync`), and orders what they did to memory.
///
/// Every thread of the block has to come to the same call; a block of which some threads went another way hangs.
#[gpu_only]
#[inline(always)]
pub fn bar_sync_0() {
    // SAFETY: barrier 0 exists in every block.
    unsafe { core::arch::asm!("bar.sync 0;", options(nostack)) }
}

/// The lanes of `mask`: waits until all of them have come, and orders what they did to memory (`bar.warp.sync`).
///
/// # Safety
///
/// The lane is in `mask`, and all lanes of `mask` come to this call with the same mask.
#[gpu_only]
#[inline(always)]
pub unsafe fn bar_warp_sync(mask: u32) {
    // SAFETY: the caller brings the lanes together.
    unsafe { core::arch::asm!("bar.warp.sync {};", in(reg32) mask, options(nostack)) }
}
