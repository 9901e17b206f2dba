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
    /// The tiles of a batch, each of `rows` rows at the most, in the order of the batch's rows, which
    /// they cover.
    pub(super) fn of(batch: Batch, rows: usize) -> Vec<Self> {
        let mut tiles = Vec::new();
        for request in batch.requests() {
            for first in request.rows.clone().step_by(rows) {
                let rows = first..request.rows.end.min(first + rows);
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
