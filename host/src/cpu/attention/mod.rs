//! Attention to the selected blocks.

mod block;
mod picks;

use half::bf16;
use msa_abi::{HEAD_DIM, MAX_GROUP};
use pulp::Arch;
use rayon::prelude::*;

use self::block::{Attended, LoadedBlock};
use self::picks::{Pick, picks};
use super::matrix::{Row, widen_rows};
use super::softmax::Softmax;
use super::tile::Tile;
use crate::AttentionResult;
use crate::problem::AttentionProblem;

/// Rows of a tile: as many as a second-level cache holds the queries and softmax states of, at 16
/// heads, beside a block's keys and values.
const TILE_ROWS: usize = 32;

/// Query heads that are attended for together: one row's at the largest group, else several rows'.
const HEADS: usize = MAX_GROUP;

pub(super) fn run(arch: Arch, problem: &AttentionProblem, result: AttentionResult) {
    let heads = problem.kv_heads * problem.group;
    let AttentionResult { mut output, mut lse } = result;
    let tiles: Vec<_> = Tile::of(problem.batch, TILE_ROWS)
        .into_iter()
        .filter_map(|tile| {
            let query_heads = tile.rows.len() * heads;
            let output = output.split_off_mut(..query_heads * HEAD_DIM)?;
            let lse = lse.as_mut().and_then(|lse| lse.split_off_mut(..query_heads));
            Some((tile, output, lse))
        })
        .collect();
    tiles.into_par_iter().for_each(|(tile, output, mut lse)| {
        let softmax: Vec<Vec<Softmax>> = (0..problem.kv_heads)
            .into_par_iter()
            .map(|kv_head| HeadTile { arch, problem, tile: &tile, kv_head }.attend())
            .collect();
        for (index, output) in output.chunks_exact_mut(HEAD_DIM).enumerate() {
            let (slot, head) = (index / heads, index % heads);
            let (kv_head, member) = (head / problem.group, head % problem.group);
            let softmax = &softmax[kv_head][slot * problem.group + member];
            for (element, mean) in output.iter_mut().zip(softmax.mean()) {
                *element = bf16::from_f32(mean);
            }
            if let Some(lse) = &mut lse {
                lse[index] = softmax.lse();
            }
        }
    });
}

/// The work of one tile for one KV head.
struct HeadTile<'a> {
    arch: Arch,
    problem: &'a AttentionProblem<'a>,
    tile: &'a Tile,
    kv_head: usize,
}

impl HeadTile<'_> {
    /// The softmax of each of the tile's query heads, `[rows, group]`: blocks in ascending order.
    fn attend(&self) -> Vec<Softmax> {
        let queries = self.queries();
        let picks = picks(self.problem, self.tile, self.kv_head);
        let blocks: Vec<&[Pick]> = picks.chunk_by(|a, b| a.block == b.block).collect();
        let mut softmax = vec![Softmax::EMPTY; queries.len()];
        if self.tile.is_small() {
            let attended: Vec<Vec<Attended>> = blocks
                .into_par_iter()
                .map_init(LoadedBlock::new, |loaded, picks| {
                    self.attend_block(loaded, picks, &queries).collect()
                })
                .collect();
            for attended in attended.iter().flatten() {
                attended.merge_into(self.arch, &mut softmax);
            }
        } else {
            let mut loaded = LoadedBlock::new();
            for picks in blocks {
                for attended in self.attend_block(&mut loaded, picks, &queries) {
                    attended.merge_into(self.arch, &mut softmax);
                }
            }
        }
        softmax
    }

    /// Attends to one block for all rows that picked it, as many at a time as [`HEADS`] allows. Rows
    /// that see different parts of the block do not go together.
    fn attend_block<'p, 'b>(
        &'b self,
        loaded: &'b mut LoadedBlock,
        picks: &'p [Pick],
        queries: &'b [Row],
    ) -> impl Iterator<Item = Attended<'p>> + use<'p, 'b> {
        let &Self { arch, problem, tile, kv_head } = self;
        let block = picks[0].block;
        let tokens = picks.iter().map(|pick| pick.visible).max().unwrap_or(0);
        let [keys, values] =
            [0, 1].map(|plane| problem.cache.block(tile.request.index, block, plane, kv_head));
        loaded.load(arch, keys, values, tokens);
        let loaded = &*loaded;
        picks
            .chunk_by(|a, b| a.visible == b.visible)
            .flat_map(|alike| alike.chunks(HEADS / problem.group))
            .map(move |picks| loaded.attend(arch, picks, queries, problem.group, problem.scale))
    }

    /// The tile's queries, `[rows, group]`.
    fn queries(&self) -> Vec<Row> {
        let first = self.kv_head * self.problem.group;
        let heads = first..first + self.problem.group;
        widen_rows(self.problem.q, self.tile.rows.clone(), heads)
    }
}
