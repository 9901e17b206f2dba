//! Scores and selection for requests with many new tokens: prefill.
//!
//! A block of threads has a tile of 128 pairs of a row and an index head, and a part of the blocks that any of them
//! sees. Each block comes to shared memory once, through a ring of stages. Each warp has 32 of the pairs, two fragments
//! of rows, so that what it reads of the keys serves twice; and each lane selects for one pair.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | queries | a warp | by way of a free stage to registers, as operand A |
//! | keys *arrive* | | *barrier*; the copy of a later block starts |
//! | products | a warp | of its 32 queries and 64 keys at a time; what a pair does not see is -inf |
//! | maximum | a warp | of a pair's keys among its four lanes, each of which gets that of one of their four pairs |
//! | selection | a lane | replaces the last key that its pair has selected, if this block's comes before it |
//! | | | *back to keys, for the next block* |
//! | result | a warp | ids, or keys where [`index_merge`](crate::index_merge) follows |
//!
//! A block's score is computed as by [`index_decode`](crate::index_decode), and so has the same bits.

// Instructions of these architectures alone.
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_100a"))]
pub mod blackwell;
mod heap;
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_90a"))]
pub mod hopper;
mod selection;
mod shared_plan;

use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{BLOCK, IndexParams};

use self::selection::Selection;
use self::shared_plan::SharedPlan;
use crate::dependent_launch::let_next_begin;
use crate::fragment::Part;
use crate::index_keys::IndexKeys;
use crate::page_ids::PageIds;
use crate::pair_tile::PairTile;
use crate::request::keys_before;
use crate::ring::Ring;
use crate::row_tile::RowTile;
use crate::select::IdList;

/// Pairs of a warp.
const WARP_PAIRS: u32 = 32;

/// Fragments of 16 pairs that a warp has.
const FRAGMENTS: usize = WARP_PAIRS as usize / 16;

/// Keys that a warp multiplies with at a time.
const AT_ONCE: u32 = 64;

/// Selects each row's blocks, or the first of a part of them. [`IndexParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 128, min_blocks = 2)]
pub unsafe fn index_prefill(params: IndexParams) {
    const PAIRS: u32 = IndexParams::PREFILL_PAIRS;
    let (nth, split) = (thread::block_idx_x(), thread::block_idx_y());
    if params.splits == 1 {
        // SAFETY: the caller vouches for the operands.
        unsafe { leave_padding_empty(&params) };
    }
    // SAFETY: the grid is as the parameters tell.
    let Some(tile) = (unsafe { PairTile::load::<PAIRS>(&params, nth) }) else {
        return; // A request with fewer tokens than others, or none.
    };
    let (begin, end) = tile.part(&params, split);
    let plan = SharedPlan::new(&params);
    let first_pair = thread::thread_idx_x() / warp::WARP_SIZE * WARP_PAIRS;
    let part = Part::of_lane();

    // SAFETY: the caller vouches for the operands. The keys are on their way before anything waits for the queries,
    // which lie where no key comes before all have read them; a warp uses rows of its own.
    let (mut ring, queries) = unsafe {
        let pages = PageIds::new(&params.cache, tile.request, begin, 1, end);
        let keys = IndexKeys::new(&params.cache, tile.request, pages);
        let mut ring = Ring::<_, { IndexParams::THREADS }, _>::new(keys, plan.stages);
        ring.start_first();
        let_next_begin();
        (ring, queries(&params, tile, first_pair, plan.stages.last(), first_pair))
    };

    let horizons: [[u32; 2]; FRAGMENTS] =
        from_fn(|fragment| from_fn(|half| tile.horizon(first_pair + pair(fragment, half, part))));
    let (shortest, longest) =
        (tile.horizon(first_pair), tile.longest_horizon(first_pair, WARP_PAIRS));
    let own_pair = pair(part.column as usize / 4, part.column as usize / 2 % 2, part);
    // SAFETY: the plan has room for so many keys of each lane.
    let mut selection =
        unsafe { Selection::new(&params, tile, first_pair + own_pair, plan.keys()) };
    for block in begin..end {
        // SAFETY: all threads come here for each block in turn.
        let keys = unsafe { ring.arrived() };
        let mut maxima = [[f32::NEG_INFINITY; 2]; FRAGMENTS];
        let (mut row, seen) = (0, keys_before(longest, block));
        while row < seen {
            // SAFETY: all lanes of the warp are together.
            let products = unsafe { products(&queries, keys, row) };
            let first_key = block * BLOCK as u32 + row;
            let is_whole = first_key + AT_ONCE <= shortest;
            for (fragment, maxima) in maxima.iter_mut().enumerate() {
                let products = &products[fragment];
                if is_whole {
                    join(maxima, products, |_, _, product| product * params.scale);
                } else {
                    let first_key = first_key + part.column;
                    join_seen(maxima, products, horizons[fragment], first_key, params.scale);
                }
            }
            row += AT_ONCE;
        }
        // SAFETY: all lanes are together; the selection is not finished.
        unsafe {
            let score = share_maxima(maxima, part);
            selection.consider(block, score);
        }
    }
    // SAFETY: all lanes are together, and each warp has its own pairs.
    unsafe { selection.finish(&params, split) }
}

/// Operands A: `[fragment][step]`.
type Queries = [[[u32; 4]; RowTile::STEPS as usize]; FRAGMENTS];

/// `[fragment][8 keys][element of a fragment]`: rows are pairs, columns are keys.
type Products = [[[f32; 4]; AT_ONCE as usize / 8]; FRAGMENTS];

/// The largest score of each of a lane's pairs: `[fragment][half of it]`.
type Maxima = [[f32; 2]; FRAGMENTS];

/// The place among a warp's pairs of one that a lane has in its fragments.
#[inline(always)]
const fn pair(fragment: usize, half: usize, part: Part) -> u32 {
    16 * fragment as u32 + 8 * half as u32 + part.row
}

/// A warp: its queries, by way of the rows of a tile from `row` on, a multiple of 8.
///
/// # Safety
///
/// `params` are the kernel's, whose tile of pairs this is. All lanes come together, and nobody else touches these rows.
#[inline(always)]
unsafe fn queries(
    params: &IndexParams,
    tile: PairTile,
    first_pair: u32,
    place: RowTile,
    row: u32,
) -> Queries {
    let mut at = warp::lane_id();
    // SAFETY: the caller's promise. Each lane writes places of its own, and the warp meets before they are read.
    unsafe {
        while at < WARP_PAIRS * RowTile::CHUNKS {
            let (nth, chunk) = (at / RowTile::CHUNKS, at % RowTile::CHUNKS);
            let query = tile.query(params, first_pair + nth, chunk);
            place.chunk(row + nth, chunk).write(query);
            at += warp::WARP_SIZE;
        }
        warp::sync_warp(u32::MAX);
        from_fn(|fragment| from_fn(|step| place.a(row + 16 * fragment as u32, step as u32)))
    }
}

/// A warp: the products of its queries with [`AT_ONCE`] keys, from row `first` of a tile on.
///
/// # Safety
///
/// All lanes come together, and the keys are there.
#[inline(always)]
unsafe fn products(queries: &Queries, keys: RowTile, first: u32) -> Products {
    let mut products: Products = [[[0.0; 4]; _]; _];
    for step in 0..RowTile::STEPS {
        for two in 0..AT_ONCE as usize / 16 {
            // SAFETY: the caller's promise.
            unsafe {
                let [b, c] = keys.b_of_rows(first + 16 * two as u32, step);
                for (queries, products) in queries.iter().zip(&mut products) {
                    let a = queries[step as usize];
                    products[2 * two] = ptx::mma_m16n8k16_f32_bf16(a, b, products[2 * two]);
                    products[2 * two + 1] = ptx::mma_m16n8k16_f32_bf16(a, c, products[2 * two + 1]);
                }
            }
        }
    }
    products
}

/// One lane: the maxima of two pairs, and of what `score` makes of their products with some keys. It is told which of the
/// pairs it is, and which key, as counted from the lane's first.
#[inline(always)]
fn join<const TILES: usize>(
    maxima: &mut [f32; 2],
    products: &[[f32; 4]; TILES],
    score: impl Fn(usize, u32, f32) -> f32,
) {
    for (tile, products) in products.iter().enumerate() {
        let first = 8 * tile as u32;
        for (half, max) in maxima.iter_mut().enumerate() {
            let [a, b] = [products[2 * half], products[2 * half + 1]];
            // Of NaN and a number this is the number.
            *max = max.max(score(half, first, a).max(score(half, first + 1, b)));
        }
    }
}

/// One lane: the same of the scores of those keys that the pairs see, of which the lane's first is `first_key`.
#[inline(always)]
fn join_seen<const TILES: usize>(
    maxima: &mut [f32; 2],
    products: &[[f32; 4]; TILES],
    horizons: [u32; 2],
    first_key: u32,
    scale: f32,
) {
    join(maxima, products, |half, key, product| {
        if first_key + key < horizons[half] { product * scale } else { f32::NEG_INFINITY }
    });
}

/// A warp: of each pair the largest of what its four lanes have. Of their four pairs the lanes get one each: the last
/// bit of the lane's number tells the half, the next one the fragment.
///
/// # Safety
///
/// All lanes come together.
#[inline(always)]
unsafe fn share_maxima(maxima: Maxima, part: Part) -> f32 {
    // SAFETY: the caller brings all lanes together.
    let exchange = |[a, b]: [f32; 2], takes_second: bool, distance: u32| unsafe {
        let (kept, given) = if takes_second { (b, a) } else { (a, b) };
        kept.max(warp::warp_shuffle_xor(u32::MAX, given, distance, 32).0)
    };
    let of_halves = maxima.map(|both| exchange(both, part.column & 2 != 0, 1));
    exchange(of_halves, part.column & 4 != 0, 2)
}

/// All threads of the grid: empties the lists of rows that no request owns.
///
/// # Safety
///
/// `params` are the kernel's.
#[inline(always)]
unsafe fn leave_padding_empty(params: &IndexParams) {
    let row_offsets = GlobalPtr::<u32>::from_address(params.batch.row_offsets.address());
    // SAFETY: there is one more offset than there are requests.
    let used = unsafe { row_offsets.add(u64::from(params.batch.batch)).read_constant() };
    let mut row = used + thread::block_idx_x();
    while row < params.batch.rows {
        for head in 0..params.index_heads {
            let line = u64::from(head) * u64::from(params.batch.rows) + u64::from(row);
            // SAFETY: the rows are shared out among the grid.
            unsafe { IdList::of_line(params.block_ids, params.topk, line).leave_empty(0) };
        }
        row += thread::grid_dim_x();
    }
}

// An attribute takes no constant.
const _: () = assert!(IndexParams::THREADS == 128);
const _: () = assert!(IndexParams::PREFILL_PAIRS == IndexParams::THREADS);
