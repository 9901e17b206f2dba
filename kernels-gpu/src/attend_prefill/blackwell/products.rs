use cuda_std::ptx;
use msa_abi::{BLOCK, HEAD_DIM};

use super::LANES;
use super::plane_ring::PlaneRing;
use super::steps::Steps;
use super::tensor_plan::TensorPlan;
use crate::descriptor;
use crate::row_tile::RowTile;

/// The thread that starts products.
#[derive(Clone, Copy)]
pub(super) struct Products {
    pub(super) queries: RowTile,
    pub(super) planes: PlaneRing,
    pub(super) steps: Steps,
    pub(super) tensor: TensorPlan,
}

/// Products with values: columns of B lie one behind the other.
const OF_VALUES: u32 = descriptor::PRODUCT_OF_ROWS | 1 << 16;

/// From 16 rows of a tile to the next, in units of 16 bytes.
const NEXT_ROWS: u64 = (16 * 128) >> 4;

/// Steps of 16 that a product takes.
const STEPS: u32 = HEAD_DIM as u32 / 16;

impl Products {
    /// One thread: all products of `len` blocks, of which all rows see all keys of the first `whole`.
    ///
    /// # Safety
    ///
    /// One thread of the block comes here; others copy the blocks' planes, make weights and add up. The queries are there, seen
    /// by the asynchronous proxy.
    #[inline(always)]
    pub(super) unsafe fn start_all(self, len: u32, whole: u32) {
        // SAFETY: the caller's promise. Products of a step start when what they read is there, and what was where they write
        // is read: scores behind the weights of the step before the last, which the last one's values have waited for.
        unsafe {
            if len > 0 {
                self.start_scores(0);
            }
            for nth in 0..len {
                if nth + 1 < len {
                    self.start_scores(nth + 1);
                }
                let step = self.steps.nth(nth);
                step.weighed().wait(step.phase());
                if nth < whole {
                    step.wait_for_place();
                    self.start_sums(nth);
                } else {
                    self.planes.used(2 * nth + 1).arrive();
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
    unsafe fn start_scores(self, nth: u32) {
        // SAFETY: the caller's promise; the plane is used by this product.
        unsafe {
            let keys = self.planes.arrived(2 * nth).chunk(0, 0);
            let [a, b] = [self.queries.chunk(0, 0), keys].map(descriptor::of_blackwell);
            let scores = self.tensor.scores(nth);
            for step in 0..STEPS {
                let at = descriptor::elements_on(step);
                ptx::tcgen05_mma_f16(scores, a + at, b + at, descriptor::PRODUCT_OF_ROWS, step > 0);
            }
            self.planes.used(2 * nth).arrive_after_products();
            self.steps.nth(nth).scored().arrive_after_products();
        }
    }

    /// One thread: the weighted sums of all values of the `nth` block.
    ///
    /// # Safety
    ///
    /// The thread is the one that starts products, the weights are there, and nobody reads the sums' place.
    #[inline(always)]
    unsafe fn start_sums(self, nth: u32) {
        // SAFETY: the caller's promise; the plane is used by this product.
        unsafe {
            let values = self.planes.arrived(2 * nth + 1).chunk(0, 0);
            let b = descriptor::of_blackwell(values);
            let (weights, sums) = (self.tensor.weights(nth), self.tensor.sums(nth));
            for step in 0..STEPS {
                let (a, b) = (weights + 8 * step, b + u64::from(step) * NEXT_ROWS);
                ptx::tcgen05_mma_f16_of_tensor(sums, a, b, OF_VALUES, step > 0);
            }
            self.planes.used(2 * nth + 1).arrive_after_products();
            self.steps.nth(nth).summed().arrive_after_products();
        }
    }
}

// Both products are of 128 columns, in as many steps.
const _: () = assert!(BLOCK == HEAD_DIM && LANES == BLOCK as u32);
