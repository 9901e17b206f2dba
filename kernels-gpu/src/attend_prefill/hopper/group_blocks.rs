use cuda_std::prelude::*;

use super::group::is_used_by;
use crate::attend_prefill::tile_blocks::TileBlocks;

/// A warp: which of a tile's blocks its group uses, one after the other. It looks at 32 of them at a time, a lane at each.
pub(super) struct GroupBlocks {
    blocks: TileBlocks,
    group: u32,
    /// Blocks before this one were looked at.
    end: u32,
    /// Of the last 32 that were looked at, a bit for each that comes yet.
    left: u32,
}

impl GroupBlocks {
    #[inline(always)]
    pub(super) const fn new(blocks: TileBlocks, group: u32) -> Self {
        Self { blocks, group, end: 0, left: 0 }
    }

    /// A warp: the place of the next one among the tile's blocks, if there is one.
    ///
    /// # Safety
    ///
    /// All lanes come together.
    #[inline(always)]
    pub(super) unsafe fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            if self.end >= self.blocks.len() {
                return None;
            }
            let nth = self.end + warp::lane_id();
            let is_used = nth < self.blocks.len() && is_used_by(self.blocks.nth(nth), self.group);
            // SAFETY: the caller brings all lanes together.
            self.left = unsafe { warp::warp_vote_ballot(u32::MAX, is_used) };
            self.end += warp::WARP_SIZE;
        }
        let bit = self.left.trailing_zeros();
        self.left &= self.left - 1;
        Some(self.end - warp::WARP_SIZE + bit)
    }
}
