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

mod lists;
mod result;
mod scores;
mod shared_plan;
mod values;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::AttendParams;

use self::lists::Lists;
use self::result::Results;
use self::shared_plan::SharedPlan;
use crate::block_copy::Plane;
use crate::div_rem::div_rem;
use crate::request::{Request, keys_before};
use crate::row_tile::RowTile;

/// Threads of a block.
const THREADS: u32 = AttendParams::THREADS;

/// Attends to the blocks in each row's list. [`AttendParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 128)]
pub unsafe fn attend_decode(params: AttendParams) {
    let (split, kv_head) = (thread::block_idx_x(), thread::block_idx_y());
    let (request, tile) = div_rem(thread::block_idx_z(), params.row_tiles);
    // SAFETY: the grid is as the parameters tell.
    let request = unsafe { Request::load(&params.batch, request) };
    let first = tile * params.tile_rows;
    if first >= request.rows {
        return; // A request with fewer tokens than others, or a slot of a bucket that is not used.
    }
    let rows = params.tile_rows.min(request.rows - first);
    let plan = SharedPlan::new(&params);
    let results = Results::new(&params, request.first_row + first, kv_head);
    // SAFETY: the caller vouches for the operands; all threads are here.
    let lists = unsafe {
        scores::load_queries(&params, request.first_row + first, rows, kv_head, plan);
        results.start(rows, plan);
        Lists::build(&params, request, first, rows, kv_head, plan)
    };
    let (begin, end) = lists.share(split, params.splits);
    if split == 0 && params.splits > 1 {
        // SAFETY: the rows are this block's, and so are the slots that have no block.
        unsafe { results.leave_empty(rows, lists) };
    }

    let planes = [Plane::new(&params.cache, 0, kv_head), Plane::new(&params.cache, 1, kv_head)];
    let ring = Ring { planes, lists, request, begin, end, plan, stages: params.stages };
    // SAFETY: the lists hold blocks that the request has, whose pages exist. A barrier lies between a stage's last use
    // and its next copy, and between a copy's arrival and its use.
    unsafe {
        (0..params.stages - 1).for_each(|nth| ring.start(nth));
        for nth in begin..end {
            let keys = ring.arrived(2 * (nth - begin));
            let block = lists.block(nth);
            let visible = |row: u32| keys_before(request.position(first + row) + 1, block);
            for row in 0..rows {
                if lists.slots(row, block).count > 0 {
                    scores::weigh(keys, row, visible(row), params.scale_log2, plan);
                }
            }
            let values = ring.arrived(2 * (nth - begin) + 1);
            for row in 0..rows {
                let slots = lists.slots(row, block);
                if slots.count > 0 {
                    let sums = values::sums(row, plan);
                    let weighted = values::weighted(values, row, visible(row), plan);
                    results.take(row, slots, sums, weighted, plan);
                }
            }
        }
        results.finish(rows, plan);
    }
}

/// The planes of the blocks on their way through shared memory: K of the first, V of the first, K of the second.
#[derive(Clone, Copy)]
struct Ring {
    planes: [Plane; 2],
    lists: Lists,
    request: Request,
    begin: u32,
    end: u32,
    plan: SharedPlan,
    stages: u32,
}

impl Ring {
    /// All threads: starts the copy of the `nth` plane, if there are so many.
    ///
    /// # Safety
    ///
    /// Nobody uses its stage.
    #[inline(always)]
    unsafe fn start(self, nth: u32) {
        let entry = self.begin + nth / 2;
        if entry < self.end {
            let plane = if nth.is_multiple_of(2) { self.planes[0] } else { self.planes[1] };
            let keys = self.request.keys_in(self.lists.block(entry));
            // SAFETY: the page is one of the request's; the caller promises the stage.
            unsafe {
                let page = self.lists.page(entry);
                plane.start_copy::<THREADS>(page, keys, self.stage(nth));
            }
        }
        // A group for each stage, also where it is empty, so that their number tells which have arrived.
        ptx::cp_async_commit_group();
    }

    #[inline(always)]
    fn stage(self, nth: u32) -> RowTile {
        self.plan.stage(div_rem(nth, self.stages).1)
    }

    /// All threads: the `nth` plane, once it is there, and nobody uses the one before any more.
    ///
    /// # Safety
    ///
    /// Its copy was started, and all threads come here for each plane in turn.
    #[inline(always)]
    unsafe fn arrived(self, nth: u32) -> RowTile {
        match self.stages {
            2 => ptx::cp_async_wait_group::<0>(),
            3 => ptx::cp_async_wait_group::<1>(),
            4 => ptx::cp_async_wait_group::<2>(),
            5 => ptx::cp_async_wait_group::<3>(),
            _ => ptx::cp_async_wait_group::<4>(),
        }
        thread::sync_threads();
        // SAFETY: that was the barrier behind all uses of the plane before, whose stage it is.
        unsafe { self.start(nth + self.stages - 1) };
        self.stage(nth)
    }
}

// An attribute takes no constant.
const _: () = assert!(THREADS == 128 && AttendParams::MAX_STAGES == 6);
