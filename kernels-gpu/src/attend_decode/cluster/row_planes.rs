use msa_abi::{BLOCK, CacheParams};

use super::row_list::RowList;
use crate::block_copy::Plane;
use crate::request::Request;
use crate::ring::Tiles;
use crate::row_tile::RowTile;

/// Rows of a plane of a block.
const ROWS: u32 = BLOCK as u32;

/// The planes of a part of a row's blocks: K of the first, V of the first, K of the second.
pub(super) struct RowPlanes {
    planes: [Plane; 2],
    list: RowList,
    request: Request,
    /// The plane that is copied next, two for each place of the list.
    next: u32,
    /// The place before which they end.
    end: u32,
}

impl RowPlanes {
    /// The planes of a KV head's blocks from one place of a list to before another.
    ///
    /// # Safety
    ///
    /// The cache is the kernel's, and the list holds blocks that the request has, whose pages exist.
    #[inline(always)]
    pub(super) unsafe fn new(
        cache: &CacheParams,
        kv_head: u32,
        request: Request,
        list: RowList,
        (begin, end): (u32, u32),
    ) -> Self {
        let planes = [Plane::new(cache, 0, kv_head), Plane::new(cache, 1, kv_head)];
        Self { planes, list, request, next: 2 * begin, end }
    }
}

impl<const THREADS: u32> Tiles<THREADS, ROWS> for RowPlanes {
    #[inline(always)]
    unsafe fn start_next(&mut self, thread: u32, to: RowTile) {
        let place = self.next / 2;
        if place < self.end {
            let plane = if self.next.is_multiple_of(2) { self.planes[0] } else { self.planes[1] };
            // SAFETY: all threads come together; the page is one of the request's; the caller promises the tile's place.
            unsafe {
                let block = self.list.block(place);
                if block.is_some() {
                    let keys = self.request.keys_in(block.id);
                    plane.start_copy::<THREADS, ROWS>(thread, block.page, 0, keys, to);
                }
            }
        }
        self.next += 1;
    }
}
