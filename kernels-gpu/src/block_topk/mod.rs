//! Top-k selection: the blocks of each row with the highest scores.
//!
//! One block of threads sorts one row of one index head. A radix selection narrows the row down to little
//! more than the `topk` first keys, which are then sorted by counting.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | horizon | each warp | finds the row's request, and so how many blocks it has; padding ends here |
//! | keys | each thread | reads its scores, puts the forced ones in their place, keeps their ranks |
//! | | | *barrier* |
//! | count | each thread | counts its undecided keys by their next 8 bits |
//! | | | *barrier* |
//! | narrow | each warp | finds the `topk`-th key's digit: smaller ones are chosen, larger ones dropped |
//! | | | *back to count while too many are left* |
//! | gather | each thread | collects its keys that are left |
//! | | | *barrier* |
//! | place | a thread for each key | counts the keys before it: that is its place in the list |
//!
//! Short rows, of 32 blocks or twice `topk`, go straight to *gather*. Where ids are listed in ascending order,
//! the chosen ones are gathered and placed once more.
//!
//! Keys are unique, and what threads add up is counts: the result depends neither on the order in which they
//! run, nor on how many there are, nor on the rows beside.

mod cut;
mod forced;
mod histogram;
mod horizon;
mod id_list;
mod key;
mod key_list;
mod row_keys;
mod shared_plan;

use cuda_std::prelude::*;
use msa_abi::{BlockTopkParams, IdOrder, MAX_TOPK};

use self::cut::Cut;
use self::forced::Forced;
use self::id_list::IdList;
use self::key::Key;
use self::row_keys::RowKeys;
use self::shared_plan::{MAX_CANDIDATES, SharedPlan};

/// Selects each row's blocks. [`BlockTopkParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its
/// documentation asks.
#[kernel(max_threads = 512, min_blocks = 2)]
pub unsafe fn block_topk(params: BlockTopkParams) {
    let row = thread::block_idx_x();
    let index_head = thread::block_idx_y();
    let line = u64::from(index_head) * u64::from(params.rows) + u64::from(row);
    let topk = params.topk;

    let plan = SharedPlan::new();
    // SAFETY: the caller vouches for the parameters, and each block of the grid has its own line.
    let list = unsafe { IdList::of_line(&params, line) };
    // SAFETY: the caller vouches for the parameters; every warp is here.
    let Some(blocks) = (unsafe { horizon::blocks_of_row(&params, row) }) else {
        return list.leave_empty(0);
    };
    let forced = Forced::new(blocks, params.init_blocks, params.local_blocks);
    // SAFETY: the caller vouches for the row's scores and for the dynamic shared memory.
    let keys = unsafe { RowKeys::load(&params, line, blocks, forced) };
    thread::sync_threads();

    let mut cut = Cut::nowhere(blocks);
    while cut.kept() > affordable(topk) {
        let histogram = plan.histogram(cut.steps());
        keys.for_each(|key| {
            if cut.undecided(key) {
                // SAFETY: no step but this uses the histogram, and barriers enclose the counting.
                unsafe { histogram.count(cut.next_digit(key)) };
            }
        });
        thread::sync_threads();
        // SAFETY: that was the barrier; every warp computes the same cut, so all of them are here.
        cut = cut.narrow(unsafe { histogram.share(cut.missing(topk)) });
    }

    let candidates = plan.candidates();
    keys.for_each(|key| {
        if cut.keeps(key) {
            // SAFETY: the cut keeps no more keys than there is room for; barriers enclose the pushing.
            unsafe { candidates.push(key) };
        }
    });
    thread::sync_threads();

    let chosen = plan.chosen();
    let by_score = params.id_order == IdOrder::Score;
    // SAFETY: a barrier lies between each list's pushing and its reading. A place below `topk` is a slot
    // of the row's list, and belongs to one key.
    unsafe {
        candidates.for_each_sorted(|place, key| {
            if place >= topk {
                return; // The cut kept it for want of a closer look.
            }
            if by_score {
                list.put(place, key.id());
            } else {
                chosen.push(Key::by_id(key.id()));
            }
        });
        if !by_score {
            thread::sync_threads();
            chosen.for_each_sorted(|place, key| list.put(place, key.id()));
        }
        list.leave_empty(candidates.len());
    }
}

/// How many keys are sorted by counting rather than narrowed down further: with a few more than are
/// wanted, and within a warp, that is quicker than another step.
const fn affordable(topk: u32) -> u32 {
    let few = 2 * topk;
    if few < warp::WARP_SIZE { warp::WARP_SIZE } else { few }
}

// An attribute takes no constant.
const _: () = assert!(BlockTopkParams::MAX_THREADS == 512);
const _: () = assert!(affordable(MAX_TOPK as u32) as usize <= MAX_CANDIDATES);
