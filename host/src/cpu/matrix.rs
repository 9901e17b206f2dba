//! Blocks of a cache as f32 matrices, laid out for [`product::multiply`](super::product::multiply).

use std::ops::Range;

use half::bf16;
use msa_abi::{BLOCK, HEAD_DIM};

use crate::View;
use crate::problem::BlockRows;

/// A row as wide as a head and as a block has tokens: the width of every matrix here.
pub(super) type Row = [f32; WIDTH];

/// Columns, and most rows, of every matrix here.
pub(super) const WIDTH: usize = 128;

const _: () = assert!(BLOCK == WIDTH && HEAD_DIM == WIDTH);

/// Some neighbouring columns of a matrix, row-major.
///
/// A matrix is kept as [`PANELS`] of them: one stays in the first-level cache while a product uses
/// it, which rows that are 512 bytes apart would not, as they compete for the same few cache sets.
pub(super) type Panel = [[f32; PANEL]; WIDTH];

/// Columns of a panel.
pub(super) const PANEL: usize = 32;

/// Panels of a matrix.
const PANELS: usize = WIDTH / PANEL;

/// Room for a 128 x 128 matrix, to be filled again for each block.
pub(super) fn matrix() -> Vec<Panel> {
    vec![[[0.0; PANEL]; WIDTH]; PANELS]
}

/// Some heads of some rows of `[rows, heads, HEAD_DIM]`, row-major.
pub(super) fn widen_rows(view: View<bf16, 3>, rows: Range<usize>, heads: Range<usize>) -> Vec<Row> {
    let mut wide = vec![[0.0; WIDTH]; rows.len() * heads.len()];
    let vectors = rows.flat_map(|row| heads.clone().map(move |head| view.run([row, head, 0])));
    for (wide, narrow) in wide.iter_mut().zip(vectors) {
        widen(narrow, wide);
    }
    wide
}

/// The elements of some bf16 in f32.
#[inline(always)]
pub(super) fn widen(from: &[bf16], to: &mut [f32]) {
    for (wide, narrow) in to.iter_mut().zip(from) {
        *wide = f32::from_bits(u32::from(narrow.to_bits()) << 16);
    }
}

/// Fills the rows of `values` with the block's first `tokens` vectors.
#[inline(always)]
pub(super) fn load(block: &BlockRows, tokens: usize, values: &mut [Panel]) {
    for token in 0..tokens {
        let parts = block.token(token).chunks_exact(PANEL);
        for (panel, part) in values.iter_mut().zip(parts) {
            widen(part, &mut panel[token]);
        }
    }
}

/// Fills the columns of `keys` with the block's first `tokens` vectors; what later columns hold is
/// not defined.
#[inline(always)]
pub(super) fn load_transposed(block: &BlockRows, tokens: usize, keys: &mut [Panel]) {
    /// Tokens and dims that are transposed at a time: small enough to stay in registers.
    const TILE: usize = 16;
    for first in (0..tokens).step_by(TILE) {
        let column = first % PANEL;
        let mut vectors = [block.token(first); TILE];
        for (lane, vector) in vectors.iter_mut().enumerate() {
            *vector = block.token((first + lane).min(tokens - 1));
        }
        for (tile, rows) in keys[first / PANEL].chunks_exact_mut(TILE).enumerate() {
            let mut transposed = [[bf16::ZERO; TILE]; TILE];
            for (lane, vector) in vectors.iter().enumerate() {
                for dim in 0..TILE {
                    transposed[dim][lane] = vector[tile * TILE + dim];
                }
            }
            for (row, narrow) in rows.iter_mut().zip(&transposed) {
                widen(narrow, &mut row[column..column + TILE]);
            }
        }
    }
}
