use crate::gpu_only;

// Its size is the launch's to say. The largest swizzle has a pattern of 1024 bytes.
#[cfg(target_arch = "nvptx64")]
core::arch::global_asm!(".extern .shared .align 1024 .b8 cuda_std_dynamic_shared[];");

/// One thread: where the dynamic shared memory starts.
#[gpu_only]
#[inline(always)]
pub fn dynamic_shared_address() -> u32 {
    let address;
    // SAFETY: the address of a symbol that this file declares.
    unsafe {
        core::arch::asm!(
            "mov.u32 {}, cuda_std_dynamic_shared;",
            out(reg32) address,
            options(pure, nomem, nostack),
        );
    }
    address
}

/// One thread: where the static shared memory starts that this place in the kernel declares, as large as
/// a `T` and aligned to 16.
#[gpu_only]
#[inline(always)]
pub fn static_shared_address<T>() -> u32 {
    let address;
    // SAFETY: the address of a variable that the same block of PTX declares. It is not `pure`: two
    // places must not become one.
    unsafe {
        core::arch::asm!(
            "{{ .shared .align 16 .b8 memory[{bytes}]; mov.u32 {address}, memory; }}",
            bytes = const size_of::<T>(), address = out(reg32) address,
            options(nomem, nostack),
        );
    }
    address
}

/// One thread: the generic address of a shared one (`cvta.shared.u64`).
#[gpu_only]
#[inline(always)]
pub fn generic_from_shared(address: u32) -> u64 {
    let generic;
    // SAFETY: arithmetic on registers.
    unsafe {
        core::arch::asm!(
            "cvta.shared.u64 {}, {};",
            out(reg64) generic, in(reg64) u64::from(address),
            options(pure, nomem, nostack),
        );
    }
    generic
}
