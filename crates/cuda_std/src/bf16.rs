//! bfloat16, the upper half of an `f32`. Kernels keep two of them in a 32-bit word, as memory and the
//! tensor cores do.

use crate::gpu_only;

/// Two floats rounded to the nearest bfloat16, ties to even: `low` in the lower half of the word.
#[gpu_only]
#[inline(always)]
pub fn pack(low: f32, high: f32) -> u32 {
    crate::ptx::cvt_rn_bf16x2_f32(high, low)
}

/// The two floats of a word, lower half first. Exact.
///
/// ```
/// assert_eq!(cuda_std::bf16::unpack(0xc020_3f80), (1.0, -2.5));
/// ```
#[inline(always)]
pub const fn unpack(pair: u32) -> (f32, f32) {
    (f32::from_bits(pair << 16), f32::from_bits(pair & 0xffff_0000))
}
