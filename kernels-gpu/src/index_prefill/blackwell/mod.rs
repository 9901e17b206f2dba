//! Scores and selection of prefill by Blackwell's matrix instructions.
//!
//! A block of threads has a tile of 512 pairs, as four groups of 128, and a part of the blocks that any of them sees. One thread
//! starts all products, of a group with all keys of a block. What comes of one lies in tensor memory, a pair in each lane, so
//! that a thread has all 128 scores of its pair: it takes their maximum without asking another, and selects. Queries are in
//! tensor memory, too, as operand A: shared memory is for keys and for what is selected.
//!
//! A step is a group and a block: first the groups in turn, then the blocks. There are two places for scores, so that the next
//! step's product runs while maxima of this one's are taken. Roles meet at mbarriers alone (`Steps`, `KeyRing`):
//!
//! | step | warps 0 to 15: groups | warps 16, 17: copies | warp 18: products |
//! | --- | --- | --- | --- |
//! | tensor memory | | | allocate it |
//! | queries | a lane's to tensor memory: they *are there* | | |
//! | keys | | wait until their stage *is used*, start the copy | |
//! | products | | | queries *are there*, keys *have arrived*, the place *is free*: the step *is scored*; after the last group the keys *are used* |
//! | maximum | the step *is scored*: the largest score of each pair; the place *is free* | | |
//! | selection | a lane for each pair, as in `index_prefill` | | |
//! | | *back to the maximum, for the next block* | *back to keys* | *back to products* |
//! | result | ids, or keys where [`index_merge`](crate::index_merge) follows | | |
//!
//! Products have the bits of `mma.sync`, and so scores those of [`index_prefill`](super::index_prefill).

mod key_ring;
mod products;
mod scores;
mod shared_plan;
mod steps;
mod tensor_plan;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::IndexParams;

use self::key_ring::{COPY_WARPS, KeyRing};
use self::products::Products;
use self::scores::Scores;
use self::shared_plan::SharedPlan;
use self::steps::Steps;
use self::tensor_plan::TensorPlan;
use super::selection::Selection;
use super::{WARP_PAIRS, leave_padding_empty};
use crate::dependent_launch::let_next_begin;
use crate::pair_tile::PairTile;

/// Pairs of a group: the lanes of tensor memory.
const GROUP_PAIRS: u32 = 128;

/// Warps of a group.
const GROUP_WARPS: u32 = GROUP_PAIRS / WARP_PAIRS;

/// Groups of a tile.
const GROUPS: u32 = IndexParams::BLACKWELL_PREFILL_PAIRS / GROUP_PAIRS;

/// The first warp that copies.
const FIRST_COPY_WARP: u32 = GROUPS * GROUP_WARPS;

/// The warp of the thread that starts products.
const PRODUCT_WARP: u32 = FIRST_COPY_WARP + COPY_WARPS;

/// Selects each row's blocks, or the first of a part of them. [`IndexParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 640, min_blocks = 1)]
pub unsafe fn index_prefill_blackwell(params: IndexParams) {
    const PAIRS: u32 = IndexParams::BLACKWELL_PREFILL_PAIRS;
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
    let groups = tile.len.div_ceil(GROUP_PAIRS);
    let plan = SharedPlan::new(&params);
    let (keys, steps) = (KeyRing::new(plan.stages, plan.ring), Steps::new(plan.steps, groups));
    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    // SAFETY: nothing else is there, and all threads come to the barrier.
    let tensor = unsafe {
        if thread::thread_idx_x() == 0 {
            keys.init();
            steps.init();
        }
        if warp == PRODUCT_WARP {
            ptx::tcgen05_alloc::<1, { TensorPlan::COLUMNS }>(plan.tensor.address());
            ptx::tcgen05_relinquish_alloc_permit::<1>();
        }
        thread::sync_threads();
        TensorPlan::new(plan.tensor.read())
    };
    let_next_begin();

    // SAFETY: each warp has its role. A group has a lane for each of its pairs, and a lane room for its keys; two warps copy, the
    // blocks are the request's; and one thread starts products. At the end all that used tensor memory was waited for.
    unsafe {
        if warp < groups * GROUP_WARPS {
            let (group, pair) = (warp / GROUP_WARPS, thread::thread_idx_x());
            let mut selection = Selection::new(&params, tile, pair, plan.keys(warp));
            let scores = Scores::new(&params, tile, warp, tensor);
            scores.ask(&params, tile, steps);
            for block in begin..end {
                let score = scores.max(block, steps.nth(block - begin, group));
                selection.consider(block, score);
                warp::sync_warp(u32::MAX);
            }
            selection.finish(&params, split);
        } else if warp == PRODUCT_WARP {
            if warp::lane_id() == 0 {
                Products { keys, steps, tensor }.start_all(end - begin);
            }
        } else if (FIRST_COPY_WARP..PRODUCT_WARP).contains(&warp) {
            let thread = thread::thread_idx_x() - FIRST_COPY_WARP * warp::WARP_SIZE;
            keys.copy_all(thread, &params.cache, tile.request, begin, end);
        }
        warp::sync_warp(u32::MAX);
        thread::sync_threads();
        if warp == PRODUCT_WARP {
            ptx::tcgen05_fence_after_thread_sync();
            ptx::tcgen05_dealloc::<1, { TensorPlan::COLUMNS }>(tensor.first());
        }
    }
}

// An attribute takes no constant. Behind the thread that starts products a warp is left over.
const _: () = assert!(IndexParams::BLACKWELL_PREFILL_THREADS == 640);
const _: () = assert!((PRODUCT_WARP + 2) * warp::WARP_SIZE == 640);
const _: () = assert!(GROUPS * GROUP_PAIRS == IndexParams::BLACKWELL_PREFILL_PAIRS);
