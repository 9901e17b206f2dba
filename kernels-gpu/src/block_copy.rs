use cuda_std::ptx;
use msa_abi::CacheParams;

use crate::row_tile::{CHUNK, RowTile};

/// A plane of a cache, of one of its heads: K or V.
#[derive(Clone, Copy)]
pub(crate) struct Plane {
    /// The head's part of page 0.
    base: u64,
    page_stride: u64,
    token_stride: u64,
}

impl Plane {
    /// Plane 0, K, or 1, V, of a head.
    #[inline(always)]
    pub(crate) fn new(cache: &CacheParams, plane: u32, head: u32) -> Self {
        let elements = u64::from(plane) * cache.plane_stride + u64::from(head) * cache.head_stride;
        Self {
            base: cache.pages.address() + bytes(elements),
            page_stride: bytes(cache.page_stride),
            token_stride: bytes(cache.token_stride),
        }
    }

    /// The `thread`-th of `THREADS` threads: starts its part of the copy of `TOKENS` tokens of a page, from `first`
    /// on, to the first rows of a tile; those tokens that are not before `keys` become zero.
    ///
    /// # Safety
    ///
    /// The plane has the page, and these keys are written. The tile has the rows, which nobody touches until all
    /// threads have waited for their copies.
    #[inline(always)]
    pub(crate) unsafe fn start_copy<const THREADS: u32, const TOKENS: u32>(
        self,
        thread: u32,
        page: u32,
        first: u32,
        keys: u32,
        to: RowTile,
    ) {
        let left = keys.saturating_sub(first + thread / RowTile::CHUNKS);
        // SAFETY: the caller's promise.
        unsafe {
            if keys >= first + TOKENS {
                // Most are there as a whole: then no token is asked for, which takes more instructions than its copy.
                self.start_copy_where::<THREADS, TOKENS>(thread, page, first, to, |_| true);
            } else {
                self.start_copy_where::<THREADS, TOKENS>(thread, page, first, to, |row| row < left);
            }
        }
    }

    /// The same, where `is_there` tells which tokens do not become zero. It is asked for each of the thread's, by how many
    /// come after its first.
    ///
    /// # Safety
    ///
    /// As [`start_copy`](Self::start_copy), of the keys that are there.
    #[inline(always)]
    unsafe fn start_copy_where<const THREADS: u32, const TOKENS: u32>(
        self,
        thread: u32,
        page: u32,
        first: u32,
        to: RowTile,
        is_there: impl Fn(u32) -> bool,
    ) {
        let rows = const {
            let rows = THREADS / RowTile::CHUNKS;
            assert!(TOKENS.is_multiple_of(rows));
            rows
        };
        let (first_row, chunk) = (thread / RowTile::CHUNKS, thread % RowTile::CHUNKS);
        let first = first + first_row;
        let from = self.base + u64::from(page) * self.page_stride + bytes(u64::from(chunk * CHUNK));
        // One after the other: were each place computed by itself, the compiler would keep all their distances.
        let mut source = from + u64::from(first) * self.token_stride;
        for nth in 0..TOKENS / rows {
            let place = to.chunk(first_row + nth * rows, chunk).address();
            // Of a token that is not read its address is none of the cache's, perhaps.
            let (given, source_of_given) =
                if is_there(nth * rows) { (16, source) } else { (0, from) };
            // SAFETY: the caller promises the keys, and the tile's rows.
            unsafe { ptx::cp_async_cg_16(place, source_of_given, given) };
            source += u64::from(rows) * self.token_stride;
        }
    }
}

const fn bytes(elements: u64) -> u64 {
    elements * size_of::<u16>() as u64
}
