use crate::gpu_only;

/// One thread: loads 4 bytes (`ld.global.b32`).
///
/// # Safety
///
/// `from` is the address of initialised global memory of that size, a multiple of it, which no other thread
/// writes meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_global_b32(from: u64) -> u32 {
    let value;
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.global.b32 {}, [{}];",
            out(reg32) value, in(reg64) from,
            options(readonly, nostack),
        );
    }
    value
}

/// One thread: loads 8 bytes (`ld.global.b64`).
///
/// # Safety
///
/// `from` is the address of initialised global memory of that size, a multiple of it, which no other thread
/// writes meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_global_b64(from: u64) -> u64 {
    let value;
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.global.b64 {}, [{}];",
            out(reg64) value, in(reg64) from,
            options(readonly, nostack),
        );
    }
    value
}

/// One thread: loads 16 bytes (`ld.global.v4.b32`).
///
/// # Safety
///
/// `from` is the address of initialised global memory of that size, a multiple of it, which no other thread
/// writes meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_global_v4_b32(from: u64) -> [u32; 4] {
    let (a, b, c, d);
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.global.v4.b32 {{{}, {}, {}, {}}}, [{}];",
            out(reg32) a, out(reg32) b, out(reg32) c, out(reg32) d, in(reg64) from,
            options(readonly, nostack),
        );
    }
    [a, b, c, d]
}

/// One thread: loads 4 bytes that nothing writes while the kernel runs (`ld.global.nc.b32`).
///
/// # Safety
///
/// `from` is the address of initialised global memory of that size, a multiple of it, which nothing
/// writes while the kernel runs.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_global_nc_b32(from: u64) -> u32 {
    let value;
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.global.nc.b32 {}, [{}];",
            out(reg32) value, in(reg64) from,
            options(pure, readonly, nostack),
        );
    }
    value
}

/// One thread: loads 8 bytes that nothing writes while the kernel runs (`ld.global.nc.b64`).
///
/// # Safety
///
/// `from` is the address of initialised global memory of that size, a multiple of it, which nothing
/// writes while the kernel runs.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_global_nc_b64(from: u64) -> u64 {
    let value;
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.global.nc.b64 {}, [{}];",
            out(reg64) value, in(reg64) from,
            options(pure, readonly, nostack),
        );
    }
    value
}

/// One thread: loads 16 bytes that nothing writes while the kernel runs (`ld.global.nc.v4.b32`).
///
/// # Safety
///
/// `from` is the address of initialised global memory of that size, a multiple of it, which nothing
/// writes while the kernel runs.
#[gpu_only]
#[inline(always)]
pub unsafe fn ld_global_nc_v4_b32(from: u64) -> [u32; 4] {
    let (a, b, c, d);
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "ld.global.nc.v4.b32 {{{}, {}, {}, {}}}, [{}];",
            out(reg32) a, out(reg32) b, out(reg32) c, out(reg32) d, in(reg64) from,
            options(pure, readonly, nostack),
        );
    }
    [a, b, c, d]
}

/// One thread: stores 4 bytes (`st.global.b32`).
///
/// # Safety
///
/// `to` is the address of global memory of that size, a multiple of it, which no other thread accesses
/// meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn st_global_b32(to: u64, value: u32) {
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "st.global.b32 [{}], {};",
            in(reg64) to, in(reg32) value,
            options(nostack),
        );
    }
}

/// One thread: stores 8 bytes (`st.global.b64`).
///
/// # Safety
///
/// `to` is the address of global memory of that size, a multiple of it, which no other thread accesses
/// meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn st_global_b64(to: u64, value: u64) {
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "st.global.b64 [{}], {};",
            in(reg64) to, in(reg64) value,
            options(nostack),
        );
    }
}

/// One thread: stores 16 bytes (`st.global.v4.b32`).
///
/// # Safety
///
/// `to` is the address of global memory of that size, a multiple of it, which no other thread accesses
/// meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn st_global_v4_b32(to: u64, [a, b, c, d]: [u32; 4]) {
    // SAFETY: the caller promises the address.
    unsafe {
        core::arch::asm!(
            "st.global.v4.b32 [{}], {{{}, {}, {}, {}}};",
            in(reg64) to, in(reg32) a, in(reg32) b, in(reg32) c, in(reg32) d,
            options(nostack),
        );
    }
}
