use cuda_std::warp;
use msa_abi::{BLOCK, HEAD_DIM};

use super::steps::PLACES;
use super::{GROUP_WARPS, GROUPS};

/// Where everything is in tensor memory, whose lanes are the pairs of a group.
///
/// An address has the lane in its upper half, and the column in the lower.
#[derive(Clone, Copy)]
pub(super) struct TensorPlan {
    /// The address of the first column.
    first: u32,
}

/// Columns of scores.
const SCORES: u32 = BLOCK as u32;

/// Columns of queries.
const QUERIES: u32 = HEAD_DIM as u32 / 2;

impl TensorPlan {
    /// Columns, a power of two: all that a multiprocessor has.
    pub(super) const COLUMNS: u32 = PLACES * SCORES + GROUPS * QUERIES;

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
    pub(super) const fn scores(self, place: u32) -> u32 {
        self.first + place * SCORES
    }

    /// bf16 `[HEAD_DIM]`, two in a column: a group's queries.
    #[inline(always)]
    pub(super) const fn queries(self, group: u32) -> u32 {
        self.first + PLACES * SCORES + group * QUERIES
    }

    /// Of a warp's lanes alone, by its number: no others may it load or store.
    #[inline(always)]
    pub(super) const fn of_warp(self, warp: u32) -> Self {
        Self { first: self.first + ((warp % GROUP_WARPS * warp::WARP_SIZE) << 16) }
    }
}

const _: () = assert!(TensorPlan::COLUMNS == 512);
