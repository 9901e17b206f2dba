use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::BLOCK;

use super::scores::block_maximum;
use super::scratch::{Scratch, WARPS};
use crate::fragment::Part;
use crate::row_tile::{CHUNK, RowTile};
use crate::softmax::Sums;

/// One thread: the sums of a block's weights, of its two heads.
///
/// # Safety
///
/// A barrier lies between this and their writing.
#[inline(always)]
pub(super) unsafe fn sums(row: u32, scratch: Scratch) -> [Sums; 2] {
    let part = Part::of_lane();
    from_fn(|half| {
        let head = part.row + 8 * half as u32;
        // SAFETY: the caller promises the barrier.
        let of_warp = |warp| unsafe { scratch.sums(row, warp, head).read() };
        let sum = (1..WARPS).fold(of_warp(0), |sum, warp| sum + of_warp(warp));
        // SAFETY: as above.
        let max = unsafe { block_maximum(row, head, scratch) };
        Sums { max, sum }
    })
}

/// A warp's sums over a block's keys: `[8 dims][element of a fragment]`, rows are heads, columns are dims.
pub(super) type Weighted = [[f32; 4]; 4];

/// A warp: the weighted sum of a block's first `visible` values, of its 32 dims.
///
/// # Safety
///
/// All lanes come together; the weights and the values are there, behind a barrier.
#[inline(always)]
pub(super) unsafe fn weighted(
    values: RowTile,
    row: u32,
    visible: u32,
    scratch: Scratch,
) -> Weighted {
    const STEPS: u32 = BLOCK as u32 / 16;
    let part = Part::of_lane();
    let mut sums = [[0.0_f32; 4]; 4];
    // SAFETY: the caller promises weights and values, and brings all lanes together.
    unsafe {
        if visible == BLOCK as u32 {
            (0..STEPS).for_each(|step| add(&mut sums, values, row, step, scratch, |b| b));
        } else {
            // What a row does not see is not multiplied by zero: it may be NaN.
            for step in 0..visible.div_ceil(16) {
                let seen = [0, 8].map(|offset| part.rows_before(16 * step + offset, visible));
                add(&mut sums, values, row, step, scratch, |[a, b]| [a & seen[0], b & seen[1]]);
            }
        }
    }
    sums
}

/// A warp: adds the products with 16 values, whose operands `mask` is put over.
///
/// # Safety
///
/// As [`weighted`].
#[inline(always)]
unsafe fn add(
    sums: &mut Weighted,
    values: RowTile,
    row: u32,
    step: u32,
    scratch: Scratch,
    mask: impl Fn([u32; 2]) -> [u32; 2],
) {
    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    // SAFETY: the caller's promise.
    unsafe {
        let a = scratch.weights(row).a(0, step);
        for pair in 0..2 {
            let chunk = (32 * warp + 16 * pair as u32) / CHUNK;
            let [b, c] = values.b_of_columns(16 * step, chunk);
            sums[2 * pair] = ptx::mma_m16n8k16_f32_bf16(a, mask(b), sums[2 * pair]);
            sums[2 * pair + 1] = ptx::mma_m16n8k16_f32_bf16(a, mask(c), sums[2 * pair + 1]);
        }
    }
}
