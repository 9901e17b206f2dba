//! Selects each row's blocks from what the parts of its horizon have selected, where
//! [`index_prefill`](crate::index_prefill) has split it.
//!
//! A block of threads has a row and an index head, and does as the module `select` tells. The keys of all parts
//! stay in global memory, or rather in the first-level cache: a few kilobytes that each step reads again. So there is
//! no limit on their number.

use cuda_std::prelude::*;
use msa_abi::IndexParams;

use crate::dependent_launch::wait_for_last;
use crate::div_rem::div_rem;
use crate::select::{IdList, Key, Keys, SharedPlan, select};
use crate::share_out::share_out;

/// Joins the parts' selections. [`IndexParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks.
#[kernel(max_threads = 128)]
pub unsafe fn index_merge(params: IndexParams) {
    let (row, index_head) = (thread::block_idx_x(), thread::block_idx_y());
    let rows = u64::from(params.batch.rows);
    let line = u64::from(index_head) * rows + u64::from(row);
    let topk = params.topk;

    let plan = SharedPlan::new();
    let row_offsets = GlobalPtr::<u32>::from_address(params.batch.row_offsets.address());
    // SAFETY: each block of the grid has its own line. There is one more offset than there are requests.
    let (list, used) = unsafe {
        let used = row_offsets.add(u64::from(params.batch.batch)).read_constant();
        (IdList::of_line(params.block_ids, topk, line), used)
    };
    wait_for_last();
    if row >= used {
        return list.leave_empty(0); // Padding of a captured bucket.
    }
    let first = GlobalPtr::from_address(params.partial_keys.address());
    let keys = PartialKeys {
        first: first.add(line * u64::from(topk)),
        part_stride: u64::from(params.index_heads) * rows * u64::from(topk),
        topk,
        len: params.splits * topk,
    };
    thread::sync_threads();
    // SAFETY: the list is this block's, and all threads are here, behind the barrier.
    unsafe { select(keys, keys.len, topk, params.id_order, plan, list) }
}

/// What all parts have selected of a row.
#[derive(Clone, Copy)]
struct PartialKeys {
    /// The first part's.
    first: GlobalPtr<Key>,
    /// From a part's keys to the next's.
    part_stride: u64,
    /// Keys of a part.
    topk: u32,
    /// Keys of all parts.
    len: u32,
}

impl Keys for PartialKeys {
    #[inline(always)]
    fn for_each(self, visit: impl Fn(Key)) {
        share_out(self.len, |nth| {
            let (part, slot) = div_rem(nth, self.topk);
            let at = u64::from(part) * self.part_stride + u64::from(slot);
            // SAFETY: every part has written its keys, also where there is none.
            let key = unsafe { self.first.add(at).read() };
            if key != Key::LAST {
                visit(key);
            }
        });
    }
}

// An attribute takes no constant.
const _: () = assert!(IndexParams::MERGE_THREADS == 128);
