use crate::gpu_only;

/// A warp: allocates columns of tensor memory, waiting until there are so many, and writes the address of the first to shared
/// memory (`tcgen05.alloc`; sm_100f).
///
/// # Safety
///
/// All lanes of the warp come to this call together. `COLUMNS` is a power of two, 32 to 512. The place is 4 bytes of shared
/// memory, which nobody else touches before a barrier of the block. The columns are given back by [`tcgen05_dealloc`].
///
/// `BLOCKS` is 1; or 2, for tensor memory of two blocks of a cluster whose ranks differ in the last bit: then a warp of the other
/// block does the same. All of a kernel's instructions that take it are of as many.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_alloc<const BLOCKS: u32, const COLUMNS: u32>(place: u32) {
    // SAFETY: the caller promises the place, and brings all lanes together.
    unsafe {
        core::arch::asm!(
            "tcgen05.alloc.cta_group::{}.sync.aligned.shared::cta.b32 [{}], {};",
            const BLOCKS, in(reg32) place, const COLUMNS,
            options(nostack),
        );
    }
}

/// A warp: says that the block allocates no more columns (`tcgen05.relinquish_alloc_permit`; sm_100f).
///
/// # Safety
///
/// All lanes of the warp come to this call together, and no warp of the block allocates after it. `BLOCKS` is as
/// [`tcgen05_alloc`] says.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_relinquish_alloc_permit<const BLOCKS: u32>() {
    // SAFETY: the caller brings all lanes together.
    unsafe {
        core::arch::asm!(
            "tcgen05.relinquish_alloc_permit.cta_group::{}.sync.aligned;",
            const BLOCKS,
            options(nostack),
        );
    }
}

/// A warp: gives columns back (`tcgen05.dealloc`; sm_100f).
///
/// # Safety
///
/// All lanes of the warp come to this call together. The block has allocated just these, and everything that used them has
/// been waited for, by both blocks where they are of two. `BLOCKS` is as [`tcgen05_alloc`] says.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_dealloc<const BLOCKS: u32, const COLUMNS: u32>(address: u32) {
    // SAFETY: the caller promises the columns, and brings all lanes together.
    unsafe {
        core::arch::asm!(
            "tcgen05.dealloc.cta_group::{}.sync.aligned.b32 {}, {};",
            const BLOCKS, in(reg32) address, const COLUMNS,
            options(nostack),
        );
    }
}
