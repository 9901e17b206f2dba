use cuda_std::warp;
use msa_abi::{BLOCK, HEAD_DIM};

/// Where everything is in tensor memory, whose lanes are a block's rows and heads, in both blocks of the pair alike. Of all
/// there are two, for successive steps.
///
/// An address has the lane in its upper half, and the column in the lower.
#[derive(Clone, Copy)]
pub(super) struct TensorPlan {
    /// The address of the first column.
    first: u32,
}

/// Columns of the products with a block's keys, and of the weighted sums of its values.
const WIDTH: u32 = BLOCK as u32;

impl TensorPlan {
    /// Columns, a power of two: all that a multiprocessor has.
    pub(super) const COLUMNS: u32 = 4 * WIDTH;

    #[inline(always)]
    pub(super) const fn new(first: u32) -> Self {
        Self { first }
    }

    /// The address of the first column.
    #[inline(always)]
    pub(super) const fn first(self) -> u32 {
        self.first
    }

    /// f32 `[BLOCK]`: products of queries and keys.
    #[inline(always)]
    pub(super) const fn scores(self, step: u32) -> u32 {
        self.first + step % 2 * WIDTH
    }

    /// bf16 `[BLOCK]`, two in a column: weights of the keys, over the scores that they come from.
    #[inline(always)]
    pub(super) const fn weights(self, step: u32) -> u32 {
        self.scores(step)
    }

    /// f32 `[HEAD_DIM]`: weighted sums of values.
    #[inline(always)]
    pub(super) const fn sums(self, step: u32) -> u32 {
        self.first + (2 + step % 2) * WIDTH
    }

    /// Of the lanes from the `lane`-th on alone.
    #[inline(always)]
    pub(super) const fn at_lane(self, lane: u32) -> Self {
        Self { first: self.first + (lane << 16) }
    }

    /// Of a warp's lanes alone, by its number in its warpgroup: no others may it load or store.
    #[inline(always)]
    pub(super) const fn of_warp(self, warp: u32) -> Self {
        self.at_lane(warp * warp::WARP_SIZE)
    }
}

const _: () = assert!(BLOCK == HEAD_DIM);
