//! Scores of blocks for requests with few new tokens each: decode and speculative decode.
//!
//! A block of threads has a tile of 16 pairs of a row and an index head, and a part of the blocks that any of them
//! sees. Its four warps work each on blocks of their own, one after the other, which come in quarters through a ring
//! of stages of the warp's own: no warp ever waits for another.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | queries | all threads | copy them to shared memory |
//! | | | *barrier* |
//! | | each warp | keeps them in registers, as operand A |
//! | keys *arrive* | a warp | starts the copy of a later quarter |
//! | products | a warp | of its 16 queries and the quarter's 32 keys; what a pair does not see is -inf |
//! | | | *back to keys, until the block is complete* |
//! | maximum | a warp | of a pair's keys among its four lanes; one of them writes it |
//! | | | *back to keys, for the next block* |
//!
//! [`block_topk`](crate::block_topk) selects from the scores.

mod shared_plan;

use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{BLOCK, IndexParams};

use self::shared_plan::{SharedPlan, WARPS};
use crate::dependent_launch::let_next_begin;
use crate::fragment::{Part, row_max};
use crate::index_keys::IndexKeys;
use crate::page_ids::PageIds;
use crate::pair_tile::{Pair, PairTile};
use crate::ring::Ring;
use crate::row_tile::RowTile;
use crate::share_out::share_out;

/// Parts of a block that come one after the other.
const QUARTERS: u32 = 4;

/// Keys of one of them.
const QUARTER: u32 = BLOCK as u32 / QUARTERS;

/// Scores each row's blocks. [`IndexParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 128)]
pub unsafe fn index_decode(params: IndexParams) {
    const PAIRS: u32 = IndexParams::DECODE_PAIRS;
    // SAFETY: the grid is as the parameters tell.
    let Some(tile) = (unsafe { PairTile::load::<PAIRS>(&params, thread::block_idx_x()) }) else {
        return; // A request with fewer tokens than others, or a slot of a bucket that is not used.
    };
    let blocks = tile.blocks(params.cache.table_width.min(params.score_stride));
    let plan = SharedPlan::new(&params);
    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    let (first, stride) = (thread::block_idx_y() * WARPS + warp, params.splits * WARPS);

    // SAFETY: the caller vouches for the operands. The keys are on their way before anything waits for the queries;
    // all threads come to the barrier.
    let (mut ring, queries): (_, [[u32; 4]; RowTile::STEPS as usize]) = unsafe {
        let pages = PageIds::new(&params.cache, tile.request, first, stride, blocks);
        let keys = IndexKeys::new(&params.cache, tile.request, pages);
        let mut ring = Ring::<_, { warp::WARP_SIZE }, _>::new(keys, plan.stages);
        ring.start_first();
        let_next_begin();
        share_out(PAIRS * RowTile::CHUNKS, |at| {
            let (pair, chunk) = (at / RowTile::CHUNKS, at % RowTile::CHUNKS);
            let query = tile.query(&params, pair, chunk);
            plan.queries().chunk(pair, chunk).write(query);
        });
        thread::sync_threads();
        (ring, from_fn(|step| plan.queries().a(0, step as u32)))
    };

    let part = Part::of_lane();
    let lines: [Line; 2] = from_fn(|half| Line::new(&params, tile, part.row + 8 * half as u32));
    let (mut block, mut quarter, mut maxima) = (first, 0, [f32::NEG_INFINITY; 2]);
    while block < blocks {
        let first_key = block * BLOCK as u32 + quarter * QUARTER;
        // SAFETY: all lanes are together, and come here for each quarter in turn.
        let products = unsafe { products(&queries, ring.arrived()) };
        for (tile, products) in (0..).zip(&products) {
            for (at, product) in products.iter().enumerate() {
                let key = first_key + 8 * tile + part.column + at as u32 % 2;
                let is_seen = key < lines[at / 2].horizon;
                let score = if is_seen { *product * params.scale } else { f32::NEG_INFINITY };
                // Of NaN and a number this is the number.
                maxima[at / 2] = maxima[at / 2].max(score);
            }
        }
        quarter += 1;
        if quarter == QUARTERS {
            // SAFETY: all lanes are together. Of the lanes with the same pairs one writes; the block is this warp's.
            unsafe {
                let maxima = maxima.map(|max| row_max(max));
                if part.is_first() {
                    lines[0].write(block, maxima[0]);
                    lines[1].write(block, maxima[1]);
                }
            }
            (block, quarter, maxima) = (block + stride, 0, [f32::NEG_INFINITY; 2]);
        }
    }
}

/// A warp: the products of its queries with a quarter's keys: `[8 keys][element of a fragment]`, rows are pairs,
/// columns are keys.
///
/// # Safety
///
/// All lanes come together, and the keys are there.
#[inline(always)]
unsafe fn products(
    queries: &[[u32; 4]; RowTile::STEPS as usize],
    keys: RowTile,
) -> [[f32; 4]; QUARTER as usize / 8] {
    let mut products = [[0.0; 4]; QUARTER as usize / 8];
    for (step, a) in (0..).zip(queries) {
        for two in 0..products.len() / 2 {
            // SAFETY: the caller's promise.
            unsafe {
                let [b, c] = keys.b_of_rows(16 * two as u32, step);
                products[2 * two] = ptx::mma_m16n8k16_f32_bf16(*a, b, products[2 * two]);
                products[2 * two + 1] = ptx::mma_m16n8k16_f32_bf16(*a, c, products[2 * two + 1]);
            }
        }
    }
    products
}

/// The scores of a pair.
#[derive(Clone, Copy)]
struct Line {
    /// f32 `[score_stride]`
    scores: GlobalPtr<f32>,
    /// Positions that it sees; 0 where there is no pair.
    horizon: u32,
}

impl Line {
    /// Of the `nth` pair of a tile.
    #[inline(always)]
    fn new(params: &IndexParams, tile: PairTile, nth: u32) -> Self {
        let Pair { row, head } = tile.pair(nth).unwrap_or(Pair { row: 0, head: 0 });
        let line = u64::from(head) * u64::from(params.batch.rows)
            + u64::from(tile.request.first_row + row);
        let scores = GlobalPtr::from_address(params.scores.address());
        Self {
            scores: scores.add(line * u64::from(params.score_stride)),
            horizon: tile.horizon(nth),
        }
    }

    /// One thread: writes a block's score, if the pair sees the block.
    ///
    /// # Safety
    ///
    /// The line has a place for the block, which is the thread's.
    #[inline(always)]
    unsafe fn write(self, block: u32, score: f32) {
        if block * (BLOCK as u32) < self.horizon {
            // SAFETY: the caller's promise.
            unsafe { self.scores.add(u64::from(block)).write(score) }
        }
    }
}

// An attribute takes no constant.
const _: () = assert!(IndexParams::THREADS == 128);
// A tile is one fragment.
const _: () = assert!(IndexParams::DECODE_PAIRS == 16);
