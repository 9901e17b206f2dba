//! Looks for what no other kernel can stand in a step's row offsets, cached lengths and page table: for finding mistakes
//! of an engine, not for every step.
//!
//! One block of threads does it all, so that what it reports is the same on every run. A warp has a request at a time:
//! its first lane looks at the request's offsets and length, and each lane at every 32nd of its entries in the table.
//! In the end all threads compare what they have found.
//!
//! Entries past a request's last block, or past the table's width, are not looked at, nor are those of a request without
//! rows. So nothing is read that is not there, whatever the offsets and lengths are.

mod finding;

use cuda_std::prelude::*;
use msa_abi::{BLOCK, CheckParams, Violation};

use self::finding::Finding;

/// Warps of the block.
const WARPS: u32 = CheckParams::THREADS / warp::WARP_SIZE;

/// Reports the first thing that is wrong. [`CheckParams`] says how to launch it.
///
/// # Safety
///
/// The operands have the shapes that the fields of `params` tell, and the launch is as its documentation asks. The
/// numbers in them may be any.
#[kernel(max_threads = 512)]
pub unsafe fn check_operands(params: CheckParams) {
    let lane = warp::lane_id();
    let warp = thread::thread_idx_x() / warp::WARP_SIZE;
    let batch = params.batch.batch;
    let row_offsets = GlobalPtr::<u32>::from_address(params.batch.row_offsets.address());
    let cache_lengths = GlobalPtr::<u32>::from_address(params.batch.cache_lengths.address());
    let table = GlobalPtr::<u32>::from_address(params.cache.table.address());
    // SAFETY: there is one more offset than there are requests.
    let offset = |index: u32| unsafe { row_offsets.add(u64::from(index)).read_constant() };

    let mut found = Finding::NONE;
    let mut expect = |holds: bool, violation, place, bound, got| {
        if !holds {
            found = found.or(Finding::new(violation, place, bound, got));
        }
    };
    if thread::thread_idx_x() == 0 {
        let (first, last) = (offset(0), offset(batch));
        expect(first == 0, Violation::FirstOffset, [0, 0], 0, first);
        expect(
            last <= params.batch.rows,
            Violation::LastOffset,
            [batch, 0],
            params.batch.rows,
            last,
        );
    }
    let mut request = warp;
    while request < batch {
        let (begin, end) = (offset(request), offset(request + 1));
        // SAFETY: the request is one of the batch's.
        let cached = unsafe { cache_lengths.add(u64::from(request)).read_constant() };
        let keys = u64::from(cached) + u64::from(end.saturating_sub(begin));
        // Those of a request without rows are not followed.
        let blocks = if begin < end { keys.div_ceil(BLOCK as u64) as u32 } else { 0 };
        let width = params.cache.table_width;
        if lane == 0 {
            let most = begin.saturating_add(params.max_seq_length);
            expect(begin <= end, Violation::DecreasingOffset, [request + 1, 0], begin, end);
            expect(end <= most, Violation::TooManyRows, [request + 1, 0], most, end);
            expect(blocks <= width, Violation::NarrowTable, [request, 0], blocks, width);
        }
        let line = table.add(u64::from(request) * params.cache.table_stride);
        let mut block = lane;
        while block < blocks.min(width) {
            // SAFETY: the request's line in the table is so wide.
            let page = unsafe { line.add(u64::from(block)).read_constant() };
            expect(
                page < params.pages,
                Violation::NoSuchPage,
                [request, block],
                params.pages,
                page,
            );
            block += warp::WARP_SIZE;
        }
        request += WARPS;
    }
    let places = shared::static_shared::<[u64; WARPS as usize]>();
    let report = GlobalPtr::from_address(params.report.address());
    // SAFETY: the caller vouches for the report; all threads are here, and no two have found the same.
    unsafe { found.report(places, report) }
}

// An attribute takes no constant.
const _: () = assert!(CheckParams::THREADS == 512);
