use msa_abi::{BLOCK, CacheParams};

use crate::block_copy::Plane;
use crate::page_ids::PageIds;
use crate::request::Request;
use crate::ring::Tiles;
use crate::row_tile::RowTile;

/// The index keys of some pages, each in parts of `KEYS` keys.
pub(crate) struct IndexKeys<const KEYS: u32> {
    plane: Plane,
    request: Request,
    pages: PageIds,
    /// What is copied next: a page, so many keys of it or none, and the first key of the part.
    page: u32,
    keys: u32,
    first_key: u32,
}

impl<const KEYS: u32> IndexKeys<KEYS> {
    /// The keys of a request's pages.
    ///
    /// # Safety
    ///
    /// The cache is the kernel's, and the pages are the request's.
    #[inline(always)]
    pub(crate) unsafe fn new(cache: &CacheParams, request: Request, pages: PageIds) -> Self {
        Self { plane: Plane::new(cache, 0, 0), request, pages, page: 0, keys: 0, first_key: 0 }
    }
}

impl<const THREADS: u32, const KEYS: u32> Tiles<THREADS, KEYS> for IndexKeys<KEYS> {
    #[inline(always)]
    unsafe fn start_next(&mut self, thread: u32, to: RowTile) {
        if self.first_key == 0 {
            self.keys = 0;
            if let Some(block) = self.pages.block() {
                self.keys = self.request.keys_in(block);
                // SAFETY: it is there, and the caller brings all lanes together.
                self.page = unsafe { self.pages.take() };
            }
        }
        // What lies past the last key becomes zero, but past the last page there is nothing to do.
        if self.keys > 0 {
            let (page, first, keys) = (self.page, self.first_key, self.keys);
            // SAFETY: the page is one of the request's; the caller promises the tile's place.
            unsafe { self.plane.start_copy::<THREADS, KEYS>(thread, page, first, keys, to) };
        }
        self.first_key = (self.first_key + KEYS) % BLOCK as u32;
    }
}
