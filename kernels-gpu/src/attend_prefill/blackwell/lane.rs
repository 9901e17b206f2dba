use cuda_std::warp;

use crate::attend_prefill::tile_blocks::TileBlock;
use crate::queries::HEADS;

/// A lane of tensor memory, which is a row of the block's and one of its heads. A warp has 32 of them, so two rows.
#[derive(Clone, Copy)]
pub(super) struct Lane(pub(super) u32);

impl Lane {
    /// Rows of a warp.
    pub(super) const ROWS: u32 = warp::WARP_SIZE / HEADS;

    /// The row.
    #[inline(always)]
    pub(super) const fn row(self) -> u32 {
        self.0 / HEADS
    }

    /// Which of the row's heads.
    #[inline(always)]
    pub(super) const fn head(self) -> u32 {
        self.0 % HEADS
    }

    /// The number in its warpgroup of the warp that has the lane.
    #[inline(always)]
    pub(super) const fn warp(self) -> u32 {
        self.0 / warp::WARP_SIZE
    }

    /// The first row of that warp.
    #[inline(always)]
    pub(super) const fn first_row(self) -> u32 {
        Self::ROWS * self.warp()
    }

    /// How often a block stands in the list of that of the warp's rows that has it most often.
    #[inline(always)]
    pub(super) fn most_times(self, block: TileBlock) -> u32 {
        let first = self.first_row();
        block.times(first).max(block.times(first + 1))
    }
}

const _: () = assert!(Lane::ROWS == 2);
