//! Selection of the first of a row's keys by a block of threads. A radix selection narrows them down to little more
//! than are wanted, which are then sorted by counting.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | count | each thread | counts its undecided keys by their next 8 bits |
//! | | | *barrier* |
//! | narrow | each warp | finds the `topk`-th key's digit: smaller ones are chosen, larger ones dropped |
//! | | | *back to count while too many are left* |
//! | gather | each thread | collects its keys that are left |
//! | | | *barrier* |
//! | place | a thread for each key | counts the keys before it: that is its place in the list |
//!
//! A few keys, up to 32 or twice `topk`, go straight to *gather*. Where ids are listed in ascending order, the chosen
//! ones are gathered and placed once more.
//!
//! Keys are unique, and what threads add up is counts: the result depends neither on the order in which they
//! run, nor on how many there are, nor on the rows beside.

mod cut;
mod forced;
mod histogram;
mod id_list;
mod key;
mod key_list;
mod shared_plan;

use cuda_std::prelude::*;
use msa_abi::{IdOrder, MAX_TOPK};

use self::cut::Cut;
use self::shared_plan::MAX_CANDIDATES;

pub(crate) use self::forced::Forced;
pub(crate) use self::id_list::IdList;
pub(crate) use self::key::{Key, ScoreRank};
pub(crate) use self::shared_plan::SharedPlan;

/// The keys of a row, shared out over the threads of a block.
pub(crate) trait Keys: Copy {
    /// One thread: calls `visit` with each of its keys.
    fn for_each(self, visit: impl Fn(Key));
}

/// All threads of the block: lists the ids of the first `topk` of a row's keys. There are `most` of them or fewer.
///
/// # Safety
///
/// The list is this block's, and has `topk` slots. All threads come together, after a barrier behind the plan's filling.
#[inline(always)]
pub(crate) unsafe fn select(
    keys: impl Keys,
    most: u32,
    topk: u32,
    id_order: IdOrder,
    plan: SharedPlan,
    list: IdList,
) {
    let mut cut = Cut::nowhere(most);
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
    let by_score = id_order == IdOrder::Score;
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

const _: () = assert!(affordable(MAX_TOPK as u32) as usize <= MAX_CANDIDATES);
