//! Attention of a row by a cluster of blocks of threads: decode and speculative decode from sm_90 on.
//!
//! A cluster has a row and one KV head, and each of its blocks of threads a part of the row's blocks. What they find they
//! put into each other's shared memory: each gets some of the heads and dims, of all blocks, and joins them. So one launch
//! does it all, and nothing goes through global memory but the result.
//!
//! | step | who | does |
//! | --- | --- | --- |
//! | list | each warp | the row's ids in registers, and their pages |
//! | copies | a lane of warp `w` | of the first planes, keys or values `32 w ..` |
//! | scores | warp `w` | K *has arrived*: products with keys `32 w ..`, and their maximum for each head |
//! | | | *barrier* |
//! | weights | warp `w` | powers of two relative to the block's maximum, rounded, to shared memory |
//! | | | *barrier*: K *is used*; its part of a later plane's copy starts |
//! | values | warp `w` | V *has arrived*: the weighted sum of dims `32 w ..`, to the blocks of threads that join it, where the block is in the sorted list |
//! | | | *barrier*: V *is used*; its part of a later plane's copy starts |
//! | | | *back to K, for the next block* |
//! | all parts are *put* | | each block waits for those that it joins |
//! | join | each thread | all blocks' values in two dims of a head, by ascending id; their mean is the result |
//!
//! A cluster of one sorts the list first, and joins each block's values to a total in registers.
//!
//! Planes are copied by boxes of a tensor map, which two instructions of one thread start: what bounds decode of few
//! requests is how much a multiprocessor has on its way, and a thread would have to start 16 bytes at a time. Of a block that
//! ends with the row no box is copied that the row sees nothing of; but those that are hold what is behind its last key, too,
//! which may be NaN. So no product counts whose key the row does not see, and no value is multiplied, not even by zero.
//!
//! The products, sums and maxima of a block, and how blocks join, are those of
//! [`attend_decode`](super::attend_decode), bit for bit.

mod found;
mod parts;
mod plane_ring;
mod row_list;
mod shared_plan;

use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{AttendParams, TensorMap};

use self::found::{Found, Total};
use self::parts::Parts;
use self::plane_ring::PlaneRing;
use self::row_list::RowList;
use self::shared_plan::SharedPlan;
use super::scores::weigh;
use super::values;
use crate::attended::Attended;
use crate::div_rem::div_rem;
use crate::mapped_planes::MappedPlanes;
use crate::queries::QueryCopy;
use crate::request::Request;
use crate::softmax::magnitude;

/// Attends to the blocks in each row's list. [`AttendParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, the map is of the cache, and the launch is as its
/// documentation asks.
#[kernel(max_threads = 128, min_blocks = 2)]
pub unsafe fn attend_decode_cluster(params: AttendParams, planes: &TensorMap) {
    // A division would take longer than the cluster's other arithmetic until its list is on its way.
    let (request, nth) = match params.row_tiles {
        1 => (thread::block_idx_x(), 0),
        row_tiles => div_rem(thread::block_idx_x(), row_tiles),
    };
    let (kv_head, rank) = (thread::block_idx_y(), thread::block_idx_z());
    let planes = MappedPlanes::new(planes, kv_head);
    if thread::thread_idx_x() == 0 {
        planes.prefetch();
    }
    // Where all requests have as many rows, this is the cluster's, and its list on its way before that is known.
    let likely = thread::block_idx_x().min(params.batch.rows - 1);
    // SAFETY: the grid is as the parameters tell; there is a row, or nothing would have been launched.
    let (likely_ids, request) =
        unsafe { (RowList::ids(&params, likely, kv_head), Request::load(&params.batch, request)) };
    if nth >= request.rows {
        return; // A request with fewer tokens than others, or a slot of a bucket that is not used: the whole cluster.
    }
    let row = request.first_row + nth;
    let plan = SharedPlan::new(&params);
    let scratch = plan.scratch;
    // SAFETY: the caller vouches for the operands; all threads are here, and those of the cluster's other blocks come to
    // the same barriers. The list holds blocks that the request has, whose pages exist. A barrier lies between a stage's
    // last use and its next copy.
    unsafe {
        if thread::thread_idx_x() == 0 {
            PlaneRing::init(plan);
            if params.splits > 1 {
                Parts::init(plan);
            }
        }
        ptx::barrier_cluster_arrive_relaxed();
        thread::sync_threads();
        let ids = if row == likely { likely_ids } else { RowList::ids(&params, row, kv_head) };
        let position = request.position(nth);
        let given = ids.with_pages(&params.cache, request, position);
        // While the pages are on their way.
        let queries = QueryCopy::start(&params, row, 1, kv_head, 1, scratch.queries());
        let (list, (begin, end)) = if params.splits == 1 {
            let (sorted, len) = given.sorted();
            (sorted, (0, len))
        } else {
            // Nothing waits for the order: what is found is put where it belongs.
            let each = (params.topk + params.splits - 1) >> params.splits.trailing_zeros();
            let end = |rank: u32| (rank * each).min(params.topk);
            (given, (end(rank), end(rank + 1)))
        };
        let keys = position + 1;
        let mut ring = PlaneRing::new(planes, plan, list, keys, (begin, end));
        ring.start_first();

        // While the first planes arrive.
        queries.finish();
        let len = list.len();
        ptx::barrier_cluster_wait();
        thread::sync_threads();

        let parts = Parts::new(plan, params.splits);
        if params.splits > 1 && thread::thread_idx_x() == 0 {
            parts.expect(len);
        }
        let mut total = Total::NONE;
        for place in begin..end {
            let visible = list.block(place).keys_of(keys);
            let plane = ring.arrived();
            if visible > 0 {
                weigh(plane, 0, visible, magnitude(params.scale_log2), scratch);
            }
            ring.used();
            let plane = ring.arrived();
            if visible > 0 {
                let sums = values::sums(0, scratch);
                let found = Found { sums, values: values::weighted(plane, 0, visible, scratch) };
                if params.splits == 1 {
                    total.join(&found);
                } else {
                    parts.put(list.slot(place), &found);
                }
            }
            ring.used();
        }

        let (attended, first_head) = (Attended::new(&params), kv_head * params.group);
        if params.splits == 1 {
            total.write(attended, row, first_head, params.group);
        } else {
            parts.wait();
            parts.join_all(len, rank, attended, row, first_head, params.group);
        }
    }
}

// An attribute takes no constant.
const _: () = assert!(AttendParams::THREADS == 128);
