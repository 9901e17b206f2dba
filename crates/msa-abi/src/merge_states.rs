use crate::{DevicePtr, HEAD_DIM, layout::layout, ln};

/// Parameters of the kernel `merge_states`: joins what shards have given of the same rows and heads, each of keys of its
/// own.
///
/// Launch it with a grid of `(rows, ceil(heads / LINES))`, a block of [`THREADS`](Self::THREADS) threads, and no dynamic
/// shared memory. [`LINES`](Self::LINES) is how many heads of a row a block has.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub struct MergeStatesParams {
    /// bf16 `[shards, rows, heads, HEAD_DIM]`, a multiple of 16 bytes. Of a shard whose `partial_lse` is -inf nothing is read.
    pub partial_output: DevicePtr<u16>,
    /// Elements from a shard's outputs to the next shard's, a multiple of 8.
    pub output_shard_stride: u64,
    /// As above, from a row to the next.
    pub output_row_stride: u64,
    /// As above, from a head to the next.
    pub output_head_stride: u64,
    /// f32 `[shards, rows, heads]`: natural log of each shard's softmax denominator; -inf where it saw no key
    pub partial_lse: DevicePtr<f32>,
    /// Elements from a shard's to the next shard's.
    pub lse_shard_stride: u64,
    /// As above, from a row to the next.
    pub lse_row_stride: u64,
    /// bf16 `[rows, heads, HEAD_DIM]`, dense: the result
    pub output: DevicePtr<u16>,
    /// f32 `[rows, heads]`, dense, or 0: natural log of the softmax denominator of all shards' keys
    pub lse: DevicePtr<f32>,
    /// Shards, at least 1.
    pub shards: u32,
    /// Query heads.
    pub heads: u32,
}

impl MergeStatesParams {
    /// Threads of a block.
    pub const THREADS: u32 = 128;

    /// Elements that a thread has of each shard: 16 bytes.
    pub const ELEMENTS: u32 = 8;

    /// Heads that a block has: half a warp for each.
    pub const LINES: u32 = Self::THREADS / (HEAD_DIM as u32 / Self::ELEMENTS);
}

const _: () = assert!(size_of::<MergeStatesParams>() == 80 && align_of::<MergeStatesParams>() == 8);

layout!(MergeStatesParams {
    partial_output,
    output_shard_stride,
    output_row_stride,
    output_head_stride,
    partial_lse,
    lse_shard_stride,
    lse_row_stride,
    output,
    lse,
    shards,
    heads,
});

/// The logarithm of a softmax's denominator, from the largest of the shards' logarithms and the sum of their weights
/// `exp(lse - max)`, of which one is 1: -inf where there is no weight, NaN where one is NaN, and of one shard its own, to
/// the last bit. `fma` as in [`exp`](crate::exp).
#[inline(always)]
pub fn merged_lse(max: f32, sum: f32, fma: impl Fn(f32, f32, f32) -> f32) -> f32 {
    if sum > 1.0 {
        max + ln(sum, fma)
    } else if sum.is_nan() {
        sum
    } else {
        max
    }
}
