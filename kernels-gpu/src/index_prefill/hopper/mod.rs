//! Scores and selection of prefill by Hopper's matrix instructions.
//!
//! A block of threads has a tile of 256 pairs, and a part of the blocks that any of them sees. One warpgroup copies each
//! block to a ring of stages; two others have 128 of the pairs each, as two products of 64 with all keys of a block. A
//! product runs while the maxima of the one before are taken, and no barrier is common to all.
//!
//! | step | warps 8 to 11 | warps 0 to 3, 4 to 7 |
//! | --- | --- | --- |
//! | registers | give back | take |
//! | queries | | by way of shared memory to registers, as operand A |
//! | keys | wait until their stage *is used*, start the copy | *have arrived*: start the first product |
//! | selection | | of the block before: maxima of its second product; a lane for each pair, as in `index_prefill` |
//! | second product | | start it |
//! | maxima | | wait for the first product; the largest score of each pair |
//! | | | wait for the second product; the keys *are used* |
//! | | *back to keys, for the next block* | *back to keys, for the next block* |
//! | result | | selection of the last block; ids, or keys where [`index_merge`](crate::index_merge) follows |
//!
//! So a product runs while the maxima of the one before are taken. At the end of a step none runs: for ptxas keeps products
//! asynchronous only if they end where they began. The other warpgroup's do.
//!
//! Products have the bits of `mma.sync`, and so scores those of [`index_prefill`](super::index_prefill).

mod product;
mod scores;
mod shared_plan;

use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::ptx::{self, StartedProduct};
use msa_abi::{BLOCK, IndexParams};

use self::product::start;
use self::scores::Scores;
use self::shared_plan::SharedPlan;
use super::selection::Selection;
use super::{WARP_PAIRS, leave_padding_empty, pair, queries, share_maxima};
use crate::block_copy::Plane;
use crate::dependent_launch::let_next_begin;
use crate::fragment::Part;
use crate::group_ring::{COPY_THREADS, GROUP_WARPS, GroupRing};
use crate::page_ids::PageIds;
use crate::pair_tile::PairTile;

/// Pairs of a warpgroup.
const GROUP_PAIRS: u32 = GROUP_WARPS * WARP_PAIRS;

/// Warpgroups that compute.
const GROUPS: u32 = IndexParams::HOPPER_PREFILL_PAIRS / GROUP_PAIRS;

type Ring = GroupRing<GROUPS>;

/// Registers of a thread that copies, and of one that computes: of the 168 that each has at first.
const REGISTERS: [u32; 2] = [40, 232];

/// Selects each row's blocks, or the first of a part of them. [`IndexParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 384, min_blocks = 1)]
pub unsafe fn index_prefill_hopper(params: IndexParams) {
    const PAIRS: u32 = IndexParams::HOPPER_PREFILL_PAIRS;
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
    let ends: [u32; GROUPS as usize] = from_fn(|group| {
        let seen = tile.longest_horizon(group as u32 * GROUP_PAIRS, GROUP_PAIRS);
        end.min(seen.div_ceil(BLOCK as u32))
    });
    let plan = SharedPlan::new(&params);
    let ring = plan.ring();
    // SAFETY: nothing else is there, and all threads come to the barrier.
    unsafe {
        ring.init();
        thread::sync_threads();
    }
    let_next_begin();

    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    // SAFETY: all lanes are together. They have the same number already; so the compiler knows, too.
    let (warp, _) = unsafe { warp::warp_shuffle_idx(u32::MAX, warp, 0, warp::WARP_SIZE) };
    if warp >= GROUPS * GROUP_WARPS {
        // SAFETY: these are the warps that copy, and the blocks are the request's.
        unsafe {
            ptx::setmaxnreg_dec::<{ REGISTERS[0] }>();
            copy(&params, tile, ring, begin, end, ends);
        }
        return;
    }
    // SAFETY: these are two warpgroups, and what they take the third has given.
    unsafe { ptx::setmaxnreg_inc::<{ REGISTERS[1] }>() };
    let (group, first_pair) = (warp / GROUP_WARPS, warp * WARP_PAIRS);
    let end = if group == 0 { ends[0] } else { ends[1] };
    let part = Part::of_lane();
    let own_pair = pair(part.column as usize / 4, part.column as usize / 2 % 2, part);
    // SAFETY: the caller vouches for the operands. A warp has a place of its own, with room for its queries and then for
    // its lanes' keys; all of its lanes have read queries before any has keys.
    let (queries, mut selection) = unsafe {
        let queries = queries(&params, tile, first_pair, plan.queries(warp), 0);
        warp::sync_warp(u32::MAX);
        (queries, Selection::new(&params, tile, first_pair + own_pair, plan.keys(warp)))
    };
    let scores = Scores::new(&params, tile, first_pair, part);
    // SAFETY: the kernel comes here once.
    let (mut first, mut second) =
        unsafe { (StartedProduct::<0>::new(), StartedProduct::<1>::new()) };

    let mut user = ring.user(group);
    let mut maxima = [f32::NEG_INFINITY; 2];
    let mut products = [[f32::NEG_INFINITY; 4]; BLOCK / 8];
    // SAFETY: all threads of the group come here for each block in turn, which is on its way, and is used until both
    // products are there.
    unsafe {
        let mut select = |block, maxima, products: &_| {
            let maxima = [maxima, scores.maxima(block, 1, products)];
            selection.consider(block, share_maxima(maxima, part));
            warp::sync_warp(u32::MAX);
        };
        for block in begin..end {
            let keys = user.next();
            start(&mut first, &queries[0], keys.tile);
            if block > begin {
                select(block - 1, maxima, &products);
            }
            start(&mut second, &queries[1], keys.tile);
            ptx::wgmma_wait_group::<1>();
            maxima = scores.maxima(block, 0, &first.values());
            ptx::wgmma_wait_group::<0>();
            products = second.values();
            keys.is_used();
        }
        if begin < end {
            select(end - 1, maxima, &products);
        }
    }
    // SAFETY: all lanes are together, and each warp has its own pairs.
    unsafe { selection.finish(&params, split) }
}

/// A warpgroup: copies the index keys of a tile's blocks to the ring, each for the groups that see it.
///
/// # Safety
///
/// The cache is the kernel's, and the request has the blocks. All of the threads that copy come here.
#[inline(always)]
unsafe fn copy(
    params: &IndexParams,
    tile: PairTile,
    ring: Ring,
    begin: u32,
    end: u32,
    ends: [u32; GROUPS as usize],
) {
    let thread = thread::thread_idx_x() % COPY_THREADS;
    let (plane, mut copier) = (Plane::new(&params.cache, 0, 0), ring.copier());
    // SAFETY: the caller's promise.
    let mut pages = unsafe { PageIds::new(&params.cache, tile.request, begin, 1, end) };
    for block in begin..end {
        let keys = tile.request.keys_in(block);
        let is_user = |group| block < if group == 0 { ends[0] } else { ends[1] };
        // SAFETY: the page is the block's, and all lanes are together. The last pairs, of which there is one, see it.
        unsafe {
            let page = pages.take();
            copier.next(thread, is_user, |to| {
                plane.start_copy::<COPY_THREADS, { BLOCK as u32 }>(thread, page, 0, keys, to);
            });
        }
    }
}

// An attribute takes no constant; a warpgroup copies.
const _: () = assert!(IndexParams::HOPPER_PREFILL_THREADS == 384);
const _: () = assert!(GROUPS * GROUP_PAIRS + COPY_THREADS == 384);
const _: () = assert!(GROUPS == 2 && GROUPS * GROUP_PAIRS == IndexParams::HOPPER_PREFILL_PAIRS);
const _: () =
    assert!(GROUPS * GROUP_PAIRS * REGISTERS[1] + COPY_THREADS * REGISTERS[0] <= 384 * 168);
