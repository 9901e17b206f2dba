use cuda_std::prelude::*;
use msa_abi::CacheParams;

use crate::request::Request;

/// A warp: the pages of some of a request's blocks, at even distances, in turn. Its lanes read them ahead, a page
/// each, so that no copy waits for its page's id.
#[derive(Clone, Copy)]
pub(crate) struct PageIds {
    /// The request's line.
    table: GlobalPtr<u32>,
    /// The block whose page comes next.
    next: u32,
    /// From a block to the next.
    stride: u32,
    /// Blocks from this one on are not read.
    end: u32,
    /// Pages that were taken of those in `held`.
    taken: u32,
    held: u32,
    /// The pages after those.
    ahead: u32,
}

impl PageIds {
    /// A warp: the pages of blocks `first`, `first + stride` and so on, before block `end`.
    ///
    /// # Safety
    ///
    /// `cache` is the kernel's, and the request has these blocks in its table.
    #[inline(always)]
    pub(crate) unsafe fn new(
        cache: &CacheParams,
        request: Request,
        first: u32,
        stride: u32,
        end: u32,
    ) -> Self {
        let table = GlobalPtr::from_address(cache.table.address());
        let table = table.add(u64::from(request.index) * cache.table_stride);
        let mut ids = Self { table, next: first, stride, end, taken: 0, held: 0, ahead: 0 };
        // SAFETY: the caller promises the blocks.
        unsafe {
            ids.held = ids.read(0);
            ids.ahead = ids.read(warp::WARP_SIZE);
        }
        ids
    }

    /// The block whose page comes next, if there is one.
    #[inline(always)]
    pub(crate) const fn block(&self) -> Option<u32> {
        if self.next < self.end { Some(self.next) } else { None }
    }

    /// A warp: the next page.
    ///
    /// # Safety
    ///
    /// There is one, and all lanes come together.
    #[inline(always)]
    pub(crate) unsafe fn take(&mut self) -> u32 {
        // SAFETY: the caller brings all lanes together.
        let (page, _) = unsafe { warp::warp_shuffle_idx(u32::MAX, self.held, self.taken, 32) };
        self.next += self.stride;
        self.taken += 1;
        if self.taken == warp::WARP_SIZE {
            self.taken = 0;
            self.held = self.ahead;
            // SAFETY: those before the end are the request's.
            self.ahead = unsafe { self.read(warp::WARP_SIZE) };
        }
        page
    }

    /// One lane: the page of its block among the 32 that come `skip` later; any number where there is none.
    ///
    /// # Safety
    ///
    /// The request has the blocks before `end` in its table.
    #[inline(always)]
    unsafe fn read(&self, skip: u32) -> u32 {
        let block = self.next + (skip + warp::lane_id()) * self.stride;
        if block < self.end {
            // SAFETY: the caller's promise.
            unsafe { self.table.add(u64::from(block)).read_constant() }
        } else {
            0
        }
    }
}
