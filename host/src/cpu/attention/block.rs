//! One block of keys and values, and what some query heads make of it.

use pulp::{Arch, Simd, WithSimd};

use super::super::matrix::{Panel, Row, WIDTH, load, load_transposed, matrix};
use super::super::product::multiply;
use super::super::softmax::{Softmax, Weights};
use super::HEADS;
use super::picks::Pick;
use crate::problem::BlockRows;

/// A block in f32.
pub(super) struct LoadedBlock {
    /// `[dim][token]`
    keys: Vec<Panel>,
    /// `[token][dim]`
    values: Vec<Panel>,
}

impl LoadedBlock {
    /// Room for a block.
    pub(super) fn new() -> Self {
        Self { keys: matrix(), values: matrix() }
    }

    /// Loads the first `tokens` of a block. What follows them in the pages is never read.
    pub(super) fn load(&mut self, arch: Arch, keys: BlockRows, values: BlockRows, tokens: usize) {
        arch.dispatch(Load { keys, values, tokens, to: self });
    }

    /// Attends with the query heads of some rows, all of which see the same part of the block.
    /// `queries` are the tile's, `[rows, group]`.
    pub(super) fn attend<'a>(
        &self,
        arch: Arch,
        picks: &'a [Pick],
        queries: &[Row],
        group: usize,
        scale: f32,
    ) -> Attended<'a> {
        arch.dispatch(Attend { block: self, picks, queries, group, scale })
    }
}

struct Load<'a> {
    keys: BlockRows<'a>,
    values: BlockRows<'a>,
    tokens: usize,
    to: &'a mut LoadedBlock,
}

impl WithSimd for Load<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        load_transposed(&self.keys, self.tokens, &mut self.to.keys);
        load(&self.values, self.tokens, &mut self.to.values);
    }
}

struct Attend<'b, 'a> {
    block: &'b LoadedBlock,
    picks: &'a [Pick],
    queries: &'b [Row],
    group: usize,
    scale: f32,
}

impl<'a> WithSimd for Attend<'_, 'a> {
    type Output = Attended<'a>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Attended<'a> {
        let Self { block, picks, queries, group, scale } = self;
        let visible = picks[0].visible;
        let heads = picks.len() * group;

        let mut rows = [&[][..]; HEADS];
        for (rows, pick) in rows.chunks_exact_mut(group).zip(picks) {
            for (row, query) in rows.iter_mut().zip(&queries[pick.slot * group..]) {
                *row = query;
            }
        }
        let mut dots = [[0.0; WIDTH]; HEADS];
        multiply(simd, WIDTH, &rows[..heads], &block.keys, &mut dots);

        let mut attended = Attended {
            picks,
            group,
            weights: [Weights::default(); HEADS],
            values: [[0.0; WIDTH]; HEADS],
        };
        for (weights, dots) in attended.weights[..heads].iter_mut().zip(&mut dots) {
            *weights = Weights::from_dots(dots, visible, scale);
        }
        for (row, dots) in rows.iter_mut().zip(&dots) {
            *row = dots;
        }
        multiply(simd, visible, &rows[..heads], &block.values, &mut attended.values);
        attended
    }
}

/// What one block contributes to some query heads, `[picks, group]`.
pub(super) struct Attended<'a> {
    picks: &'a [Pick],
    group: usize,
    weights: [Weights; HEADS],
    /// The block's values, weighted and summed.
    values: [Row; HEADS],
}

impl Attended<'_> {
    /// Adds the contribution to the tile's softmax, `[rows, group]`.
    pub(super) fn merge_into(&self, arch: Arch, softmax: &mut [Softmax]) {
        arch.dispatch(Merge { attended: self, softmax });
    }
}

struct Merge<'a> {
    attended: &'a Attended<'a>,
    softmax: &'a mut [Softmax],
}

impl WithSimd for Merge<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let &Attended { picks, group, ref weights, ref values } = self.attended;
        for (index, pick) in picks.iter().enumerate() {
            for member in 0..group {
                let head = index * group + member;
                let softmax = &mut self.softmax[pick.slot * group + member];
                softmax.merge(&weights[head], &values[head], pick.times);
            }
        }
    }
}
