//! Scoring of blocks, then selection.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::matrix::{Panel, Row, WIDTH, load_transposed, matrix, widen_rows};
use super::product::multiply;
use super::softmax::max;
use super::tile::Tile;
use super::topk::select;
use crate::problem::{BlockRows, IndexerProblem, horizon_blocks, visible_keys};

/// Rows of a tile: as many as make the conversion of a block cheap beside scoring it.
const TILE_ROWS: usize = 64;

/// Blocks that one task scores: enough to be worth handing to another thread.
const BLOCKS_PER_TASK: usize = 8;

/// Query heads whose scores are computed together.
const HEADS: usize = 16;

pub(super) fn run(arch: Arch, problem: &IndexerProblem, block_ids: &mut [i32]) {
    let topk = problem.selection.topk;
    let rows = problem.q.shape()[0];
    if rows * problem.index_heads == 0 {
        return;
    }
    // Each tile's slots of every head: the result is head-major, tiles are not.
    let mut heads: Vec<&mut [i32]> =
        block_ids.chunks_exact_mut(rows * topk).take(problem.index_heads).collect();
    let tiles: Vec<_> = Tile::of(problem.batch, TILE_ROWS)
        .into_iter()
        .map(|tile| {
            let slots = tile.rows.len() * topk;
            let ids: Vec<&mut [i32]> =
                heads.iter_mut().filter_map(|head| head.split_off_mut(..slots)).collect();
            (tile, ids)
        })
        .collect();
    tiles.into_par_iter().for_each(|(tile, mut ids)| {
        let lanes = tile.rows.len() * problem.index_heads;
        let scores = score(arch, problem, &tile);
        for (slot, row) in tile.rows.clone().enumerate() {
            let blocks = horizon_blocks(tile.request.position(row));
            for (head, ids) in ids.iter_mut().enumerate() {
                let lane = slot * problem.index_heads + head;
                let scores = scores.chunks_exact(lanes).take(blocks).map(|scores| scores[lane]);
                select(scores, &problem.selection, &mut ids[slot * topk..][..topk]);
            }
        }
    });
}

/// The scores of some rows, as [`select`] compares them, none forced: `[rows * index_heads]` lists, each of the row's
/// horizon.
pub(super) fn scores(arch: Arch, problem: &IndexerProblem, rows: Range<usize>) -> Vec<Vec<f32>> {
    let tiles = Tile::of(problem.batch, TILE_ROWS).into_iter().filter_map(|mut tile| {
        tile.rows = tile.rows.start.max(rows.start)..tile.rows.end.min(rows.end);
        (!tile.rows.is_empty()).then_some(tile)
    });
    let of_tile = |tile: Tile| {
        let scores = score(arch, problem, &tile);
        let lanes = tile.rows.len() * problem.index_heads;
        let of_lane = |lane: usize| {
            let row = tile.rows.start + lane / problem.index_heads;
            let blocks = horizon_blocks(tile.request.position(row));
            scores.chunks_exact(lanes).take(blocks).map(|scores| scores[lane] + 0.0).collect()
        };
        (0..lanes).map(of_lane).collect::<Vec<Vec<f32>>>()
    };
    tiles.flat_map(of_tile).collect()
}

/// The scores of a tile, block-major: f32 `[blocks, lanes]` with a lane for each row and index head.
fn score(arch: Arch, problem: &IndexerProblem, tile: &Tile) -> Vec<f32> {
    let lanes = tile.rows.len() * problem.index_heads;
    let queries = widen_rows(problem.q, tile.rows.clone(), 0..problem.index_heads);
    let last = tile.request.position(tile.rows.end - 1);
    let mut scores = vec![f32::NEG_INFINITY; horizon_blocks(last) * lanes];
    scores.par_chunks_mut(BLOCKS_PER_TASK * lanes).enumerate().for_each_init(
        matrix,
        |keys, (task, scores)| {
            for (index, scores) in scores.chunks_exact_mut(lanes).enumerate() {
                let block = task * BLOCKS_PER_TASK + index;
                arch.dispatch(ScoreBlock {
                    rows: problem.keys.block(tile.request.index, block, 0, 0),
                    visible: |lane| {
                        let row = tile.rows.start + lane / problem.index_heads;
                        visible_keys(tile.request.position(row), block)
                    },
                    scale: problem.scale,
                    queries: &queries,
                    keys,
                    scores,
                });
            }
        },
    );
    scores
}

/// Scores one block for all lanes of a tile.
struct ScoreBlock<'a, F> {
    rows: BlockRows<'a>,
    /// How many of the block's keys a lane sees: it grows with the lane.
    visible: F,
    scale: f32,
    /// `[lanes]`
    queries: &'a [Row],
    /// Room for the block's keys: `[dim][token]`.
    keys: &'a mut [Panel],
    /// `[lanes]`
    scores: &'a mut [f32],
}

impl<F: Fn(usize) -> usize> WithSimd for ScoreBlock<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = self.queries.len();
        let first = (0..lanes).find(|&lane| (self.visible)(lane) > 0).unwrap_or(lanes);
        load_transposed(&self.rows, (self.visible)(lanes - 1), self.keys);
        let mut dots = [[0.0; WIDTH]; HEADS];
        for start in (first..lanes).step_by(HEADS) {
            let end = lanes.min(start + HEADS);
            let mut queries = [&[][..]; HEADS];
            for (query, row) in queries.iter_mut().zip(&self.queries[start..end]) {
                *query = row;
            }
            let dots = &mut dots[..end - start];
            multiply(simd, WIDTH, &queries[..end - start], self.keys, dots);
            for (lane, dots) in (start..end).zip(dots) {
                for dot in dots.iter_mut() {
                    *dot *= self.scale;
                }
                dots[(self.visible)(lane)..].fill(f32::NEG_INFINITY);
                self.scores[lane] = max(dots);
            }
        }
    }
}
