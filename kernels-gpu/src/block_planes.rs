use msa_abi::{BLOCK, CacheParams};

use crate::block_copy::Plane;
use crate::block_lists::BlockLists;
use crate::request::Request;
use crate::ring::{Ring, Tiles};
use crate::row_tile::RowTile;
use crate::stages::Stages;

/// Rows of a plane of a block.
const ROWS: u32 = BLOCK as u32;

/// Stages for a plane of a block each.
pub(crate) type BlockStages = Stages<ROWS>;

/// A ring for them.
pub(crate) type BlockRing<const THREADS: u32> = Ring<BlockPlanes, THREADS, ROWS>;

/// The planes of some blocks: K of the first, V of the first, K of the second.
pub(crate) struct BlockPlanes {
    planes: [Plane; 2],
    lists: BlockLists,
    request: Request,
    /// The plane that is copied next, two for each block of the lists.
    next: u32,
    /// The block before which they end.
    end: u32,
}

impl BlockPlanes {
    /// The planes of a KV head's blocks from the `begin`th of some lists on, before the `end`th.
    ///
    /// # Safety
    ///
    /// The cache is the kernel's, and the lists hold blocks that the request has, whose pages exist.
    #[inline(always)]
    pub(crate) unsafe fn new(
        cache: &CacheParams,
        kv_head: u32,
        request: Request,
        lists: BlockLists,
        (begin, end): (u32, u32),
    ) -> Self {
        let planes = [Plane::new(cache, 0, kv_head), Plane::new(cache, 1, kv_head)];
        Self { planes, lists, request, next: 2 * begin, end }
    }
}

impl<const THREADS: u32> Tiles<THREADS, ROWS> for BlockPlanes {
    #[inline(always)]
    unsafe fn start_next(&mut self, thread: u32, to: RowTile) {
        let nth = self.next / 2;
        if nth < self.end {
            let plane = if self.next.is_multiple_of(2) { self.planes[0] } else { self.planes[1] };
            let keys = self.request.keys_in(self.lists.block(nth));
            // SAFETY: the page is one of the request's; the caller promises the tile's place.
            unsafe {
                plane.start_copy::<THREADS, ROWS>(thread, self.lists.page(nth), 0, keys, to);
            }
        }
        self.next += 1;
    }
}
