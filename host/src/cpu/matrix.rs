//! Blocks of a cache as f32 matrices, laid out for [`product::multiply`](super::product::multiply).

use std::ops::Range;

use half::bf16;
use msa_abi::{BLOCK, HEAD_DIM};

use crate::View;
use crate::problem::BlockRows;

/// A row as wide as a head and as a block has tokens: the width of every matrix here.
pub(super) type Row = [f32; WIDTH];

/// Columns of every matrix here.
pub(super) const WIDTH: usize = 128;

const _: () = assert!(BLOCK == WIDTH && HEAD_DIM == WIDTH);

/// A 128 x 128 matrix on the heap, to be filled again for each block.
pub(super) fn matrix() -> Vec<Row> {
    vec![[0.0; WIDTH]; WIDTH]
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

#[inline(always)]
fn widen(from: &[bf16], to: &mut Row) {
    for (wide, narrow) in to.iter_mut().zip(from) {
        *wide = f32::from_bits(u32::from(narrow.to_bits()) << 16);
    }
}

/// Fills `values[token]` with the block's first `tokens` vectors.
#[inline(always)]
pub(super) fn load(block: &BlockRows, tokens: usize, values: &mut [Row]) {
    for (token, row) in values.iter_mut().enumerate().take(tokens) {
        widen(block.token(token), row);
    }
}

/// Fills `keys[dim][token]` with the block's first `tokens` vectors; later columns hold what they did.
#[inline(always)]
pub(super) fn load_transposed(block: &BlockRows, tokens: usize, keys: &mut [Row]) {
    /// Tokens that are transposed together: one cache line of f32.
    const STRIP: usize = 16;
    let mut strip = [[0_u16; STRIP]; WIDTH];
    for first in (0..tokens).step_by(STRIP) {
        let count = STRIP.min(tokens - first);
        for lane in 0..count {
            for (row, key) in strip.iter_mut().zip(block.token(first + lane)) {
                row[lane] = key.to_bits();
            }
        }
        for (row, narrow) in keys.iter_mut().zip(&strip) {
            for (wide, &bits) in row[first..first + STRIP].iter_mut().zip(narrow) {
                *wide = f32::from_bits(u32::from(bits) << 16);
            }
        }
    }
}
