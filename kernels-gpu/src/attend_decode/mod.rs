//! Attention of requests with few new tokens each: decode and speculative decode.
//!
//! A block of threads has a tile of rows of one request, one KV head, and a part of the blocks that any of the rows
//! has chosen. Each of these is read once, K and then V, through a ring of stages in shared memory; the four warps
//! work on it together, a row after the other.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | lists | all threads | sort each row's list, and make one of all blocks in them, with their pages |
//! | K *arrives* | | *barrier*; the copy of a later plane starts |
//! | scores | warp `w`, for each row | products with keys `32 w ..`, and their maximum for each head |
//! | | | *barrier* |
//! | weights | warp `w`, for each row | powers of two relative to the block's maximum, rounded, to shared memory |
//! | V *arrives* | | *barrier*; the copy of a later plane starts |
//! | values | warp `w`, for each row | the weighted sum of dims `32 w ..`, which joins the row's total |
//! | | | *back to K, for the next block* |
//! | result | each warp | its dims of the mean, or nothing where [`attend_combine`](crate::attend_combine) follows |
//!
//! Where the blocks are split over several blocks of threads, a block's sums do not join a total here but go to global
//! memory. What is done with them there is the same, in the same order.

// Instructions of this architecture and later ones.
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_90"))]
pub mod cluster;
mod result;
mod scores;
mod scratch;
mod shared_plan;
mod values;

use cuda_std::prelude::*;
use msa_abi::AttendParams;

use self::result::Results;
use self::shared_plan::SharedPlan;
use crate::block_lists::BlockLists;
use crate::block_planes::{BlockPlanes, BlockRing};
use crate::dependent_launch::let_next_begin;
use crate::queries::QueryCopy;
use crate::query_tile::QueryTile;
use crate::request::keys_before;
use crate::softmax::magnitude;

/// Attends to the blocks in each row's list. [`AttendParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 128, min_blocks = 2)]
pub unsafe fn attend_decode(params: AttendParams) {
    // SAFETY: the grid is as the parameters tell.
    let Some(tile) = (unsafe { QueryTile::load(&params, params.tile_rows) }) else {
        return; // A request with fewer tokens than others, or a slot of a bucket that is not used.
    };
    let QueryTile { request, first, rows } = tile;
    let (kv_head, split) = (thread::block_idx_y(), thread::block_idx_z());
    let plan = SharedPlan::new(&params);
    let results = Results::new(&params, request.first_row + first, kv_head);
    // SAFETY: the caller vouches for the operands; all threads are here.
    let (lists, queries) = unsafe {
        let (first_row, tile) = (request.first_row + first, plan.scratch.queries());
        let queries = QueryCopy::start(&params, first_row, rows, kv_head, rows, tile);
        results.start(rows, plan);
        let lists = BlockLists::build(&params, request, first, rows, kv_head, plan.ids);
        (lists, queries)
    };
    let (begin, end) = lists.share(split, params.splits);
    if split == 0 && params.splits > 1 {
        // SAFETY: the rows are this block's, and so are the slots that have no block.
        unsafe { results.leave_empty(rows, lists) };
    }

    type Ring = BlockRing<{ AttendParams::THREADS }>;
    // SAFETY: the lists hold blocks that the request has, whose pages exist. A barrier lies between a stage's last use
    // and its next copy, and between a copy's arrival and its use.
    unsafe {
        let planes = BlockPlanes::new(&params.cache, kv_head, request, lists, (begin, end));
        let mut ring = Ring::new(planes, plan.stages);
        ring.start_first();
        queries.finish_among_others();
        let_next_begin();
        for nth in begin..end {
            let keys = ring.arrived();
            let block = lists.block(nth);
            let visible = |row: u32| keys_before(request.position(first + row) + 1, block);
            for row in 0..rows {
                if lists.slots(row, block).count > 0 {
                    let magnitude = magnitude(params.scale_log2);
                    scores::weigh(keys, row, visible(row), magnitude, plan.scratch);
                }
            }
            let values = ring.arrived();
            for row in 0..rows {
                let slots = lists.slots(row, block);
                if slots.count > 0 {
                    let sums = values::sums(row, plan.scratch);
                    let weighted = values::weighted(values, row, visible(row), plan.scratch);
                    results.take(row, slots, sums, weighted, plan);
                }
            }
        }
        results.finish(rows, plan);
    }
}

// An attribute takes no constant. Shared memory has room for two blocks of threads on a multiprocessor; without being told
// so, ptxas spills registers on sm_120 to make room for more.
const _: () = assert!(AttendParams::THREADS == 128);
