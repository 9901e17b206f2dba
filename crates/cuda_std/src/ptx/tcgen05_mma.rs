use crate::gpu_only;

/// One thread: starts `D = A B + D`, or `D = A B` where it does not add, of matrices that `instruction` tells the shapes of: D in
/// tensor memory, A and B in shared memory, 16 columns of A and rows of B (`tcgen05.mma.kind::f16`; sm_100f).
///
/// # Safety
///
/// The descriptors are those of such matrices, which are written, and seen by the asynchronous proxy
/// ([`fence_proxy_async`](super::fence_proxy_async)). D's columns are allocated. Nobody uses any of these before the product is
/// waited for ([`tcgen05_commit`](super::tcgen05_commit)), but for further products of this thread with the same D.
///
/// `BLOCKS` is as [`tcgen05_alloc`](super::tcgen05_alloc) says. Of two blocks each has half of the rows of A and D and half of the
/// columns of B, that of the even rank the first, at the same places; and one of them starts the product.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_mma_f16<const BLOCKS: u32>(
    d: u32,
    a: u64,
    b: u64,
    instruction: u32,
    adds: bool,
) {
    // SAFETY: the caller promises the matrices.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; setp.ne.u32 p, {adds}, 0;",
            "tcgen05.mma.cta_group::{blocks}.kind::f16 [{d}], {a}, {b}, {instruction}, p; }}",
            blocks = const BLOCKS, adds = in(reg32) u32::from(adds), d = in(reg32) d, a = in(reg64) a, b = in(reg64) b,
            instruction = in(reg32) instruction,
            options(nostack),
        );
    }
}

/// One thread: the same with A in tensor memory, two elements of a row in each cell.
///
/// # Safety
///
/// As [`tcgen05_mma_f16`]. A's cells are written, and not among D's.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_mma_f16_of_tensor<const BLOCKS: u32>(
    d: u32,
    a: u32,
    b: u64,
    instruction: u32,
    adds: bool,
) {
    // SAFETY: the caller promises the matrices.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; setp.ne.u32 p, {adds}, 0;",
            "tcgen05.mma.cta_group::{blocks}.kind::f16 [{d}], [{a}], {b}, {instruction}, p; }}",
            blocks = const BLOCKS, adds = in(reg32) u32::from(adds), d = in(reg32) d, a = in(reg32) a, b = in(reg64) b,
            instruction = in(reg32) instruction,
            options(nostack),
        );
    }
}
