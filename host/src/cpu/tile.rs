use std::ops::Range;

use msa_abi::MAX_SPECULATIVE;

use crate::problem::{Batch, Request};

/// Neighbouring rows of one request, which share the conversion of every block they read.
#[derive(Clone, Debug)]
pub(super) struct Tile {
    pub(super) request: Request,
    pub(super) rows: Range<usize>,
}

impl Tile {
    /// Rows of a prefill tile: as many as a second-level cache holds the queries and results of, at
    /// 16 heads, beside a block of keys and one of values.
    const ROWS: usize = 32;

    /// The tiles of a batch, in the order of its rows, which they cover.
    pub(super) fn of(batch: Batch) -> Vec<Self> {
        let mut tiles = Vec::new();
        for request in batch.requests() {
            for first in request.rows.clone().step_by(Self::ROWS) {
                let rows = first..request.rows.end.min(first + Self::ROWS);
                tiles.push(Self { request: request.clone(), rows });
            }
        }
        tiles
    }

    /// Whether the tile has too little to do for one thread to do alone: a decode step may consist
    /// of a single such tile, and its blocks are then spread over the threads.
    pub(super) fn is_small(&self) -> bool {
        self.rows.len() <= MAX_SPECULATIVE
    }
}
