use cuda_std::{bf16, ptx};
use msa_abi::BLOCK;

use crate::fragment::{Part, row_max, row_sum};
use crate::row_tile::RowTile;
use crate::softmax::{Sums, reference, weight};

/// A warp's queries of a row: operands A of each step of 16 dims.
pub(super) type Queries = [[u32; 4]; RowTile::STEPS as usize];

/// `[8 keys][element of a fragment]`: rows are heads, columns are keys.
pub(super) type Logits = [[f32; 4]; TILES];

/// A row's weights of a block's keys.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    /// Rounded: operands A of each step of 16 keys. The fragment of a product with two times 8 keys is one of these
    /// as it stands.
    pub(super) rounded: [[u32; 4]; STEPS],
    /// Of the lane's two heads.
    pub(super) sums: [Sums; 2],
}

/// Steps of 16 keys.
const STEPS: usize = BLOCK / 16;

/// Tiles of 8 keys.
const TILES: usize = BLOCK / 8;

/// Tiles of 8 keys whose weights are summed apart, as each of `attend_decode`'s warps does.
const QUARTER: usize = TILES / 4;

impl Weights {
    /// Of no key.
    pub(super) const NONE: Self = Self { rounded: [[0; 4]; STEPS], sums: [Sums::NONE; 2] };

    /// A warp: the weights of the first `visible` keys of a block, for all heads.
    ///
    /// # Safety
    ///
    /// All lanes come together; the keys are there.
    #[inline(always)]
    pub(super) unsafe fn of(
        queries: &Queries,
        keys: RowTile,
        visible: u32,
        scale_log2: f32,
    ) -> Self {
        let mut logits: Logits = [[0.0; 4]; TILES];
        for (step, a) in (0..).zip(queries) {
            for pair in 0..TILES / 2 {
                // SAFETY: the caller promises the keys, and brings all lanes together.
                unsafe {
                    let [b, c] = keys.b_of_rows(16 * pair as u32, step);
                    logits[2 * pair] = ptx::mma_m16n8k16_f32_bf16(*a, b, logits[2 * pair]);
                    logits[2 * pair + 1] = ptx::mma_m16n8k16_f32_bf16(*a, c, logits[2 * pair + 1]);
                }
            }
        }
        // SAFETY: all lanes are together.
        unsafe { Self::of_products(logits, visible, scale_log2) }
    }

    /// A warp: the same from the products of queries and keys.
    ///
    /// # Safety
    ///
    /// All lanes come together.
    #[inline(always)]
    pub(super) unsafe fn of_products(mut logits: Logits, visible: u32, scale_log2: f32) -> Self {
        for logit in logits.as_flattened_mut() {
            *logit *= scale_log2;
        }
        if visible < BLOCK as u32 {
            hide(&mut logits, visible);
        }
        // SAFETY: all lanes are together.
        unsafe { Self::of_logits(&logits) }
    }

    /// A warp: the weights of keys with these logits.
    ///
    /// # Safety
    ///
    /// All lanes come together.
    #[inline(always)]
    unsafe fn of_logits(logits: &Logits) -> Self {
        let mut maxima = [f32::NEG_INFINITY; 2];
        for logits in logits {
            for (at, logit) in logits.iter().enumerate() {
                maxima[at / 2] = maxima[at / 2].max(*logit);
            }
        }
        // SAFETY: the caller brings all lanes together.
        let maxima = unsafe { [row_max(maxima[0]), row_max(maxima[1])] };

        let references = maxima.map(reference);
        let mut weights = Self::NONE;
        let mut sums = [[[0.0_f32; 2]; 2]; TILES / QUARTER];
        for (tile, logits) in logits.iter().enumerate() {
            for half in 0..2 {
                let [a, b] = [0, 1].map(|at| weight(logits[2 * half + at], references[half]));
                let pair = bf16::pack(a, b);
                let (rounded_a, rounded_b) = bf16::unpack(pair);
                let [sum, rounded] = &mut sums[tile / QUARTER][half];
                *sum += a + b;
                *rounded += rounded_a + rounded_b;
                weights.rounded[tile / 2][tile % 2 * 2 + half] = pair;
            }
        }
        for (half, whole) in weights.sums.iter_mut().enumerate() {
            whole.max = maxima[half];
            for quarter in &sums {
                // SAFETY: the caller brings all lanes together.
                unsafe {
                    whole.sum += row_sum(quarter[half][0]);
                    whole.rounded += row_sum(quarter[half][1]);
                }
            }
        }
        weights
    }
}

/// Takes the keys from `visible` on out of what is weighed.
#[inline(always)]
fn hide(logits: &mut Logits, visible: u32) {
    let visible = visible.saturating_sub(Part::of_lane().column);
    for (tile, logits) in (0..).zip(logits) {
        for (at, logit) in (0..).zip(logits) {
            if 8 * tile + at % 2 >= visible {
                *logit = f32::NEG_INFINITY;
            }
        }
    }
}
