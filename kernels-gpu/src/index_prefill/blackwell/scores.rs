use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{BLOCK, HEAD_DIM, IndexParams};

use super::steps::{Step, Steps};
use super::tensor_plan::TensorPlan;
use crate::index_prefill::WARP_PAIRS;
use crate::pair_tile::PairTile;
use crate::row_tile::{CHUNK, Chunk};

/// A lane that has a pair's scores.
#[derive(Clone, Copy)]
pub(super) struct Scores {
    scale: f32,
    /// Its number in the tile.
    pair: u32,
    /// What it sees; 0 where there is no such pair.
    horizon: u32,
    /// What all pairs of the warp see, and the most that one of them does.
    shortest: u32,
    longest: u32,
    warp: u32,
    /// Of the warp's lanes.
    tensor: TensorPlan,
}

/// Columns that are loaded at a time.
const COLUMNS: usize = 32;

/// Products of half of a block's keys.
type Half = [[f32; COLUMNS]; 2];

impl Scores {
    /// A lane: of its pair, by the number of the warp.
    #[inline(always)]
    pub(super) fn new(params: &IndexParams, tile: PairTile, warp: u32, tensor: TensorPlan) -> Self {
        let first = warp * WARP_PAIRS;
        let pair = first + warp::lane_id();
        Self {
            scale: params.scale,
            pair,
            horizon: tile.horizon(pair),
            shortest: tile.horizon(first),
            longest: tile.longest_horizon(first, WARP_PAIRS),
            warp,
            tensor: tensor.of_warp(warp),
        }
    }

    /// A warp: puts its queries where products read them.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, whose tile this is. All lanes come together, and tensor memory is there.
    #[inline(always)]
    pub(super) unsafe fn ask(&self, params: &IndexParams, tile: PairTile, steps: Steps) {
        const CHUNKS: usize = COLUMNS / 4;
        let queries = self.tensor.queries(self.warp / super::GROUP_WARPS);
        // SAFETY: the caller's promise. Each lane has the place of its pair.
        unsafe {
            for half in 0..2 {
                let chunks: [Chunk; CHUNKS] = from_fn(|chunk| {
                    let chunk = half * CHUNKS as u32 + chunk as u32;
                    tile.query(params, self.pair, chunk)
                });
                let columns: [u32; COLUMNS] = from_fn(|column| chunks[column / 4][column % 4]);
                warp::sync_warp(u32::MAX);
                ptx::tcgen05_st_32x32b_x32(queries + half * COLUMNS as u32, &columns);
            }
            ptx::tcgen05_wait_st();
            steps.asked().arrive_as_warp();
        }
    }

    /// A warp: of each pair the largest score of the keys of a block, whose step this is.
    ///
    /// # Safety
    ///
    /// All lanes come together, for each step of the group in turn.
    #[inline(always)]
    pub(super) unsafe fn max(&self, block: u32, step: Step) -> f32 {
        const KEYS: u32 = BLOCK as u32;
        let first_key = block * KEYS;
        let scores = self.tensor.scores(step.place());
        let mut max = f32::NEG_INFINITY;
        // SAFETY: the caller's promise. The products are there until all warps of the group have arrived.
        unsafe {
            step.scored().wait(step.phase());
            if first_key >= self.longest {
                step.free().arrive_as_warp();
                return max;
            }
            for half in 0..2 {
                let products: Half = from_fn(|part| {
                    let column = (2 * half + part as u32) * COLUMNS as u32;
                    ptx::tcgen05_ld_32x32b_x32(scores + column).map(f32::from_bits)
                });
                if half == 1 {
                    step.free().arrive_as_warp();
                }
                max = max.max(self.max_of(&products, first_key + half * KEYS / 2));
            }
        }
        max
    }

    /// One lane: the largest score of half of a block's keys, of which this is the first.
    #[inline(always)]
    fn max_of(&self, products: &Half, first_key: u32) -> f32 {
        let is_whole = first_key + BLOCK as u32 / 2 <= self.shortest;
        if is_whole && self.scale > 0.0 {
            // Rounding keeps the order of products, so that the largest one gives the largest score.
            largest(products) * self.scale
        } else {
            let mut scores = *products;
            for (key, score) in (first_key..).zip(scores.as_flattened_mut()) {
                *score = if key < self.horizon { *score * self.scale } else { f32::NEG_INFINITY };
            }
            largest(&scores)
        }
    }
}

/// The largest of some numbers, passing over what is none.
#[inline(always)]
fn largest(numbers: &Half) -> f32 {
    // Four at a time, so that fewer wait for one another.
    let mut maxima = [f32::NEG_INFINITY; 4];
    for four in numbers.as_flattened().as_chunks::<4>().0 {
        for (max, number) in maxima.iter_mut().zip(four) {
            *max = max.max(*number);
        }
    }
    let [a, b, c, d] = maxima;
    a.max(b).max(c.max(d))
}

// A word of a query's chunk is a column, and a block's scores are loaded by quarters.
const _: () = assert!(CHUNK == 8 && HEAD_DIM == 4 * COLUMNS && BLOCK == 4 * COLUMNS);
