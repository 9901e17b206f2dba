use cuda_std::ptx;
use msa_abi::HEAD_DIM;

use super::weights::Rounded;
use crate::fragment::Part;
use crate::row_tile::{CHUNK, RowTile};

/// A warp's sums over a row's keys: `[8 dims][element of a fragment]`, rows are heads, columns are dims.
pub(super) type Values = [[f32; 4]; HEAD_DIM / 8];

/// A warp: the sum of a block's first `visible` values by these weights.
///
/// # Safety
///
/// All lanes come together; the values are there.
#[inline(always)]
pub(super) unsafe fn weighted(weights: &Rounded, values: RowTile, visible: u32) -> Values {
    let mut sums = [[0.0_f32; 4]; HEAD_DIM / 8];
    let mut last = [0; 4];
    for (step, a) in (0..).zip(weights) {
        let first_key = 16 * step;
        if first_key + 16 <= visible {
            // SAFETY: the caller promises the values, and brings all lanes together.
            unsafe { add(&mut sums, *a, values, first_key, |b| b) };
        } else if first_key < visible {
            last = *a;
        }
    }
    let first_key = visible / 16 * 16;
    if first_key < visible {
        // What a row does not see is not multiplied by zero: it may be NaN.
        let part = Part::of_lane();
        let seen = [0, 8].map(|offset| part.rows_before(first_key + offset, visible));
        // SAFETY: as above.
        unsafe { add(&mut sums, last, values, first_key, |[a, b]| [a & seen[0], b & seen[1]]) };
    }
    sums
}

/// A warp: adds the products with 16 values, whose operands `mask` is put over.
///
/// # Safety
///
/// All lanes come together; the values are there.
#[inline(always)]
unsafe fn add(
    sums: &mut Values,
    weights: [u32; 4],
    values: RowTile,
    first_key: u32,
    mask: impl Fn([u32; 2]) -> [u32; 2],
) {
    for pair in 0..HEAD_DIM / 16 {
        // SAFETY: the caller promises the values, and brings all lanes together.
        unsafe {
            let [b, c] = values.b_of_columns(first_key, 2 * pair as u32);
            sums[2 * pair] = ptx::mma_m16n8k16_f32_bf16(weights, mask(b), sums[2 * pair]);
            sums[2 * pair + 1] = ptx::mma_m16n8k16_f32_bf16(weights, mask(c), sums[2 * pair + 1]);
        }
    }
}

// A product's two tiles of columns are two chunks.
const _: () = assert!(CHUNK == 8);
