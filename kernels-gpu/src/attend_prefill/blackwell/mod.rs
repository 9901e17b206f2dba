//! Prefill's attention by Blackwell's matrix instructions.
//!
//! The tile is that of [`attend_prefill`](super::attend_prefill), eight rows of 16 heads: as many as a product's rows, and as
//! tensor memory has lanes. One thread starts all products. What comes of them lies in tensor memory, a row and head in each
//! lane, so that a thread has all 128 products of a row and head and needs no other for its softmax. Weights go back to tensor
//! memory, over the products that they come from, and are an operand of the next product there.
//!
//! A step is a block. Of what a step has in tensor memory there are two, so that the products of the next one run meanwhile.
//! Roles meet at mbarriers alone (`Steps`, `PlaneRing`):
//!
//! | step | warps 0 to 3: weights | warps 4 to 7: totals | warps 8 to 11: copies | warp 12: products |
//! | --- | --- | --- | --- | --- |
//! | lists | *all warps* load the rows' lists | | | |
//! | queries | *all warps* copy the tile's queries to shared memory | | | |
//! | blocks | *all warps* make one list of all blocks in those, by a bitmap, with their pages and rows | | | |
//! | registers | take | take | give back | give back |
//! | plane | | | wait until its stage *is used*, start the copy | |
//! | scores | | | | K *has arrived*: products of all queries with all keys; K *is used*, the block *is scored* |
//! | weights | the block *is scored*: maximum, powers of two relative to it; it *is weighed* | | | |
//! | values | | | | it *is weighed*, V *has arrived*: the weighted sums of all dims; V *is used*, the block *is summed* |
//! | total | | it *is summed*: the sums join those of rows that chose the block; it *is joined* | | |
//! | result | | the mean | | |
//!
//! The scores of the next block start before the values of this one. A warp neither of whose rows chose a block leaves its lanes
//! as they are: rows of a product do not mix, and nobody looks at what comes of these.
//!
//! Where a row does not see all of a block, which can be the last two of a tile alone, the warps of weights take the weighted sums
//! themselves.

mod lane;
mod lane_weights;
mod plane_ring;
mod products;
mod shared_plan;
mod steps;
mod tensor_plan;
mod total;
mod weights;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{AttendParams, BLOCK};

use self::lane::Lane;
use self::plane_ring::PlaneRing;
use self::products::Products;
use self::shared_plan::SharedPlan;
use self::steps::Steps;
use self::tensor_plan::TensorPlan;
use self::total::Total;
use self::weights::Weighing;
use super::ROWS;
use super::tile_blocks::TileBlocks;
use super::tile_ids::TileIds;
use crate::attended::Attended;
use crate::queries::{HEADS, QueryCopy};
use crate::query_tile::QueryTile;
use crate::request::keys_before;
use crate::softmax::magnitude;

/// Lanes of tensor memory: rows of the tile and heads.
const LANES: u32 = ROWS * HEADS;

/// Threads of a block.
const THREADS: u32 = AttendParams::BLACKWELL_PREFILL_THREADS;

/// Warps of a role: a warpgroup, since only as one can they reach all lanes, or give registers back.
const ROLE_WARPS: u32 = 4;

/// Threads that copy.
const COPY_THREADS: u32 = ROLE_WARPS * warp::WARP_SIZE;

/// Registers of a thread that copies or starts products, and of one that makes weights or adds up: of the 128 that each has at
/// first.
const REGISTERS: [u32; 2] = [40, 216];

/// Attends to the blocks in each row's list. [`AttendParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 512, min_blocks = 1)]
pub unsafe fn attend_prefill_blackwell(params: AttendParams) {
    // SAFETY: the grid is as the parameters tell.
    let Some(tile) = (unsafe { QueryTile::load(&params, params.tile_rows) }) else {
        return; // A request with fewer tokens than others, or a slot of a bucket that is not used.
    };
    let QueryTile { request, first, rows } = tile;
    let kv_head = thread::block_idx_y();
    let plan = SharedPlan::new(&params);
    let (planes, steps) = (PlaneRing::new(plan.stages, plan.planes), Steps::new(plan.steps));
    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    // SAFETY: the caller vouches for the operands; all threads are here. The last barrier lies behind all that is written
    // to shared memory here.
    let (blocks, tensor) = unsafe {
        let first_row = request.first_row + first;
        let ids = TileIds::load::<THREADS>(&params, request, first, rows, kv_head);
        let queries = QueryCopy::start(&params, first_row, rows, kv_head, ROWS, plan.queries);
        if thread::thread_idx_x() == 0 {
            planes.init();
            steps.init();
        }
        if warp == ROLE_WARPS {
            ptx::tcgen05_alloc::<{ TensorPlan::COLUMNS }>(plan.tensor.address());
            ptx::tcgen05_relinquish_alloc_permit();
        }
        let (entries, scratch) = (plan.blocks, plan.scratch);
        let blocks = TileBlocks::build(&params, request, rows, ids, |row| row, entries, scratch);
        queries.finish();
        ptx::fence_proxy_async();
        thread::sync_threads();
        (blocks, TensorPlan::new(plan.tensor.read()))
    };
    let whole = whole_blocks(blocks, request.position(first) + 1);

    let lane = Lane(thread::thread_idx_x() % LANES);
    // SAFETY: these are four warpgroups, two of which give what the others take. Each thread has a lane of its role's or, if it
    // copies, a part of the copies; and one thread starts products. Blocks are those of the request, whose pages exist. At the
    // end all that used tensor memory was waited for.
    unsafe {
        match warp / ROLE_WARPS {
            0 => {
                ptx::setmaxnreg_inc::<{ REGISTERS[1] }>();
                let magnitude = magnitude(params.scale_log2);
                let sums = plan.sums;
                Weighing { lane, blocks, planes, steps, tensor, sums, request, first, magnitude }
                    .weigh_all(whole);
            }
            1 => {
                ptx::setmaxnreg_inc::<{ REGISTERS[1] }>();
                let total = Total::of_all(lane, blocks, whole, steps, tensor, plan.sums);
                if lane.row() < rows && lane.head() < params.group {
                    let row = request.first_row + first + lane.row();
                    let head = kv_head * params.group + lane.head();
                    total.write(Attended::new(&params).line(row, head));
                }
            }
            2 => {
                ptx::setmaxnreg_dec::<{ REGISTERS[0] }>();
                planes.copy_all(lane.0, &params.cache, kv_head, request, blocks);
            }
            _ => {
                ptx::setmaxnreg_dec::<{ REGISTERS[0] }>();
                if lane.0 == 0 {
                    let queries = plan.queries;
                    Products { queries, planes, steps, tensor }.start_all(blocks.len(), whole);
                }
            }
        }
        warp::sync_warp(u32::MAX);
        thread::sync_threads();
        if warp == ROLE_WARPS {
            ptx::tcgen05_fence_after_thread_sync();
            ptx::tcgen05_dealloc::<{ TensorPlan::COLUMNS }>(tensor.first());
        }
    }
}

/// How many blocks of a tile, the first ones, end before position `end`: its first row, which sees the least, sees all of these.
/// Of the others there are two at most.
#[inline(always)]
fn whole_blocks(blocks: TileBlocks, end: u32) -> u32 {
    let mut whole = blocks.len();
    while whole > 0 && keys_before(end, blocks.nth(whole - 1).block) < BLOCK as u32 {
        whole -= 1;
    }
    whole
}

// An attribute takes no constant; a role has a thread for each lane; and registers are what a multiprocessor has.
const _: () = assert!(THREADS == 512 && THREADS == 4 * LANES && LANES == COPY_THREADS);
const _: () = assert!(2 * LANES * (REGISTERS[0] + REGISTERS[1]) <= THREADS * 128);
