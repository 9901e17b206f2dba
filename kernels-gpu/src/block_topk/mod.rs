//! Top-k selection: the blocks of each row with the highest scores.
//!
//! One block of threads sorts one row of one index head. A radix selection narrows the row down to little
//! more than the `topk` first keys, which are then sorted by counting.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | horizon | each warp | finds the row's request, and so how many blocks it has; a row of padding ends here |
//! | keys | each thread | reads its scores, puts the forced ones in their place, keeps their ranks |
//! | | | *barrier* |
//! | count | each thread | counts its undecided keys by their next 8 bits |
//! | | | *barrier* |
//! | narrow | each warp | finds the digit where the `topk`-th key is; the keys before it are chosen, those after it dropped. Back to *count* while too many are left |
//! | gather | each thread | collects its keys that are left |
//! | | | *barrier* |
//! | place | a thread for each key | counts the keys before it: that is its place in the list |
//!
//! Rows with no more than a warp's worth of blocks, or twice `topk`, go straight to *gather*. Keys are unique, and each
//! count is a sum: no step depends on the order in which threads run, nor on how many there are.

mod cut;
mod forced;
mod histogram;
mod horizon;
mod key;
mod key_list;
mod row_keys;
mod shared_plan;

use cuda_std::prelude::*;
use msa_abi::{BlockTopkParams, IdOrder};

use self::cut::Cut;
use self::forced::Forced;
use self::key::Key;
use self::row_keys::RowKeys;
use self::shared_plan::{MAX_CANDIDATES, SharedPlan};

/// Selects each row's blocks; [`BlockTopkParams`] says how to launch it.
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
    let scores = GlobalPtr::<f32>::from_address(params.scores.address());
    let scores = scores.add(line * u64::from(params.score_stride));
    let ids = GlobalPtr::<i32>::from_address(params.block_ids.address());
    let ids = ids.add(line * u64::from(topk));

    let plan = SharedPlan::new();
    // SAFETY: the caller vouches for the parameters; every warp is here.
    let Some(blocks) = (unsafe { horizon::blocks_of_row(&params, row) }) else {
        // SAFETY: the row's list is this block's to write.
        return unsafe { leave_empty(ids, 0, topk) };
    };
    let forced = Forced::new(blocks, params.init_blocks, params.local_blocks);
    // SAFETY: a row has as many scores as blocks, and the caller vouches for the shared memory.
    let keys = unsafe { RowKeys::load(scores, blocks, forced) };
    thread::sync_threads();

    let mut cut = Cut::nowhere(blocks);
    while cut.kept() > affordable(topk) {
        let histogram = plan.histogram(cut.steps());
        keys.for_each(|key| {
            if cut.undecided(key) {
                // SAFETY: a digit is what the histogram counts, and the barrier follows.
                unsafe { histogram.count(cut.next_digit(key)) };
            }
        });
        thread::sync_threads();
        // SAFETY: that was the barrier; every warp has the same cut, so all of them are here.
        cut = cut.narrow(unsafe { histogram.share(cut.missing(topk)) });
    }

    let candidates = plan.candidates();
    keys.for_each(|key| {
        if cut.keeps(key) {
            // SAFETY: the cut keeps no more keys than there is room for, and each gets its own place.
            unsafe { candidates.put(plan.candidate_count().atomic_add(1), key) };
        }
    });
    thread::sync_threads();

    // SAFETY: the barrier lies behind, so the lists are there to read; a place below `topk` is in the
    // row's list and in `chosen`, and is one key's alone.
    unsafe {
        let count = plan.candidate_count().read();
        let chosen_count = count.min(topk);
        let chosen = plan.chosen();
        for_each_of(count, |nth| {
            let key = candidates.get(nth);
            let place = candidates.place_of(key, count);
            if place < topk {
                match params.id_order {
                    IdOrder::Score => ids.add(u64::from(place)).write(key.id() as i32),
                    IdOrder::Ascending => chosen.put(place, Key::by_id(key.id())),
                }
            }
        });
        if params.id_order == IdOrder::Ascending {
            thread::sync_threads();
            for_each_of(chosen_count, |nth| {
                let key = chosen.get(nth);
                let place = chosen.place_of(key, chosen_count);
                ids.add(u64::from(place)).write(key.id() as i32);
            });
        }
        leave_empty(ids, chosen_count, topk);
    }
}

/// How many keys are sorted by counting rather than narrowed down further: with a few more than are
/// wanted that is quicker than another step.
const fn affordable(topk: u32) -> u32 {
    let few = 2 * topk;
    if few < warp::WARP_SIZE {
        warp::WARP_SIZE
    } else {
        few
    }
}

const _: () = assert!(affordable(msa_abi::MAX_TOPK as u32) <= MAX_CANDIDATES);

/// All threads of the block: fills slots `used .. topk` of a list with -1.
///
/// # Safety
///
/// The list has `topk` slots, and no other block writes them.
#[inline(always)]
unsafe fn leave_empty(ids: GlobalPtr<i32>, used: u32, topk: u32) {
    // SAFETY: the slot is in the list.
    for_each_of(topk - used, |nth| unsafe {
        ids.add(u64::from(used + nth)).write(-1)
    });
}

/// All threads of the block: calls `visit` with each number below `len`, shared out among them.
#[inline(always)]
fn for_each_of(len: u32, visit: impl Fn(u32)) {
    let mut nth = thread::thread_idx_x();
    while nth < len {
        visit(nth);
        nth += thread::block_dim_x();
    }
}
