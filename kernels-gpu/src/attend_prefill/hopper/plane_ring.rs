use cuda_std::prelude::*;
use msa_abi::{BLOCK, CacheParams};

use super::chosen::Chosen;
use super::{GROUP_ROWS, GROUPS, ROWS};
use crate::block_copy::Plane;
use crate::block_lists::BlockLists;
use crate::group_ring::{COPY_THREADS, GROUP_WARPS, GroupRing};
use crate::request::Request;

/// The planes of a tile's blocks on their way from the warps that copy them to those that use them: K of the first, V of
/// the first, K of the second.
pub(super) type PlaneRing = GroupRing<GROUPS>;

/// The warps that copy: all planes of a KV head's blocks, each as soon as there is a place for it.
///
/// # Safety
///
/// The lists hold blocks that the request has, whose pages exist. All of the threads come here.
#[inline(always)]
pub(super) unsafe fn copy_all(
    ring: PlaneRing,
    cache: &CacheParams,
    kv_head: u32,
    request: Request,
    lists: BlockLists,
    chosen: Chosen,
) {
    let thread = thread::thread_idx_x() - ROWS * warp::WARP_SIZE;
    let planes = [Plane::new(cache, 0, kv_head), Plane::new(cache, 1, kv_head)];
    let mut copier = ring.copier();
    for nth in 0..2 * lists.len() {
        let entry = nth / 2;
        let plane = if nth.is_multiple_of(2) { planes[0] } else { planes[1] };
        let (page, keys) = (lists.page(entry), request.keys_in(lists.block(entry)));
        // SAFETY: the page is one of the request's, and a row has chosen the block.
        unsafe {
            copier.next(
                thread,
                |group| chosen.by_group(entry, group),
                |to| plane.start_copy::<COPY_THREADS, { BLOCK as u32 }>(thread, page, 0, keys, to),
            );
        }
    }
}

// A warp has a row.
const _: () = assert!(GROUP_WARPS == GROUP_ROWS);
