use crate::gpu_only;

/// One thread: loads 4 bytes (`ld.shared.b32`).
///
/// # Safety
///
/// `from` is the address of initialised shared memory of that size, a multiple of it, which no other thread
/// writes meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_shared_b32(from: u32) -> u32 {
    let value;
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.shared.b32 {}, [{}];",
            out(reg32) value, in(reg32) from,
            options(readonly, nostack),
        );
    }
    value
}

/// One thread: loads 8 bytes (`ld.shared.b64`).
///
/// # Safety
///
/// `from` is the address of initialised shared memory of that size, a multiple of it, which no other thread
/// writes meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_shared_b64(from: u32) -> u64 {
    let value;
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.shared.b64 {}, [{}];",
            out(reg64) value, in(reg32) from,
            options(readonly, nostack),
        );
    }
    value
}

/// One thread: loads 16 bytes (`ld.shared.v4.b32`).
///
/// # Safety
///
/// `from` is the address of initialised shared memory of that size, a multiple of it, which no other thread
/// writes meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_shared_v4_b32(from: u32) -> [u32; 4] {
    let (a, b, c, d);
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.shared.v4.b32 {{{}, {}, {}, {}}}, [{}];",
            out(reg32) a, out(reg32) b, out(reg32) c, out(reg32) d, in(reg32) from,
            options(readonly, nostack),
        );
    }
    [a, b, c, d]
}

/// One thread: stores 4 bytes (`st.shared.b32`).
///
/// # Safety
///
/// `to` is the address of shared memory of that size, a multiple of it, which no other thread accesses
/// meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn st_shared_b32(to: u32, value: u32) {
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "st.shared.b32 [{}], {};",
            in(reg32) to, in(reg32) value,
            options(nostack),
        );
    }
}

/// One thread: stores 8 bytes (`st.shared.b64`).
///
/// # Safety
///
/// `to` is the address of shared memory of that size, a multiple of it, which no other thread accesses
/// meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn st_shared_b64(to: u32, value: u64) {
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "st.shared.b64 [{}], {};",
            in(reg32) to, in(reg64) value,
            options(nostack),
        );
    }
}

/// One thread: stores 16 bytes (`st.shared.v4.b32`).
///
/// # Safety
///
/// `to` is the address of shared memory of that size, a multiple of it, which no other thread accesses
/// meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn st_shared_v4_b32(to: u32, [a, b, c, d]: [u32; 4]) {
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "st.shared.v4.b32 [{}], {{{}, {}, {}, {}}};",
            in(reg32) to, in(reg32) a, in(reg32) b, in(reg32) c, in(reg32) d,
            options(nostack),
        );
    }
}
