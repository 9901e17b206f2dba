use cuda_std::{bf16, ptx};
use msa_abi::BLOCK;

use crate::fragment::{Part, row_max, row_sum};
use crate::row_tile::RowTile;
use crate::softmax::{Sums, reference, weight};

/// A warp's queries of a row: operands A of each step of 16 dims.
pub(super) type Queries = [[u32; 4]; RowTile::STEPS as usize];

/// `[8 keys][element of a fragment]`: rows are heads, columns are keys.
pub(super) type Products = [[f32; 4]; TILES];

/// A row's weights of a block's keys, rounded: operands A of each step of 16 keys.
pub(super) type Rounded = [[u32; 4]; STEPS];

/// A row's weights of a block's keys.
#[derive(Clone, Copy)]
pub(super) struct Weights {
    /// The fragment of a product with two times 8 keys is one of these operands as it stands.
    pub(super) rounded: Rounded,
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
        magnitude: f32,
    ) -> Self {
        let mut products: Products = [[0.0; 4]; TILES];
        for (step, a) in (0..).zip(queries) {
            for pair in 0..TILES / 2 {
                // SAFETY: the caller promises the keys, and brings all lanes together.
                unsafe {
                    let [b, c] = keys.b_of_rows(16 * pair as u32, step);
                    products[2 * pair] = ptx::mma_m16n8k16_f32_bf16(*a, b, products[2 * pair]);
                    products[2 * pair + 1] =
                        ptx::mma_m16n8k16_f32_bf16(*a, c, products[2 * pair + 1]);
                }
            }
        }
        // SAFETY: all lanes are together.
        unsafe { Self::of_products(products, visible, magnitude) }
    }

    /// A warp: the same from the products of queries and keys.
    ///
    /// # Safety
    ///
    /// All lanes come together.
    #[inline(always)]
    pub(super) unsafe fn of_products(mut products: Products, visible: u32, magnitude: f32) -> Self {
        if visible < BLOCK as u32 {
            hide(&mut products, visible);
        }
        let mut maxima = [f32::NEG_INFINITY; 2];
        for [a, b, c, d] in &products {
            // Of two at a time, so that half as many wait for one another.
            maxima = [maxima[0].max(a.max(*b)), maxima[1].max(c.max(*d))];
        }
        // SAFETY: the caller brings all lanes together.
        let maxima = unsafe { [row_max(maxima[0]), row_max(maxima[1])].map(|max| max * magnitude) };

        let references = maxima.map(reference);
        let mut weights = Self::NONE;
        let mut sums = [[0.0_f32; 2]; TILES / QUARTER];
        for (tile, products) in products.iter().enumerate() {
            for half in 0..2 {
                let [a, b] =
                    [0, 1].map(|at| weight(products[2 * half + at], magnitude, references[half]));
                let pair = bf16::pack(a, b);
                sums[tile / QUARTER][half] += a + b;
                weights.rounded[tile / 2][tile % 2 * 2 + half] = pair;
            }
        }
        for (half, whole) in weights.sums.iter_mut().enumerate() {
            whole.max = maxima[half];
            for quarter in &sums {
                // SAFETY: the caller brings all lanes together.
                whole.sum += unsafe { row_sum(quarter[half]) };
            }
        }
        weights
    }
}

/// Takes the keys from `visible` on out of what is weighed.
#[inline(always)]
fn hide(products: &mut Products, visible: u32) {
    let visible = visible.saturating_sub(Part::of_lane().column);
    for (tile, products) in (0..).zip(products) {
        for (at, product) in (0..).zip(products) {
            if 8 * tile + at % 2 >= visible {
                *product = f32::NEG_INFINITY;
            }
        }
    }
}
