use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK, HEAD_DIM};

use crate::queries::HEADS;
use crate::row_tile::RowTile;

/// Warps of a block.
pub(super) const WARPS: u32 = AttendParams::THREADS / warp::WARP_SIZE;

/// Shared memory for what the warps tell each other of a block, for each row of a tile.
#[derive(Clone, Copy)]
pub(super) struct Scratch {
    /// Most rows of a tile.
    rows: u32,
    /// `[rows * HEADS]` rows: queries
    queries: SharedPtr<[u32; 4]>,
    /// `[rows]` of `[HEADS]` rows: weights of a block's keys
    weights: SharedPtr<[u32; 4]>,
    /// `[rows, WARPS, HEADS]`: what each warp has found in its keys of a block: the maximum
    maxima: SharedPtr<f32>,
    /// and the sum of their weights.
    sums: SharedPtr<f32>,
}

impl Scratch {
    #[inline(always)]
    pub(super) fn new(first: SharedPtr<[u32; 4]>, rows: u32) -> Self {
        let weights = first.byte_add(rows * ROWS);
        let sums = weights.byte_add(rows * ROWS).cast::<f32>();
        let maxima = sums.add(rows * WARPS * HEADS);
        Self { rows, queries: first, weights, maxima, sums }
    }

    /// What comes after it.
    #[inline(always)]
    pub(super) fn end(self) -> SharedPtr<[u32; 4]> {
        self.maxima.add(self.rows * WARPS * HEADS).cast()
    }

    /// The queries of all rows, each row's [`HEADS`] after the other's.
    #[inline(always)]
    pub(super) fn queries(self) -> RowTile {
        RowTile::at(self.queries, self.rows * HEADS)
    }

    #[inline(always)]
    pub(super) fn weights(self, row: u32) -> RowTile {
        RowTile::at(self.weights.byte_add(row * ROWS), HEADS)
    }

    /// The maximum that a warp has found.
    #[inline(always)]
    pub(super) fn maximum(self, row: u32, warp: u32, head: u32) -> SharedPtr<f32> {
        self.maxima.add((row * WARPS + warp) * HEADS + head)
    }

    /// The sum that a warp has found.
    #[inline(always)]
    pub(super) fn sums(self, row: u32, warp: u32, head: u32) -> SharedPtr<f32> {
        self.sums.add((row * WARPS + warp) * HEADS + head)
    }
}

/// Bytes of a tile with a row for each head.
const ROWS: u32 = HEADS * RowTile::CHUNKS * 16;

// A row of weights is as long as one of queries, and what a row takes is what a launch asks for.
const _: () = assert!(BLOCK == HEAD_DIM);
const _: () = assert!(2 * ROWS + WARPS * HEADS * 8 == AttendParams::SCRATCH_BYTES);
