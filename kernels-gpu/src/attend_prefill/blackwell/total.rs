use cuda_std::prelude::*;
use cuda_std::ptx;

use super::steps::Steps;
use super::tensor_plan::TensorPlan;
use super::{LANES, Lane};
use crate::attend_prefill::tile_blocks::TileBlocks;
use crate::attended::Line;
use crate::softmax::Sums;

/// What a thread has found for a row and head in the blocks so far.
pub(super) struct Total {
    sums: Sums,
    values: [[f32; QUARTER]; 4],
}

/// Dims that are loaded at a time.
const QUARTER: usize = 32;

impl Total {
    /// A warpgroup: of all blocks, of which all rows see all keys of the first `whole`.
    ///
    /// # Safety
    ///
    /// All threads of a warpgroup come here, each with its lane; others start products and make weights, whose maxima and sums
    /// come to `found`, `[2, LANES]`.
    #[inline(always)]
    pub(super) unsafe fn of_all(
        lane: Lane,
        blocks: TileBlocks,
        whole: u32,
        steps: Steps,
        tensor: TensorPlan,
        found: SharedPtr<Sums>,
    ) -> Self {
        let tensor = tensor.of_warp(lane.warp());
        let mut total = Self { sums: Sums::NONE, values: [[0.0; _]; _] };
        for nth in 0..blocks.len() {
            let (block, step) = (blocks.nth(nth), steps.nth(nth));
            // SAFETY: the caller's promise. Sums of weights and of values are there, until this warp has arrived.
            unsafe {
                step.weighed().wait(step.phase());
                if nth < whole {
                    step.summed().wait(step.phase());
                }
                let (times, most) = (block.times(lane.row()), lane.most_times(block));
                for turn in 0..most {
                    let found = found.add(nth % 2 * LANES + lane.0).read();
                    total.join(turn < times, found, tensor.sums(nth));
                }
                step.joined().arrive_as_warp_and_at_first(step.joined_by_pair());
            }
        }
        total
    }

    /// A warp: takes in a block's sums, for those lanes that do.
    ///
    /// # Safety
    ///
    /// All lanes come together; the weighted sums are there.
    #[inline(always)]
    unsafe fn join(&mut self, joins: bool, found: Sums, weighted: u32) {
        let (sums, scales) = self.sums.join(found);
        if joins {
            self.sums = sums;
        }
        for (quarter, values) in (0..).zip(&mut self.values) {
            // SAFETY: the caller's promise.
            let added = unsafe { ptx::tcgen05_ld_32x32b_x32(weighted + quarter * QUARTER as u32) };
            if joins {
                for (kept, added) in values.iter_mut().zip(&added) {
                    *kept = scales.join(*kept, f32::from_bits(*added));
                }
            }
        }
    }

    /// One thread: the means.
    ///
    /// # Safety
    ///
    /// The line is the thread's.
    #[inline(always)]
    pub(super) unsafe fn write(&self, line: Line) {
        for (eight, values) in (0..).zip(self.values.as_flattened().as_chunks().0) {
            // SAFETY: the caller's promise.
            unsafe { line.write_eight(8 * eight, *values, self.sums) };
        }
        // SAFETY: as above.
        unsafe { line.write_lse(self.sums) };
    }
}
