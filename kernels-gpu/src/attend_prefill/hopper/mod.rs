//! Prefill's attention by Hopper's matrix instructions.
//!
//! The tile is that of [`attend_prefill`](super::attend_prefill), and so is all arithmetic between the products. But a
//! product is that of a *warpgroup*, four warps of a row each, with a block that any of their rows chose; and no barrier is
//! common to all. The tile may have fewer rows, where tiles of eight would leave multiprocessors with nothing to do: then
//! each warpgroup has half of them, and a product's other rows are in vain. One warpgroup has planes copied to the ring of stages; the two others wait for the planes that they use, and
//! say when they have used them. So each of these goes through its own blocks at its own pace, and while one computes weights the
//! other multiplies.
//!
//! | step | warps 8 to 11 | warps 0 to 3, 4 to 7: a row each |
//! | --- | --- | --- |
//! | lists | | *all warps* load the rows' lists |
//! | queries | | *all warps* copy the tile's queries to shared memory |
//! | blocks | | *all warps* make one list of all blocks in those, by a bitmap, with their pages and rows |
//! | registers | give back | take |
//! | plane | a thread of warp 8: waits until its stage *is used*, starts the copy; one of warp 9: tells the groups that K or V *has arrived* | |
//! | scores | | K *has arrived*: products of the warpgroup's queries with all keys; K *is used* |
//! | weights | | of rows that chose the block: maximum, powers of two relative to it; zero of others |
//! | values | | V *has arrived*: the weighted sums of all dims; V *is used* |
//! | total | | which join those of rows that chose the block |
//! | | *back to plane, for the next one* | *back to scores, for the next block that any of the four rows chose* |
//! | result | | the mean |
//!
//! A warp whose row does not see all of a block takes the weighted sum by itself, so that what it does not see is not
//! multiplied by zero: it may be NaN.

mod group;
mod group_blocks;
mod matrices;
mod plane_ring;
mod shared_plan;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{AttendParams, BLOCK, TensorMap};

use self::group::{Group, place};
use self::group_blocks::GroupBlocks;
use self::matrices::{scores, weighted_by_group};
use self::plane_ring::PlaneRing;
use self::shared_plan::SharedPlan;
use super::ROWS;
use super::tile_blocks::TileBlocks;
use super::tile_ids::{TileIds, turns};
use super::total::Total;
use super::values::weighted;
use super::weights::Weights;
use crate::attended::Attended;
use crate::mapped_planes::MappedPlanes;
use crate::queries::QueryCopy;
use crate::query_tile::QueryTile;
use crate::request::keys_before;
use crate::softmax::magnitude;

/// Warps of a warpgroup, each of which has a row at most.
const GROUP_WARPS: u32 = 4;

/// Warpgroups that compute.
const GROUPS: u32 = ROWS / GROUP_WARPS;

/// Threads of a block.
const THREADS: u32 = AttendParams::HOPPER_PREFILL_THREADS;

/// Ids that each has of a tile's.
const TURNS: usize = turns(ROWS, THREADS);

/// Threads of the warps that have planes copied: a warpgroup, since only as one can they give registers back.
const COPY_THREADS: u32 = 128;

/// Registers of a thread that copies, and of one that computes: of the 168 that each has at first.
const REGISTERS: [u32; 2] = [40, 232];

/// Attends to the blocks in each row's list. [`AttendParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, the map is of the cache, and the launch is as its
/// documentation asks.
#[kernel(max_threads = 384, min_blocks = 1)]
pub unsafe fn attend_prefill_hopper(params: AttendParams, planes: &TensorMap) {
    // SAFETY: the grid is as the parameters tell.
    let Some(tile) = (unsafe { QueryTile::load(&params, params.tile_rows) }) else {
        return; // A request with fewer tokens than others, or a slot of a bucket that is not used.
    };
    let QueryTile { request, first, rows } = tile;
    let kv_head = thread::block_idx_y();
    let planes = MappedPlanes::new(planes, kv_head);
    if thread::thread_idx_x() == 0 {
        planes.prefetch();
    }
    let plan = SharedPlan::new(&params);
    let ring = PlaneRing::new(plan.stages, plan.barriers);
    // SAFETY: the caller vouches for the operands; all threads are here. The last barrier lies behind all that is written
    // to shared memory here.
    let blocks = unsafe {
        let first_row = request.first_row + first;
        let ids = TileIds::<TURNS>::load::<THREADS>(&params, request, first, rows, kv_head);
        let queries = QueryCopy::start(&params, first_row, rows, kv_head, ROWS, plan.queries);
        ring.init();
        let place = |row| Some(place(row, params.tile_rows));
        let blocks =
            TileBlocks::build(&params, request, rows, ids, place, plan.blocks, plan.scratch);
        queries.finish();
        ptx::fence_proxy_async();
        thread::sync_threads();
        blocks
    };

    // As a lane's answer to all it is the warp's for ptxas, too, which has other registers for what lanes have in common.
    // SAFETY: all lanes are here.
    let (warp, _) = unsafe {
        let warp = thread::thread_idx_x() / warp::WARP_SIZE;
        warp::warp_shuffle_idx(u32::MAX, warp, 0, warp::WARP_SIZE)
    };
    if warp >= GROUPS * GROUP_WARPS {
        // SAFETY: these are blocks that the request has, whose pages exist; one thread does each.
        unsafe {
            ptx::setmaxnreg_dec::<{ REGISTERS[0] }>();
            if warp::lane_id() == 0 {
                match warp - GROUPS * GROUP_WARPS {
                    0 => ring.start_all(planes, blocks),
                    1 => ring.tell_all(blocks),
                    _ => {}
                }
            }
        }
        return;
    }
    // SAFETY: these are two warpgroups, and what they take the third has given.
    unsafe { ptx::setmaxnreg_inc::<{ REGISTERS[1] }>() };
    let group = Group::new(warp / GROUP_WARPS, params.tile_rows);
    let warp = warp % GROUP_WARPS;
    let row = group.first + warp;
    let mut user = ring.user(group);
    let mut total = Total::NONE;
    let mut own = GroupBlocks::new(blocks, group.nth);
    // SAFETY: all lanes come together.
    while let Some(nth) = unsafe { own.next() } {
        let block = blocks.nth(nth);
        let (times, block) = (block.times(group.place(warp)), block.block);
        // SAFETY: all lanes come together, and so do the warps of a group, which all have chosen the block or none. Both
        // planes are on their way, and nobody writes them before they are used.
        unsafe {
            let keys = user.arrived(2 * nth);
            let products = scores(plan.queries, group, keys);
            user.used(2 * nth);

            let visible = keys_before(request.position(first + row) + 1, block);
            let mut weights = Weights::NONE;
            if times > 0 {
                weights = Weights::of_products(products, visible, magnitude(params.scale_log2));
            }

            let values = user.arrived(2 * nth + 1);
            // The first row of a group sees the least.
            let least = keys_before(request.position(first + group.first) + 1, block);
            let weighted = if least == BLOCK as u32 {
                weighted_by_group(&weights, values)
            } else {
                weighted(&weights.rounded, values, visible)
            };
            user.used(2 * nth + 1);
            for _ in 0..times {
                total.join(weights.sums, &weighted);
            }
        }
    }
    if group.has_row(warp, rows) {
        let attended = Attended::new(&params);
        // SAFETY: the row is this warp's.
        unsafe {
            total.write(
                attended,
                request.first_row + first + row,
                kv_head * params.group,
                params.group,
            )
        }
    }
}

// An attribute takes no constant; a warp has a row at most, and others copy.
const _: () = assert!(THREADS == 384 && ROWS * warp::WARP_SIZE + COPY_THREADS == THREADS);
const _: () = assert!(ROWS * 32 * REGISTERS[1] + COPY_THREADS * REGISTERS[0] <= THREADS * 168);
