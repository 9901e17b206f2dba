//! Prefill's attention by Blackwell's matrix instructions.
//!
//! A tile is 16 rows of 16 heads, of a pair of blocks of threads, which is a cluster: each has half of the rows, as many as its
//! tensor memory has lanes, and half of each block of keys and values. One thread of the first starts all products, of both.
//! What comes of them lies in tensor memory, a row and head in each lane, so that a thread has all 128 products of a row and
//! head and needs no other for its softmax. Weights go back to tensor memory, over the products that they come from, and are an
//! operand of the next product there.
//!
//! A step is a block of keys and values. Of what a step has in tensor memory there are two, so that the products of the next
//! one run meanwhile. Roles meet at mbarriers alone (`Steps`, `PlaneRing`):
//!
//! | step | warps 0 to 3: weights | warps 4 to 7: totals | a thread of warp 8: copies | a thread of the first block's warp 9: products |
//! | --- | --- | --- | --- | --- |
//! | lists | *all warps* load the lists of the tile's rows | | | |
//! | queries | *all warps* copy the queries of the block's rows to shared memory | | | |
//! | blocks | *all warps* make one list of all blocks in the tile's lists, by a bitmap, with their pages and the block's rows | | | |
//! | registers | take | take | give back | give back |
//! | halves | | | waits until a stage *is used*, starts the copies | |
//! | scores | | | | all halves *have arrived*: products of all queries with all keys; the block *is scored* |
//! | weights | the block *is scored*: maximum, powers of two relative to it; it *is weighed* | | | |
//! | values | | | | it *is weighed* in both: the weighted sums of all dims; the stage *is used*, the block *is summed* |
//! | total | | it *is summed*: the sums join those of rows that chose the block; it *is joined* | | |
//! | result | | the mean | | |
//!
//! The scores of the next block start before the values of this one. A warp neither of whose rows chose a block leaves its lanes
//! as they are: rows of a product do not mix, and nobody looks at what comes of these.
//!
//! Where a row does not see all of a block, which can be the last two of a tile alone, the warps of weights take the weighted sums
//! themselves, from all of the block's values.

mod half;
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
use msa_abi::{AttendParams, BLOCK, TensorMap};

use self::half::Half;
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
use super::tile_ids::{TileIds, turns};
use crate::attended::Attended;
use crate::mapped_planes::MappedPlanes;
use crate::queries::{HEADS, QueryCopy};
use crate::query_tile::QueryTile;
use crate::request::keys_before;
use crate::softmax::magnitude;

/// Blocks of threads of a pair.
const BLOCKS: u32 = 2;

/// Rows of a tile.
const TILE_ROWS: u32 = BLOCKS * ROWS;

/// Lanes of tensor memory: a block's rows and heads.
const LANES: u32 = ROWS * HEADS;

/// Threads of a block.
const THREADS: u32 = AttendParams::BLACKWELL_PREFILL_THREADS;

/// Ids that each has of a tile's.
const TURNS: usize = turns(TILE_ROWS, THREADS);

/// Warps of a role: a warpgroup, since only as one can they reach all lanes, or give registers back.
const ROLE_WARPS: u32 = 4;

/// Registers of a thread that starts copies or products, and of one that makes weights or adds up: of the 168 that each has at
/// first.
const REGISTERS: [u32; 2] = [40, 232];

/// Attends to the blocks in each row's list. [`AttendParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, the map is of the cache, and the launch is as its
/// documentation asks.
#[kernel(max_threads = 384, min_blocks = 1)]
pub unsafe fn attend_prefill_blackwell(params: AttendParams, planes: &TensorMap) {
    // SAFETY: the grid is as the parameters tell.
    let Some(tile) = (unsafe { QueryTile::load(&params, params.tile_rows) }) else {
        return; // A request with fewer tokens than others, or a slot of a bucket that is not used: both blocks.
    };
    let QueryTile { request, first, rows } = tile;
    let (kv_head, rank) = (thread::block_idx_y(), thread::block_idx_z());
    let half = Half::new(rank, params.tile_rows, rows);
    let map = MappedPlanes::new(planes, kv_head);
    let plan = SharedPlan::new(&params);
    let (planes, steps) = (PlaneRing::new(plan.stages, plan.planes), Steps::new(plan.steps));
    // As a lane's answer to all it is the warp's for ptxas, too, which has other registers for what lanes have in common.
    // SAFETY: all lanes are here.
    let (warp, _) = unsafe {
        let warp = thread::thread_idx_x() / warp::WARP_SIZE;
        warp::warp_shuffle_idx(u32::MAX, warp, 0, warp::WARP_SIZE)
    };
    // SAFETY: the caller vouches for the operands; all threads are here, and those of the pair's other block come to the same
    // barriers of the cluster. The last lies behind all that is written to shared memory here.
    let (blocks, tensor) = unsafe {
        if thread::thread_idx_x() == 0 {
            map.prefetch();
            planes.init();
            steps.init();
            ptx::fence_mbarrier_init();
        }
        ptx::barrier_cluster_arrive_relaxed();
        let first_row = request.first_row + first + half.first;
        let ids = TileIds::<TURNS>::load::<THREADS>(&params, request, first, rows, kv_head);
        let queries = QueryCopy::start(&params, first_row, half.rows, kv_head, ROWS, plan.queries);
        // Tensor memory is allocated by both blocks, which have begun then.
        ptx::barrier_cluster_wait();
        if warp == ROLE_WARPS {
            ptx::tcgen05_alloc::<BLOCKS, { TensorPlan::COLUMNS }>(plan.tensor.address());
            ptx::tcgen05_relinquish_alloc_permit::<BLOCKS>();
        }
        let (entries, scratch) = (plan.blocks, plan.scratch);
        let place = |row| half.place(row);
        let blocks = TileBlocks::build(&params, request, rows, ids, place, entries, scratch);
        queries.finish();
        ptx::fence_proxy_async();
        ptx::barrier_cluster_arrive();
        ptx::barrier_cluster_wait();
        (blocks, TensorPlan::new(plan.tensor.read()))
    };
    let whole = whole_blocks(blocks, request.position(first) + 1);

    let lane = Lane(thread::thread_idx_x() % LANES);
    let first = first + half.first;
    // SAFETY: these are three warpgroups, one of which gives what the others take. Each thread of those has a lane; and of the
    // third one thread starts copies and, in the first block, one products. Blocks are those of the request, whose pages exist. At
    // the end all that used tensor memory was waited for, and no block exits before the other's last arrival.
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
                if lane.row() < half.rows && lane.head() < params.group {
                    let row = request.first_row + first + lane.row();
                    let head = kv_head * params.group + lane.head();
                    total.write(Attended::new(&params).line(row, head));
                }
            }
            _ => {
                ptx::setmaxnreg_dec::<{ REGISTERS[0] }>();
                if warp::lane_id() == 0 {
                    let queries = plan.queries;
                    match warp % ROLE_WARPS {
                        0 => planes.start_all(map, blocks, whole, rank),
                        1 if rank == 0 => Products { queries, planes, steps, tensor }
                            .start_all(blocks.len(), whole),
                        _ => {}
                    }
                }
            }
        }
        warp::sync_warp(u32::MAX);
        ptx::barrier_cluster_arrive();
        ptx::barrier_cluster_wait();
        if warp == ROLE_WARPS {
            ptx::tcgen05_fence_after_thread_sync();
            ptx::tcgen05_dealloc::<BLOCKS, { TensorPlan::COLUMNS }>(tensor.first());
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
const _: () =
    assert!(THREADS == 384 && THREADS == 3 * LANES && LANES == ROLE_WARPS * warp::WARP_SIZE);
const _: () = assert!(LANES * (REGISTERS[0] + 2 * REGISTERS[1]) <= THREADS * 168);
