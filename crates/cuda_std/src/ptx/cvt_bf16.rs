use crate::gpu_only;

/// One thread: two floats rounded to nearest even, packed (`cvt.rn.bf16x2.f32`; sm_80).
#[gpu_only]
#[inline(always)]
pub fn cvt_rn_bf16x2_f32(high: f32, low: f32) -> u32 {
    let pair;
    // SAFETY: arithmetic on registers.
    unsafe {
        core::arch::asm!(
            "cvt.rn.bf16x2.f32 {}, {}, {};",
            out(reg32) pair, in(reg32) high, in(reg32) low,
            options(pure, nomem, nostack),
        );
    }
    pair
}
