use core::array::from_fn;

use cuda_std::bf16;
use msa_abi::BLOCK;

use crate::softmax::{Sums, reference, weight};

/// A thread's products of a query with a block's keys, by quarters of the block.
pub(super) type Products = [[f32; QUARTER]; 4];

/// Keys whose weights are summed apart.
pub(super) const QUARTER: usize = BLOCK / 4;

/// Weights of a block's keys for a row and head, all of them one thread's.
#[derive(Clone, Copy)]
pub(super) struct LaneWeights {
    /// Rounded, two in a word.
    pub(super) rounded: [[u32; QUARTER]; 2],
    pub(super) sums: Sums,
}

impl LaneWeights {
    /// One thread: the weights of the first `visible` keys.
    #[inline(always)]
    pub(super) fn of_products(mut products: Products, visible: u32, magnitude: f32) -> Self {
        if visible < BLOCK as u32 {
            for (key, product) in (0..).zip(products.as_flattened_mut()) {
                if key >= visible {
                    *product = f32::NEG_INFINITY;
                }
            }
        }
        // Four at a time, so that fewer wait for one another.
        let maxima = products.each_ref().map(|products| {
            products.iter().fold(f32::NEG_INFINITY, |max, product| max.max(*product))
        });
        let max = maxima.into_iter().fold(f32::NEG_INFINITY, f32::max) * magnitude;
        let reference = reference(max);
        let weight = |product: f32| weight(product, magnitude, reference);

        let mut rounded = [[0; QUARTER]; 2];
        let mut sum = 0.0;
        for (quarter, products) in products.iter().enumerate() {
            let weights = products.map(weight);
            sum += sum_as_four_lanes(&weights);
            for pair in 0..QUARTER / 2 {
                let word = bf16::pack(weights[2 * pair], weights[2 * pair + 1]);
                rounded[quarter / 2][quarter % 2 * (QUARTER / 2) + pair] = word;
            }
        }
        Self { rounded, sums: Sums { max, sum } }
    }
}

/// The sum of a quarter's weights in the order in which four lanes add them up that have a fragment of `mma.sync`, as
/// [`row_sum`](crate::fragment::row_sum) ends it: of each eight keys a lane has two neighbours.
#[inline(always)]
fn sum_as_four_lanes(weights: &[f32; QUARTER]) -> f32 {
    let [a, b, c, d]: [f32; 4] = from_fn(|lane| {
        let mut sum = 0.0;
        for eight in 0..QUARTER / 8 {
            let first = 8 * eight + 2 * lane;
            sum += weights[first] + weights[first + 1];
        }
        sum
    });
    (a + b) + (c + d)
}
