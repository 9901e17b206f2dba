use cuda_std::prelude::*;

use super::group::Group;
use super::{GROUP_WARPS, GROUPS};
use crate::block_lists::BlockLists;
use crate::div_rem::div_rem;
use crate::share_out::share_out_to_warps;

/// Which rows have chosen each of a tile's blocks.
#[derive(Clone, Copy)]
pub(super) struct Chosen {
    /// u32 `[blocks]`: a bit for each row
    rows: SharedPtr<u32>,
}

impl Chosen {
    /// All threads of the block: finds it out, of so many rows. A barrier has to come before it is asked for.
    ///
    /// # Safety
    ///
    /// The lists are of these rows, the memory has a place for each of their blocks and is this alone, and all threads
    /// come together.
    #[inline(always)]
    pub(super) unsafe fn find(lists: BlockLists, rows: u32, memory: SharedPtr<u32>) -> Self {
        share_out_to_warps(lists.len(), |nth| {
            let block = lists.block(nth);
            let mut chosen = 0;
            let mut at = warp::lane_id();
            while at < rows * lists.topk() {
                let (row, slot) = div_rem(at, lists.topk());
                chosen |= u32::from(lists.id(row, slot) == block) << row;
                at += warp::WARP_SIZE;
            }
            // SAFETY: the caller brings all lanes together.
            let chosen = unsafe { any_lane(chosen) };
            if warp::lane_id() == 0 {
                // SAFETY: the caller promises the place.
                unsafe { memory.add(nth).write(chosen) };
            }
        });
        Self { rows: memory }
    }

    /// Whether one of these rows, a bit for each, has chosen the `nth` block.
    #[inline(always)]
    pub(super) fn by_any_of(self, nth: u32, rows: u32) -> bool {
        self.rows(nth) & rows != 0
    }

    /// Warps of groups that do not use the `nth` block, since none of their rows has chosen it.
    #[inline(always)]
    pub(super) fn others(self, nth: u32, groups: &[Group; GROUPS as usize]) -> u32 {
        let warps = |group: &Group| if self.by_any_of(nth, group.bits()) { 0 } else { GROUP_WARPS };
        groups.iter().map(warps).sum()
    }

    #[inline(always)]
    fn rows(self, nth: u32) -> u32 {
        // SAFETY: it was found out, behind a barrier, and nobody writes it again.
        unsafe { self.rows.add(nth).read() }
    }
}

/// A warp: the bits that any lane gives.
///
/// # Safety
///
/// All lanes come together.
#[inline(always)]
unsafe fn any_lane(mut bits: u32) -> u32 {
    for bit in 0..u32::ilog2(warp::WARP_SIZE) {
        // SAFETY: the caller brings all lanes together.
        bits |= unsafe { warp::warp_shuffle_xor(u32::MAX, bits, 1 << bit, warp::WARP_SIZE) }.0;
    }
    bits
}
