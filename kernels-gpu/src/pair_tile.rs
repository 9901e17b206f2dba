use cuda_std::prelude::*;
use msa_abi::{BLOCK, IndexParams};

use crate::div_rem::div_rem;
use crate::request::Request;
use crate::row_tile::{CHUNK, Chunk};

/// Successive pairs of a row and an index head, of one request: a tile of the indexer's.
#[derive(Clone, Copy)]
pub(crate) struct PairTile {
    pub(crate) request: Request,
    /// The first of them, counted from the request's first row.
    first: u32,
    /// Pairs that the tile has.
    pub(crate) len: u32,
    index_heads: u32,
}

/// A row and an index head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    /// Counted from the request's first row.
    pub(crate) row: u32,
    pub(crate) head: u32,
}

impl PairTile {
    /// One thread: the `nth` tile of `PAIRS` pairs, counted over the batch with as many for each request; `None` where
    /// the request has fewer.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, and the batch has the tile.
    #[inline(always)]
    pub(crate) unsafe fn load<const PAIRS: u32>(params: &IndexParams, nth: u32) -> Option<Self> {
        let (request, tile) = div_rem(nth, params.pair_tiles);
        // SAFETY: the caller promises the tile, and so the request.
        let request = unsafe { Request::load(&params.batch, request) };
        Self::of_request::<PAIRS>(request, tile * PAIRS, params.index_heads)
    }

    #[inline(always)]
    const fn of_request<const PAIRS: u32>(
        request: Request,
        first: u32,
        index_heads: u32,
    ) -> Option<Self> {
        let pairs = request.rows * index_heads;
        if first >= pairs {
            return None;
        }
        let rest = pairs - first;
        let len = if rest < PAIRS { rest } else { PAIRS };
        Some(Self { request, first, len, index_heads })
    }

    /// The `nth` pair, if the tile has so many.
    #[inline(always)]
    pub(crate) const fn pair(self, nth: u32) -> Option<Pair> {
        if nth >= self.len {
            return None;
        }
        let (row, head) = div_rem(self.first + nth, self.index_heads);
        Some(Pair { row, head })
    }

    /// How many positions the `nth` pair sees: 0 if the tile has not so many pairs.
    #[inline(always)]
    pub(crate) const fn horizon(self, nth: u32) -> u32 {
        match self.pair(nth) {
            Some(pair) => self.request.position(pair.row) + 1,
            None => 0,
        }
    }

    /// The longest horizon among `pairs` pairs, the `first` one and those after it; 0 if the tile has none of them.
    #[inline(always)]
    pub(crate) const fn longest_horizon(self, first: u32, pairs: u32) -> u32 {
        let end = if first + pairs < self.len { first + pairs } else { self.len };
        // Later pairs see more.
        if first < end { self.horizon(end - 1) } else { 0 }
    }

    /// The blocks of its longest horizon, that of the last pair, cut to `most`.
    #[inline(always)]
    pub(crate) const fn blocks(self, most: u32) -> u32 {
        let blocks = self.longest_horizon(0, self.len).div_ceil(BLOCK as u32);
        if blocks < most { blocks } else { most }
    }

    /// The blocks of the `split`-th part of those that its pairs see: the first, and the one behind the last.
    #[inline(always)]
    pub(crate) const fn part(self, params: &IndexParams, split: u32) -> (u32, u32) {
        let blocks = self.blocks(params.cache.table_width);
        let begin = div_rem(split * blocks, params.splits).0;
        (begin, div_rem((split + 1) * blocks, params.splits).0)
    }

    /// One thread: eight elements of the `nth` pair's query; zero if the tile has not so many pairs.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, whose tile this is.
    #[inline(always)]
    pub(crate) unsafe fn query(self, params: &IndexParams, nth: u32, chunk: u32) -> Chunk {
        let Some(Pair { row, head }) = self.pair(nth) else {
            return [0; 4];
        };
        let from = u64::from(self.request.first_row + row) * params.q_row_stride
            + u64::from(head) * params.q_head_stride
            + u64::from(chunk * CHUNK);
        let queries = GlobalPtr::<u16>::from_address(params.index_q.address());
        // SAFETY: the caller vouches for the rows, and for their alignment.
        unsafe { queries.add(from).cast::<Chunk>().read_constant() }
    }
}

#[cfg(test)]
mod tests {
    use super::{Pair, PairTile};
    use crate::request::Request;

    const REQUEST: Request = Request { index: 0, first_row: 9, rows: 7, cached: 126 };

    #[test]
    fn a_tile_has_the_pairs_that_the_request_has() {
        let tile = |first| PairTile::of_request::<16>(REQUEST, first, 3);
        let last = tile(16).expect("21 pairs");
        assert_eq!(last.pair(0), Some(Pair { row: 5, head: 1 }));
        assert_eq!(last.pair(4), Some(Pair { row: 6, head: 2 }));
        assert_eq!(last.pair(5), None);
        assert!(tile(32).is_none());
    }

    #[test]
    fn a_tile_has_the_blocks_of_its_last_row() {
        let tile = PairTile::of_request::<16>(REQUEST, 0, 8).expect("56 pairs");
        assert_eq!([0, 7, 8, 15, 16].map(|nth| tile.horizon(nth)), [127, 127, 128, 128, 0]);
        assert_eq!(tile.blocks(99), 1);
        assert_eq!([0, 1, 15, 16].map(|first| tile.longest_horizon(first, 8)), [127, 128, 128, 0]);
        let tile = PairTile::of_request::<16>(REQUEST, 16, 8).expect("56 pairs");
        assert_eq!([99, 1].map(|most| tile.blocks(most)), [2, 1]);
    }
}
