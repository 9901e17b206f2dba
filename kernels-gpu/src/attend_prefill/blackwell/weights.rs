use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{BLOCK, HEAD_DIM};

use super::lane_weights::{LaneWeights, Products, QUARTER};
use super::plane_ring::PlaneRing;
use super::steps::Steps;
use super::tensor_plan::TensorPlan;
use super::{LANES, Lane};
use crate::attend_prefill::tile_blocks::{TileBlock, TileBlocks};
use crate::attend_prefill::values::weighted;
use crate::queries::HEADS;
use crate::request::{Request, keys_before};
use crate::softmax::Sums;

/// A thread that makes weights, those of a row and head.
pub(super) struct Weighing {
    pub(super) lane: Lane,
    pub(super) blocks: TileBlocks,
    pub(super) planes: PlaneRing,
    pub(super) steps: Steps,
    pub(super) tensor: TensorPlan,
    /// `[2, LANES]`
    pub(super) sums: SharedPtr<Sums>,
    pub(super) request: Request,
    /// The block's first row in the request.
    pub(super) first: u32,
    pub(super) magnitude: f32,
}

impl Weighing {
    /// A warpgroup: the weights of all blocks; and of those from the `whole`-th on, of which a row does not see all, the
    /// weighted sums of values too.
    ///
    /// # Safety
    ///
    /// All threads of a warpgroup come here, each with its lane; others copy the blocks' planes, start products and add up.
    #[inline(always)]
    pub(super) unsafe fn weigh_all(self, whole: u32) {
        for nth in 0..self.blocks.len() {
            let (block, step) = (self.blocks.nth(nth), self.steps.nth(nth));
            // SAFETY: the caller's promise. Behind both waits nobody reads what is written here.
            unsafe {
                step.scored().wait(step.phase());
                step.wait_for_place();
                if self.lane.most_times(block) > 0 {
                    self.weigh(nth, block);
                    if nth >= whole {
                        self.add_up(nth, nth - whole, block);
                    }
                    ptx::tcgen05_wait_st();
                }
                step.weighed().arrive_as_warp_and_at_first(step.weighed_by_pair());
            }
        }
    }

    /// A warp: the weights of the `nth` block.
    ///
    /// # Safety
    ///
    /// All lanes come together; the products are there, and nobody reads what is written here.
    #[inline(always)]
    unsafe fn weigh(&self, nth: u32, block: TileBlock) {
        let tensor = self.tensor.of_warp(self.lane.warp());
        // SAFETY: the caller's promise.
        unsafe {
            let products: Products = from_fn(|quarter| {
                let column = quarter as u32 * QUARTER as u32;
                ptx::tcgen05_ld_32x32b_x32(tensor.scores(nth) + column).map(f32::from_bits)
            });
            let visible = self.visible(self.lane.row(), block);
            let weights = LaneWeights::of_products(products, visible, self.magnitude);
            self.sums.add(nth % 2 * LANES + self.lane.0).write(weights.sums);
            for (half, rounded) in (0..).zip(&weights.rounded) {
                let column = half * QUARTER as u32;
                ptx::tcgen05_st_32x32b_x32(tensor.weights(nth) + column, rounded);
            }
        }
    }

    /// A warp: the weighted sums of those values of the `nth` block that each of its rows sees, so that what a row does not see is
    /// not multiplied by zero: it may be NaN. The block is the `last`-th of such.
    ///
    /// # Safety
    ///
    /// All lanes come together; the warp has stored its weights, and nobody reads what is written here.
    #[inline(always)]
    unsafe fn add_up(&self, nth: u32, last: u32, block: TileBlock) {
        let first = self.lane.first_row();
        // SAFETY: the caller's promise.
        unsafe {
            ptx::tcgen05_wait_st();
            let values = self.planes.values_arrived(self.blocks.len(), last);
            for row in first..first + Lane::ROWS {
                let tensor = self.tensor.at_lane(row * HEADS);
                let mut sums = [[0.0; 4]; HEAD_DIM / 8];
                if block.times(row) > 0 {
                    let weights = ptx::tcgen05_ld_16x128b_x16(tensor.weights(nth));
                    sums = weighted(&weights, values, self.visible(row, block));
                }
                ptx::tcgen05_st_16x256b_x16(tensor.sums(nth), &sums);
            }
        }
    }

    /// How many keys of a block a row sees.
    #[inline(always)]
    const fn visible(&self, row: u32, block: TileBlock) -> u32 {
        keys_before(self.request.position(self.first + row) + 1, block.block)
    }
}

const _: () = assert!(BLOCK == 4 * QUARTER);
