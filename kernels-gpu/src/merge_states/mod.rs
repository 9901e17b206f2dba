//! Joins what shards have given of the same rows: GPUs that each have some of a request's blocks, and have attended to
//! these alone.
//!
//! Half a warp has a row and a head, each lane 8 dims: 16 bytes of each shard. First it looks for the largest of the
//! shards' logarithms; then each shard that saw a key joins, in ascending order, with the weight that its logarithm gives
//! it beside the largest. Lanes need nothing of one another, so that nothing is kept in shared memory and none waits.
//!
//! [`attend_combine`](crate::attend_combine) joins too, but sums that were not rounded, relative to a maximum of their
//! own, in the very order and arithmetic in which one block of threads would have; and its powers of two are as exact as
//! the GPU's own. Here shards may be GPUs of several kinds: `exp` and `ln` are those of `msa_abi`, by which every device,
//! and the CPU, gets the same bits. A lane computes one `exp` for 16 bytes of a shard, and one `ln`.

use core::array::from_fn;

use cuda_std::bf16;
use cuda_std::prelude::*;
use cuda_std::ptx::fma_rn_f32 as fma;
use msa_abi::{HEAD_DIM, MergeStatesParams, exp, merged_lse};

/// Shards whose logarithms, and then outputs, are on their way at a time.
const AT_ONCE: usize = 8;

/// Elements of a lane, in pairs.
const PAIRS: usize = MergeStatesParams::ELEMENTS as usize / 2;

/// Merges each row and head. [`MergeStatesParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 128)]
pub unsafe fn merge_states(params: MergeStatesParams) {
    let lanes = MergeStatesParams::THREADS / MergeStatesParams::LINES;
    let thread = thread::thread_idx_x();
    let row = thread::block_idx_x();
    let head = thread::block_idx_y() * MergeStatesParams::LINES + thread / lanes;
    if head >= params.heads {
        return;
    }
    let dim = u64::from(MergeStatesParams::ELEMENTS * (thread % lanes));
    let shards = Shards::new(&params, row, head, dim);

    let mut max = f32::NEG_INFINITY;
    let mut start = 0;
    while start < params.shards {
        // SAFETY: the kernel's promise.
        let lses = unsafe { shards.lses(start) };
        for lse in &lses {
            // NaN is passed over here, and not below.
            max = if *lse > max { *lse } else { max };
        }
        start += AT_ONCE as u32;
    }

    // The zero that changes no number that is added to it, not even -0.
    let (mut sum, mut total) = (0.0, [[-0.0_f32; 2]; PAIRS]);
    let mut start = 0;
    while start < params.shards {
        // SAFETY: the kernel's promise; a shard that is not there saw no key.
        let (lses, means) = unsafe {
            let lses = shards.lses(start);
            let means: [[u32; PAIRS]; AT_ONCE] = from_fn(|nth| {
                let saw_key = lses[nth] != f32::NEG_INFINITY;
                if saw_key { shards.output(start + nth as u32) } else { [0; PAIRS] }
            });
            (lses, means)
        };
        for nth in 0..AT_ONCE {
            if lses[nth] != f32::NEG_INFINITY {
                let weight = exp(lses[nth] - max, fma);
                sum += weight;
                total = from_fn(|pair| {
                    let (low, high) = bf16::unpack(means[nth][pair]);
                    let [total_low, total_high] = total[pair];
                    [fma(weight, low, total_low), fma(weight, high, total_high)]
                });
            }
        }
        start += AT_ONCE as u32;
    }

    let is_empty = sum == 0.0;
    let normaliser = 1.0 / sum;
    let merged: [u32; PAIRS] = from_fn(|pair| {
        let [low, high] = total[pair];
        if is_empty { 0 } else { bf16::pack(low * normaliser, high * normaliser) }
    });
    let line = u64::from(row) * u64::from(params.heads) + u64::from(head);
    let output = GlobalPtr::<u16>::from_address(params.output.address());
    // SAFETY: each lane has its own dims of the line, and the half of a warp the line.
    unsafe { output.add(line * HEAD_DIM as u64 + dim).cast::<[u32; PAIRS]>().write(merged) };
    if dim == 0 && params.lse.address() != 0 {
        let lse = GlobalPtr::<f32>::from_address(params.lse.address()).add(line);
        // SAFETY: one lane has the line's.
        unsafe { lse.write(merged_lse(max, sum, fma)) };
    }
}

/// What the shards have given of a row and head, in a lane's dims.
#[derive(Clone, Copy)]
struct Shards {
    lse: GlobalPtr<f32>,
    lse_stride: u64,
    output: GlobalPtr<u16>,
    output_stride: u64,
    count: u32,
}

impl Shards {
    #[inline(always)]
    fn new(params: &MergeStatesParams, row: u32, head: u32, dim: u64) -> Self {
        let (row, head) = (u64::from(row), u64::from(head));
        let lse = GlobalPtr::from_address(params.partial_lse.address());
        let output = GlobalPtr::from_address(params.partial_output.address());
        Self {
            lse: lse.add(row * params.lse_row_stride + head),
            lse_stride: params.lse_shard_stride,
            output: output
                .add(row * params.output_row_stride + head * params.output_head_stride + dim),
            output_stride: params.output_shard_stride,
            count: params.shards,
        }
    }

    /// The logarithms of some shards from `start` on; -inf of those that are not there.
    ///
    /// # Safety
    ///
    /// Each shard has one of the row and head.
    #[inline(always)]
    unsafe fn lses(self, start: u32) -> [f32; AT_ONCE] {
        from_fn(|nth| {
            let shard = start + nth as u32;
            let is_there = shard < self.count;
            if is_there {
                // SAFETY: the caller's promise.
                unsafe { self.lse.add(u64::from(shard) * self.lse_stride).read() }
            } else {
                f32::NEG_INFINITY
            }
        })
    }

    /// A shard's output, as it is packed.
    ///
    /// # Safety
    ///
    /// There is such a shard, and it has one of the row and head.
    #[inline(always)]
    unsafe fn output(self, shard: u32) -> [u32; PAIRS] {
        let output = self.output.add(u64::from(shard) * self.output_stride);
        // SAFETY: the caller's promise; strides and dims are multiples of 16 bytes.
        unsafe { output.cast::<[u32; PAIRS]>().read() }
    }
}

// An attribute takes no constant.
const _: () = assert!(MergeStatesParams::THREADS == 128);
