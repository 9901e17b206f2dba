use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK};

use crate::div_rem::div_rem;
use crate::request::Request;
use crate::share_out::{share_out, share_out_to_warps};

/// The blocks that a tile's rows have chosen.
///
/// Ids that a row sees no key of are left out, as are those that are no block's. A row's list is sorted, so that its
/// result does not depend on the order in which it came; a block that stands in it twice stays twice.
#[derive(Clone, Copy)]
pub(crate) struct BlockLists {
    /// u32 `[rows, topk]`: each row's ids, ascending, then [`NONE`](Self::NONE)
    sorted: SharedPtr<u32>,
    /// u32: the ids of all rows, ascending, each once
    blocks: SharedPtr<u32>,
    /// u32: their pages
    pages: SharedPtr<u32>,
    topk: u32,
    count: u32,
}

/// Where a block stands in a row's sorted list.
#[derive(Clone, Copy)]
pub(crate) struct Slots {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

impl BlockLists {
    /// Comes after every id.
    const NONE: u32 = u32::MAX;

    /// All threads of the block: the lists of `rows` rows of a request, from its `first` on. They take
    /// [`ID_BYTES`](AttendParams::ID_BYTES) of shared memory for each id.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, the request has these rows, the memory is the lists' alone, and all threads come
    /// together.
    #[inline(always)]
    pub(crate) unsafe fn build(
        params: &AttendParams,
        request: Request,
        first: u32,
        rows: u32,
        kv_head: u32,
        memory: SharedPtr<u32>,
    ) -> Self {
        let topk = params.topk;
        let len = rows * topk;
        let [raw, sorted, blocks, pages] = [0, 1, 2, 3].map(|nth| memory.add(nth * len));
        let given = GlobalPtr::<i32>::from_address(params.block_ids.address());
        let given = given.add(u64::from(kv_head) * params.ids_head_stride);
        let line = |row: u32| u64::from(request.first_row + first + row) * params.ids_row_stride;

        // SAFETY: each array has room for every row's ids, each thread writes its own, and barriers lie between.
        unsafe {
            share_out(len, |at| {
                let (row, slot) = div_rem(at, topk);
                let id = given.add(line(row) + u64::from(slot)).read_constant();
                let last = request.position(first + row) / BLOCK as u32;
                let last = last.min(params.cache.table_width - 1);
                // As a number without sign a negative one is past every block.
                raw.add(at).write(if id as u32 <= last { id as u32 } else { Self::NONE });
            });
            thread::sync_threads();
            share_out(len, |at| {
                let start = at - div_rem(at, topk).1;
                let id = raw.add(at).read();
                let comes_before = |other: u32| {
                    let its = raw.add(other).read();
                    its < id || its == id && other < at
                };
                let rank = (start..start + topk).filter(|other| comes_before(*other)).count();
                sorted.add(start + rank as u32).write(id);
            });
            thread::sync_threads();
            // What stands first among all that are the same is kept.
            share_out_to_warps(len, |at| {
                let id = sorted.add(at).read();
                let stands_before = |other: u32| other < at && sorted.add(other).read() == id;
                let is_first = count(len, stands_before) == 0;
                if warp::lane_id() == 0 {
                    raw.add(at).write(if is_first { id } else { Self::NONE });
                }
            });
            thread::sync_threads();
            share_out_to_warps(len, |at| {
                let id = raw.add(at).read();
                if id != Self::NONE {
                    let rank = count(len, |other| raw.add(other).read() < id);
                    if warp::lane_id() == 0 {
                        blocks.add(rank).write(id);
                    }
                }
            });
            let count = count(len, |at| raw.add(at).read() != Self::NONE);
            thread::sync_threads();
            let table = GlobalPtr::<u32>::from_address(params.cache.table.address());
            let table = table.add(u64::from(request.index) * params.cache.table_stride);
            // Apart from their ranks, so that all of them are read at a time.
            share_out(count, |nth| {
                let id = blocks.add(nth).read();
                pages.add(nth).write(table.add(u64::from(id)).read_constant());
            });
            thread::sync_threads();
            Self { sorted, blocks, pages, topk, count }
        }
    }

    /// Blocks of all rows together.
    #[inline(always)]
    pub(crate) const fn len(self) -> u32 {
        self.count
    }

    /// The part of the blocks that a split has: from one to before another.
    #[inline(always)]
    pub(crate) const fn share(self, split: u32, splits: u32) -> (u32, u32) {
        (div_rem(split * self.count, splits).0, div_rem((split + 1) * self.count, splits).0)
    }

    /// The `nth` block's id.
    #[inline(always)]
    pub(crate) fn block(self, nth: u32) -> u32 {
        // SAFETY: `build` wrote as many as there are, and nobody writes them again.
        unsafe { self.blocks.add(nth).read() }
    }

    /// The `nth` block's page.
    #[inline(always)]
    pub(crate) fn page(self, nth: u32) -> u32 {
        // SAFETY: as above.
        unsafe { self.pages.add(nth).read() }
    }

    /// A warp: where a block stands in a row's list.
    ///
    /// # Safety
    ///
    /// All lanes come together.
    #[inline(always)]
    pub(crate) unsafe fn slots(self, row: u32, block: u32) -> Slots {
        let (mut before, mut count) = (0, 0);
        let mut start = 0;
        while start < self.topk {
            let at = start + warp::lane_id();
            // SAFETY: `build` wrote the list; the caller brings all lanes together.
            unsafe {
                let id = self.sorted.add(row * self.topk + at.min(self.topk - 1)).read();
                let is_in = at < self.topk;
                before += warp::warp_vote_ballot(u32::MAX, is_in && id < block).count_ones();
                count += warp::warp_vote_ballot(u32::MAX, is_in && id == block).count_ones();
            }
            start += warp::WARP_SIZE;
        }
        Slots { first: before, count }
    }

    /// Whether a slot of a row's sorted list holds no block.
    #[inline(always)]
    pub(crate) fn is_empty(self, row: u32, slot: u32) -> bool {
        self.id(row, slot) == Self::NONE
    }

    /// What a slot of a row's sorted list holds.
    #[inline(always)]
    pub(crate) fn id(self, row: u32, slot: u32) -> u32 {
        // SAFETY: `build` wrote the list.
        unsafe { self.sorted.add(row * self.topk + slot).read() }
    }

    /// Slots of a row's list.
    #[inline(always)]
    pub(crate) const fn topk(self) -> u32 {
        self.topk
    }
}

/// A warp: how many numbers below `len` are such. A lane is asked for each of them once.
///
/// # Safety
///
/// All lanes come together.
#[inline(always)]
unsafe fn count(len: u32, is_such: impl Fn(u32) -> bool) -> u32 {
    let (mut count, mut start) = (0, 0);
    while start < len {
        let nth = start + warp::lane_id();
        let counts = nth < len && is_such(nth);
        // SAFETY: the caller brings all lanes together.
        count += unsafe { warp::warp_vote_ballot(u32::MAX, counts) }.count_ones();
        start += warp::WARP_SIZE;
    }
    count
}

// What an id takes is what a launch asks for.
const _: () = assert!(AttendParams::ID_BYTES == 4 * size_of::<u32>() as u32);
