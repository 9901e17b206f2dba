use crate::gpu_only;

/// One thread: `a * b + c`, rounded once (`fma.rn.f32`).
#[gpu_only]
#[inline(always)]
pub fn fma_rn_f32(a: f32, b: f32, c: f32) -> f32 {
    let sum;
    // SAFETY: arithmetic on registers.
    unsafe {
        core::arch::asm!(
            "fma.rn.f32 {}, {}, {}, {};",
            out(reg32) sum, in(reg32) a, in(reg32) b, in(reg32) c,
            options(pure, nomem, nostack),
        );
    }
    sum
}

/// One thread: 2 to the power of `x`, to within 2 units in the last place; subnormal results are 0
/// (`ex2.approx.ftz.f32`).
#[gpu_only]
#[inline(always)]
pub fn ex2_approx_ftz_f32(x: f32) -> f32 {
    let power;
    // SAFETY: arithmetic on registers.
    unsafe {
        core::arch::asm!(
            "ex2.approx.ftz.f32 {}, {};",
            out(reg32) power, in(reg32) x,
            options(pure, nomem, nostack),
        );
    }
    power
}

/// One thread: the logarithm of `x` to base 2, to within 2^-22 (`lg2.approx.ftz.f32`).
#[gpu_only]
#[inline(always)]
pub fn lg2_approx_ftz_f32(x: f32) -> f32 {
    let logarithm;
    // SAFETY: arithmetic on registers.
    unsafe {
        core::arch::asm!(
            "lg2.approx.ftz.f32 {}, {};",
            out(reg32) logarithm, in(reg32) x,
            options(pure, nomem, nostack),
        );
    }
    logarithm
}

/// One thread: `1 / x`, to within 1 unit in the last place (`rcp.approx.ftz.f32`).
#[gpu_only]
#[inline(always)]
pub fn rcp_approx_ftz_f32(x: f32) -> f32 {
    let reciprocal;
    // SAFETY: arithmetic on registers.
    unsafe {
        core::arch::asm!(
            "rcp.approx.ftz.f32 {}, {};",
            out(reg32) reciprocal, in(reg32) x,
            options(pure, nomem, nostack),
        );
    }
    reciprocal
}
