use cuda_std::ptx;
use msa_abi::BLOCK;

use super::GROUP_PAIRS;
use super::key_ring::KeyRing;
use super::steps::Steps;
use super::tensor_plan::TensorPlan;
use crate::descriptor;
use crate::row_tile::RowTile;

/// What is told of a product: a group's pairs are its rows.
const PRODUCT: u32 = descriptor::product_of_rows(GROUP_PAIRS);

/// The thread that starts products.
#[derive(Clone, Copy)]
pub(super) struct Products {
    pub(super) keys: KeyRing,
    pub(super) steps: Steps,
    pub(super) tensor: TensorPlan,
}

impl Products {
    /// One thread: the products of all groups with so many blocks.
    ///
    /// # Safety
    ///
    /// One thread of the block comes here; others copy the blocks' keys, and groups give their queries and take maxima.
    #[inline(always)]
    pub(super) unsafe fn start_all(self, blocks: u32) {
        let Some(last) = blocks.checked_sub(1) else { return };
        // SAFETY: the caller's promise. A product starts when what it reads is there, and what was where it writes is read. At
        // the end nothing is on its way to the barriers: products end in turn.
        unsafe {
            self.steps.asked().wait(0);
            for nth in 0..blocks {
                let keys = self.keys.arrived(nth);
                for group in 0..self.steps.groups {
                    self.start(nth, group, keys);
                }
            }
            self.keys.wait_until_used(last);
        }
    }

    /// One thread: the product of a group with the `nth` block.
    ///
    /// # Safety
    ///
    /// The thread is the one that starts products, and the keys are there.
    #[inline(always)]
    unsafe fn start(self, nth: u32, group: u32, keys: RowTile) {
        let step = self.steps.nth(nth, group);
        let (scores, queries) = (self.tensor.scores(step.place()), self.tensor.queries(group));
        let b = descriptor::of_blackwell(keys.chunk(0, 0));
        // SAFETY: the caller's promise; the keys are used by the products of all groups.
        unsafe {
            step.wait_for_place();
            for part in 0..RowTile::STEPS {
                let (a, b) = (queries + 8 * part, b + descriptor::elements_on(part, BLOCK as u32));
                ptx::tcgen05_mma_f16_of_tensor::<1>(scores, a, b, PRODUCT, part > 0);
            }
            if group + 1 == self.steps.groups {
                self.keys.used(nth).arrive_after_products();
            }
            step.scored().arrive_after_products();
        }
    }
}
