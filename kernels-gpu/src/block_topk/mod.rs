//! Top-k selection: the blocks of each row with the highest scores.
//!
//! One block of threads sorts one row of one index head.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | horizon | each warp | finds the row's request, and so how many blocks it has; padding ends here |
//! | | | *wait for the scores* |
//! | keys | each thread | reads its scores, puts the forced ones in their place, keeps their ranks |
//! | | | *barrier* |
//! | selection | all threads | as the module `select` tells |

mod horizon;
mod row_keys;

use cuda_std::prelude::*;
use msa_abi::{BlockTopkParams, MAX_BLOCKS};

use self::row_keys::RowKeys;
use crate::dependent_launch::wait_for_last;
use crate::select::{Forced, IdList, SharedPlan, select};

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
    let list = unsafe { IdList::of_line(params.block_ids, topk, line) };
    // SAFETY: the caller vouches for the parameters; every warp is here.
    let blocks = unsafe { horizon::blocks_of_row(&params, row) };
    wait_for_last();
    let Some(blocks) = blocks else {
        return list.leave_empty(0);
    };
    let forced = Forced::new(blocks, params.init_blocks, params.local_blocks);
    // SAFETY: the caller vouches for the row's scores and for the dynamic shared memory.
    let keys = unsafe { RowKeys::load(&params, line, blocks, forced) };
    thread::sync_threads();

    // SAFETY: the list is this block's, and all threads are here, behind the barrier.
    unsafe { select(keys, blocks, topk, params.id_order, plan, list) }
}

// An attribute takes no constant.
const _: () = assert!(BlockTopkParams::MAX_THREADS == 512);

// A launch has 48 KiB without asking for more.
const _: () = {
    let dynamic = BlockTopkParams::shared_bytes(MAX_BLOCKS as u32, BlockTopkParams::MAX_THREADS);
    assert!(SharedPlan::BYTES + dynamic as usize <= 48 << 10);
};
