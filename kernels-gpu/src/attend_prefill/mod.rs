//! Attention of requests with many new tokens each: prefill.
//!
//! A block of threads has a tile of neighbouring rows of one request, and one KV head. It walks the union of their
//! lists once, by ascending id; K and V of each block come through a ring of stages in shared memory. A warp has a row:
//! the heads of its group are the 16 rows of a matrix product. What it keeps of the row (queries, weights, total) is in
//! its registers, so warps share nothing but the stages.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | queries | all threads | copy the tile's queries to the last stage, which is not used yet |
//! | lists | all threads | sort each row's list, and make one of all blocks in them, with their pages |
//! | queries | each warp | takes its row's from the stage |
//! | K *arrives* | | *barrier*; the copy of a later plane starts |
//! | weights | warps whose row chose the block | products with all keys, their maximum, powers of two relative to it |
//! | V *arrives* | | *barrier*; the copy of a later plane starts |
//! | values | the same warps | the weighted sum of all dims, which joins the row's total |
//! | | | *back to K, for the next block* |
//! | result | each warp | the mean |
//!
//! The products, sums and maxima of a row and block, and how blocks join, are those of
//! [`attend_decode`](crate::attend_decode), bit for bit.

// Instructions of these architectures alone.
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_100a"))]
pub mod blackwell;
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_90a"))]
pub mod hopper;
mod shared_plan;
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_90a", target_feature = "sm_100a"))]
mod small_divisor;
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_90a", target_feature = "sm_100a"))]
mod tile_blocks;
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_90a", target_feature = "sm_100a"))]
mod tile_ids;
mod total;
mod values;
mod weights;

use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK};

use self::shared_plan::SharedPlan;
use self::total::Total;
use self::values::weighted;
use self::weights::{Queries, Weights};
use crate::attended::Attended;
use crate::block_lists::{BlockLists, Slots};
use crate::block_planes::{BlockPlanes, BlockRing};
use crate::queries::{HEADS, QueryCopy};
use crate::query_tile::QueryTile;
use crate::request::keys_before;
use crate::softmax::magnitude;

/// Rows of a tile.
const ROWS: u32 = AttendParams::PREFILL_ROWS;

/// Attends to the blocks in each row's list. [`AttendParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 256)]
pub unsafe fn attend_prefill(params: AttendParams) {
    // SAFETY: the grid is as the parameters tell.
    let Some(tile) = (unsafe { QueryTile::load(&params, ROWS) }) else {
        return; // A request with fewer tokens than others, or a slot of a bucket that is not used.
    };
    let QueryTile { request, first, rows } = tile;
    let kv_head = thread::block_idx_y();
    let row = thread::thread_idx_x() / warp::WARP_SIZE;
    let plan = SharedPlan::new(&params);
    // SAFETY: the caller vouches for the operands; all threads are here. A barrier lies behind the copy of the queries, and
    // that of the first plane before another fills their stage.
    let (lists, queries) = unsafe {
        let tile = plan.stages.last();
        let first_row = request.first_row + first;
        let copy = QueryCopy::start(&params, first_row, rows, kv_head, rows, tile);
        let lists = BlockLists::build(&params, request, first, rows, kv_head, plan.ids);
        copy.finish();
        thread::sync_threads();
        let mut queries: Queries = [[0; 4]; _];
        if row < rows {
            for (step, a) in (0..).zip(&mut queries) {
                *a = tile.a(row * HEADS, step);
            }
        }
        (lists, queries)
    };

    type Ring = BlockRing<{ AttendParams::PREFILL_THREADS }>;
    let blocks = (0, lists.len());
    let mut total = Total::NONE;
    // SAFETY: the lists hold blocks that the request has, whose pages exist. All threads come to the ring's barriers,
    // and between them a whole warp does a row's work or none.
    unsafe {
        let planes = BlockPlanes::new(&params.cache, kv_head, request, lists, blocks);
        let mut ring = Ring::new(planes, plan.stages);
        ring.start_first();
        for nth in blocks.0..blocks.1 {
            let keys = ring.arrived();
            let block = lists.block(nth);
            let visible = keys_before(request.position(first + row) + 1, block);
            let mut slots = Slots { first: 0, count: 0 };
            if row < rows {
                slots = lists.slots(row, block);
            }
            let mut weights = Weights::NONE;
            if slots.count > 0 {
                weights = Weights::of(&queries, keys, visible, magnitude(params.scale_log2));
            }
            let values = ring.arrived();
            if slots.count > 0 {
                let weighted = weighted(&weights.rounded, values, visible);
                for _ in 0..slots.count {
                    total.join(weights.sums, &weighted);
                }
            }
        }
        if row < rows {
            let attended = Attended::new(&params);
            let first_head = kv_head * params.group;
            total.write(attended, request.first_row + first + row, first_head, params.group);
        }
    }
}

// An attribute takes no constant; a warp has a row, and a stage has room for the queries of all.
const _: () = assert!(AttendParams::PREFILL_THREADS == 256 && ROWS * warp::WARP_SIZE == 256);
const _: () = assert!(ROWS * HEADS == BLOCK as u32);
