use core::array::from_fn;

use cuda_std::prelude::*;
use msa_abi::{AttendParams, HEAD_DIM};

use super::shared_plan::SharedPlan;
use crate::attended::Attended;
use crate::block_lists::{BlockLists, Slots};
use crate::div_rem::div_rem;
use crate::fragment::Part;
use crate::share_out::share_out;
use crate::softmax::Sums;

/// Where a tile's rows put what they find in each block: into a total of the row, or apart in global memory.
#[derive(Clone, Copy)]
pub(super) struct Results {
    attended: Attended,
    /// f32 `[rows, kv_heads, topk, group, HEAD_DIM]`, and the sums that belong to them
    partial_values: GlobalPtr<f32>,
    partial_sums: GlobalPtr<Sums>,
    first_row: u32,
    kv_heads: u32,
    kv_head: u32,
    group: u32,
    topk: u32,
    is_split: bool,
}

impl Results {
    #[inline(always)]
    pub(super) fn new(params: &AttendParams, first_row: u32, kv_head: u32) -> Self {
        Self {
            attended: Attended::new(params),
            partial_values: GlobalPtr::from_address(params.partial_values.address()),
            partial_sums: GlobalPtr::from_address(params.partial_sums.address()),
            first_row,
            kv_heads: params.kv_heads,
            kv_head,
            group: params.group,
            topk: params.topk,
            is_split: params.splits > 1,
        }
    }

    /// All threads of the block: the totals start with nothing. A barrier has to come before the first block.
    ///
    /// # Safety
    ///
    /// The tile has these rows.
    #[inline(always)]
    pub(super) unsafe fn start(self, rows: u32, plan: SharedPlan) {
        if self.is_split {
            return;
        }
        let (warp, part) = (thread::thread_idx_x() / warp::WARP_SIZE, Part::of_lane());
        for row in 0..rows {
            // SAFETY: these are the thread's own.
            unsafe {
                (0..4).for_each(|nth| plan.total(row, nth).write([0.0; 4]));
                if part.is_first() {
                    plan.total_sums(row, warp, part.row).write(Sums::NONE);
                    plan.total_sums(row, warp, part.row + 8).write(Sums::NONE);
                }
            }
        }
    }

    /// All threads of the block: what a row found in a block, which stands in its list at these slots.
    ///
    /// # Safety
    ///
    /// All lanes come together, for each block in turn.
    #[inline(always)]
    pub(super) unsafe fn take(
        self,
        row: u32,
        slots: Slots,
        found: [Sums; 2],
        weighted: [[f32; 4]; 4],
        plan: SharedPlan,
    ) {
        for nth in 0..slots.count {
            // SAFETY: the caller's promise; each of the row's slots is this block's alone.
            unsafe {
                if self.is_split {
                    self.set_apart(row, slots.first + nth, found, weighted);
                } else {
                    join(row, found, weighted, plan);
                }
            }
        }
    }

    /// All threads of the block: puts a block's sums into a slot of their own.
    ///
    /// # Safety
    ///
    /// The slot is this block's alone.
    #[inline(always)]
    unsafe fn set_apart(self, row: u32, slot: u32, found: [Sums; 2], weighted: [[f32; 4]; 4]) {
        let (warp, part) = (thread::thread_idx_x() / warp::WARP_SIZE, Part::of_lane());
        let line = self.line(row, slot);
        for half in 0..2 {
            let head = part.row + 8 * half as u32;
            if head < self.group {
                let line = line + u64::from(head);
                let dims = self.partial_values.add(line * HEAD_DIM as u64);
                let dims = dims.add(u64::from(32 * warp + part.column));
                for (tile, weighted) in (0..).zip(&weighted) {
                    // SAFETY: the slot is the caller's, and of it each lane has its own dims.
                    unsafe {
                        let pair = [weighted[2 * half], weighted[2 * half + 1]];
                        dims.add(8 * tile).cast::<[f32; 2]>().write(pair);
                    }
                }
                if warp == 0 && part.is_first() {
                    // SAFETY: as above, and one lane has each head.
                    unsafe { self.partial_sums.add(line).write(found[half]) };
                }
            }
        }
    }

    /// All threads of the block: says of the slots that hold no block that there is nothing.
    ///
    /// # Safety
    ///
    /// The tile has these rows, and no other block of threads does this.
    #[inline(always)]
    pub(super) unsafe fn leave_empty(self, rows: u32, lists: BlockLists) {
        share_out(rows * lists.topk(), |at| {
            let (row, slot) = div_rem(at, lists.topk());
            if lists.is_empty(row, slot) {
                let line = self.line(row, slot);
                for head in 0..self.group {
                    // SAFETY: nobody has this slot.
                    unsafe { self.partial_sums.add(line + u64::from(head)).write(Sums::NONE) };
                }
            }
        });
    }

    /// All threads of the block: writes the rows' results, where they are complete.
    ///
    /// # Safety
    ///
    /// All lanes come together, after the last block.
    #[inline(always)]
    pub(super) unsafe fn finish(self, rows: u32, plan: SharedPlan) {
        if self.is_split {
            return;
        }
        let (warp, part) = (thread::thread_idx_x() / warp::WARP_SIZE, Part::of_lane());
        for row in 0..rows {
            // SAFETY: the warp's copy of the sums and the thread's own part of the total.
            unsafe {
                warp::sync_warp(u32::MAX);
                let sums: [Sums; 2] =
                    from_fn(|half| plan.total_sums(row, warp, part.row + 8 * half as u32).read());
                let total: [[f32; 4]; 4] = from_fn(|nth| plan.total(row, nth as u32).read());
                for half in 0..2 {
                    let head = part.row + 8 * half as u32;
                    if head < self.group {
                        let line = self
                            .attended
                            .line(self.first_row + row, self.kv_head * self.group + head);
                        for (tile, total) in (0..).zip(&total) {
                            let dim = 32 * warp + 8 * tile + part.column;
                            let pair = [total[2 * half], total[2 * half + 1]];
                            line.write(dim, pair, sums[half]);
                        }
                        if warp == 0 && part.is_first() {
                            line.write_lse(sums[half]);
                        }
                    }
                }
            }
        }
    }

    /// The number of a slot's first head.
    #[inline(always)]
    fn line(self, row: u32, slot: u32) -> u64 {
        let row = u64::from(self.first_row + row) * u64::from(self.kv_heads);
        let slot = (row + u64::from(self.kv_head)) * u64::from(self.topk) + u64::from(slot);
        slot * u64::from(self.group)
    }
}

/// A warp: a block's sums join the total of the row.
///
/// # Safety
///
/// All lanes come together.
#[inline(always)]
unsafe fn join(row: u32, found: [Sums; 2], weighted: [[f32; 4]; 4], plan: SharedPlan) {
    let (warp, part) = (thread::thread_idx_x() / warp::WARP_SIZE, Part::of_lane());
    // SAFETY: the warp's copy of the sums, which one lane of those with the same heads writes after all have read; the
    // thread's own part of the total.
    unsafe {
        warp::sync_warp(u32::MAX);
        let joined: [_; 2] = from_fn(|half| {
            let total = plan.total_sums(row, warp, part.row + 8 * half as u32).read();
            total.join(found[half])
        });
        for (nth, added) in weighted.iter().enumerate() {
            let total = plan.total(row, nth as u32);
            let kept = total.read();
            total.write(from_fn(|at| joined[at / 2].1.join(kept[at], added[at])));
        }
        warp::sync_warp(u32::MAX);
        if part.is_first() {
            for (half, (sums, _)) in joined.iter().enumerate() {
                plan.total_sums(row, warp, part.row + 8 * half as u32).write(*sums);
            }
        }
    }
}
