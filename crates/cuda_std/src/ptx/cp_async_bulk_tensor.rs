use crate::gpu_only;

/// One thread: has the tensor map at a generic address read ahead, before a copy needs it (`prefetch.tensormap`; sm_90).
///
/// # Safety
///
/// A tensor map is there: in a kernel's parameter, which it takes by reference, in global or in constant memory.
#[gpu_only]
#[inline(always)]
pub unsafe fn prefetch_tensormap(map: u64) {
    // SAFETY: the caller promises the map.
    unsafe { core::arch::asm!("prefetch.tensormap [{}];", in(reg64) map, options(nostack)) };
}

/// One thread: starts a copy of a box of a tensor of five dimensions to shared memory, and has a barrier there count its
/// bytes (`cp.async.bulk.tensor.5d` with `mbarrier::complete_tx::bytes`; sm_90). Who waits for the barrier's phase sees
/// them, in both proxies.
///
/// The box begins at the element with these coordinates, that of the innermost dimension first. What of it is outside of
/// the tensor becomes zero, and is counted, too.
///
/// # Safety
///
/// `map` is the generic address of a tensor map, as [`prefetch_tensormap`] takes it, of five dimensions. The place in
/// shared memory has room for its box and is a multiple of 128, or as the map's swizzle asks, and nobody touches it before
/// that has been waited for; what threads wrote there before is fenced from the copy. The barrier is initialised, and the
/// present phase is told to take these bytes.
#[gpu_only]
#[inline(always)]
pub unsafe fn cp_async_bulk_tensor_5d(to: u32, map: u64, coordinates: [u32; 5], barrier: u32) {
    let [a, b, c, d, e] = coordinates;
    // SAFETY: the caller promises both ends of the copy, and the barrier.
    unsafe {
        core::arch::asm!(
            "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes \
             [{to}], [{map}, {{{a}, {b}, {c}, {d}, {e}}}], [{barrier}];",
            to = in(reg32) to, map = in(reg64) map, barrier = in(reg32) barrier,
            a = in(reg32) a, b = in(reg32) b, c = in(reg32) c, d = in(reg32) d, e = in(reg32) e,
            options(nostack),
        );
    }
}

/// One thread: the same, and tells ptxas that the place is the block's own. Otherwise that of sm_120 asks, and would call a
/// function if it were not. But PTX has had a way to tell so only since version 8.6, which no file for sm_90 is of.
///
/// # Safety
///
/// As [`cp_async_bulk_tensor_5d`].
#[gpu_only]
#[inline(always)]
pub unsafe fn cp_async_bulk_tensor_5d_to_block(
    to: u32,
    map: u64,
    coordinates: [u32; 5],
    barrier: u32,
) {
    let [a, b, c, d, e] = coordinates;
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "cp.async.bulk.tensor.5d.shared::cta.global.tile.mbarrier::complete_tx::bytes \
             [{to}], [{map}, {{{a}, {b}, {c}, {d}, {e}}}], [{barrier}];",
            to = in(reg32) to, map = in(reg64) map, barrier = in(reg32) barrier,
            a = in(reg32) a, b = in(reg32) b, c = in(reg32) c, d = in(reg32) d, e = in(reg32) e,
            options(nostack),
        );
    }
}

/// One thread: the same, where the barrier is that of either block of a pair, whose ranks in the cluster differ in the last
/// bit. Both places are given by their addresses in the cluster; a block's own are among these
/// (`cp.async.bulk.tensor.5d.cta_group::2`; sm_100f).
///
/// # Safety
///
/// As [`cp_async_bulk_tensor_5d`]. The place is the block's own, and the pair's other block has not exited.
#[gpu_only]
#[inline(always)]
pub unsafe fn cp_async_bulk_tensor_5d_of_pair(
    to: u32,
    map: u64,
    coordinates: [u32; 5],
    barrier: u32,
) {
    let [a, b, c, d, e] = coordinates;
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "cp.async.bulk.tensor.5d.shared::cluster.global.tile.mbarrier::complete_tx::bytes.cta_group::2 \
             [{to}], [{map}, {{{a}, {b}, {c}, {d}, {e}}}], [{barrier}];",
            to = in(reg32) to, map = in(reg64) map, barrier = in(reg32) barrier,
            a = in(reg32) a, b = in(reg32) b, c = in(reg32) c, d = in(reg32) d, e = in(reg32) e,
            options(nostack),
        );
    }
}
