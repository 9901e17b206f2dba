use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::BLOCK;

use super::scores::block_maximum;
use super::shared_plan::{SharedPlan, WARPS};
use crate::fragment::Part;
use crate::row_tile::{CHUNK, RowTile};
use crate::softmax::Sums;

/// One thread: the sums of a block's weights, of its two heads.
///
/// # Safety
///
/// A barrier lies between this and their writing.
#[inline(always)]
pub(super) unsafe fn sums(row: u32, plan: SharedPlan) -> [Sums; 2] {
    let part = Part::of_lane();
    from_fn(|half| {
        let head = part.row + 8 * half as u32;
        // SAFETY: the caller promises the barrier.
        let of_warp = |warp| unsafe { plan.sums(row, warp, head).read() };
        let sum = (1..WARPS).fold(of_warp(0), |sum, warp| sum + of_warp(warp));
        // SAFETY: as above.
        let max = unsafe { block_maximum(row, head, plan) };
        Sums { max, sum }
    })
}

/// A warp: the weighted sum of a block's first `visible` values, of its 32 dims: `[8 dims][element of a fragment]`,
/// rows are heads, columns are dims.
///
/// # Safety
///
/// All lanes come together; the weights and the values are there, behind a barrier.
#[inline(always)]
pub(super) unsafe fn weighted(
    values: RowTile,
    row: u32,
    visible: u32,
    plan: SharedPlan,
) -> [[f32; 4]; 4] {
    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    let part = Part::of_lane();
    let weights = plan.weights(row);
    let mut sums = [[0.0_f32; 4]; 4];
    for step in 0..BLOCK as u32 / 16 {
        // What a row does not see is not multiplied by zero: it may be NaN.
        let first_key = 16 * step;
        if first_key < visible {
            let seen = [0, 8].map(|offset| part.rows_before(first_key + offset, visible));
            let mask = |[a, b]: [u32; 2]| [a & seen[0], b & seen[1]];
            // SAFETY: the caller promises weights and values, and brings all lanes together.
            unsafe {
                let a = weights.a(0, step);
                for pair in 0..2 {
                    let chunk = (32 * warp + 16 * pair as u32) / CHUNK;
                    let [b, c] = values.b_of_columns(first_key, chunk);
                    sums[2 * pair] = ptx::mma_m16n8k16_f32_bf16(a, mask(b), sums[2 * pair]);
                    sums[2 * pair + 1] = ptx::mma_m16n8k16_f32_bf16(a, mask(c), sums[2 * pair + 1]);
                }
            }
        }
    }
    sums
}
