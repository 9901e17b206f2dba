use crate::gpu_only;

/// One thread: adds to a number in shared memory, returns its old value (`atom.relaxed.cta.shared.add.u32`).
///
/// # Safety
///
/// `to` is the address of a `u32` in the block's shared memory, a multiple of 4.
#[gpu_only]
#[inline(always)]
pub unsafe fn atom_shared_add_u32(to: u32, count: u32) -> u32 {
    let before;
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "atom.relaxed.cta.shared.add.u32 {}, [{}], {};",
            out(reg32) before, in(reg32) to, in(reg32) count,
            options(nostack),
        );
    }
    before
}

/// One thread: sets bits of a number in shared memory, returns its old value (`atom.relaxed.cta.shared.or.b32`).
///
/// # Safety
///
/// As [`atom_shared_add_u32`].
#[gpu_only]
#[inline(always)]
pub unsafe fn atom_shared_or_b32(to: u32, bits: u32) -> u32 {
    let before;
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "atom.relaxed.cta.shared.or.b32 {}, [{}], {};",
            out(reg32) before, in(reg32) to, in(reg32) bits,
            options(nostack),
        );
    }
    before
}
