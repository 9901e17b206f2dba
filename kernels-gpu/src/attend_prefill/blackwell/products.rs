use cuda_std::ptx;
use msa_abi::{BLOCK, HEAD_DIM};

use super::plane_ring::{HALF_TOKENS, PlaneRing};
use super::steps::Steps;
use super::tensor_plan::TensorPlan;
use super::{BLOCKS, LANES};
use crate::descriptor;
use crate::row_tile::RowTile;

/// The thread that starts products, of both blocks of the pair.
#[derive(Clone, Copy)]
pub(super) struct Products {
    pub(super) queries: RowTile,
    pub(super) planes: PlaneRing,
    pub(super) steps: Steps,
    pub(super) tensor: TensorPlan,
}

/// Products with keys, of the rows of both blocks.
const OF_KEYS: u32 = descriptor::product_of_rows(BLOCKS * LANES);

/// Products with values: columns of B lie one behind the other.
const OF_VALUES: u32 = OF_KEYS | 1 << 16;

/// From 16 rows of a tile to the next, in units of 16 bytes.
const NEXT_ROWS: u64 = (16 * 128) >> 4;

/// Steps of 16 that a product takes.
const STEPS: u32 = HEAD_DIM as u32 / 16;

impl Products {
    /// One thread: all products of `len` blocks, of which all rows see all keys of the first `whole`.
    ///
    /// # Safety
    ///
    /// One thread of the pair's first block comes here; others of both copy the blocks' planes, make weights and add up. The
    /// queries of both are there, seen by the asynchronous proxy.
    #[inline(always)]
    pub(super) unsafe fn start_all(self, len: u32, whole: u32) {
        // SAFETY: the caller's promise. Products of a step start when what they read is there, and what was where they write
        // is read: scores behind the weights of the step before the last, which the last one's values have waited for.
        unsafe {
            if len > 0 {
                self.start_scores(0, whole);
            }
            for nth in 0..len {
                if nth + 1 < len {
                    self.start_scores(nth + 1, whole);
                }
                let step = self.steps.nth(nth);
                step.weighed_by_pair().wait_for_pair(step.phase());
                if nth < whole {
                    // Warps none of whose rows chose the block leave its scores where weights should be.
                    step.scored().wait(step.phase());
                    step.wait_for_place_of_pair();
                    self.start_sums(nth);
                }
            }
        }
    }

    /// One thread: the products of all queries with all keys of the `nth` block.
    ///
    /// # Safety
    ///
    /// The thread is the one that starts products, and nobody reads the scores' place.
    #[inline(always)]
    unsafe fn start_scores(self, nth: u32, whole: u32) {
        // SAFETY: the caller's promise; the stage is used by this product, and by that with values if there is one.
        unsafe {
            let keys = self.planes.arrived(nth).keys.chunk(0, 0);
            let [a, b] = [self.queries.chunk(0, 0), keys].map(descriptor::of_blackwell);
            let scores = self.tensor.scores(nth);
            for step in 0..STEPS {
                let a = a + descriptor::elements_on(step, LANES);
                let b = b + descriptor::elements_on(step, HALF_TOKENS);
                ptx::tcgen05_mma_f16::<BLOCKS>(scores, a, b, OF_KEYS, step > 0);
            }
            if nth >= whole {
                self.planes.used(nth).arrive_in_pair_after_products();
            }
            self.steps.nth(nth).scored().arrive_in_pair_after_products();
        }
    }

    /// One thread: the weighted sums of all values of the `nth` block.
    ///
    /// # Safety
    ///
    /// The thread is the one that starts products, the weights are there, and nobody reads the sums' place.
    #[inline(always)]
    unsafe fn start_sums(self, nth: u32) {
        // SAFETY: the caller's promise; the values came with the keys, and the stage is used by this product.
        unsafe {
            let values = self.planes.halves(nth).values.chunk(0, 0);
            let b = descriptor::of_blackwell(values);
            let (weights, sums) = (self.tensor.weights(nth), self.tensor.sums(nth));
            for step in 0..STEPS {
                let (a, b) = (weights + 8 * step, b + u64::from(step) * NEXT_ROWS);
                ptx::tcgen05_mma_f16_of_tensor::<BLOCKS>(sums, a, b, OF_VALUES, step > 0);
            }
            self.planes.used(nth).arrive_in_pair_after_products();
            self.steps.nth(nth).summed().arrive_in_pair_after_products();
        }
    }
}

// Both products are of 128 columns, in as many steps.
const _: () = assert!(BLOCK == HEAD_DIM && LANES == BLOCK as u32);
