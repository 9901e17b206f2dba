use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::{AttendParams, IndexParams};

use crate::row_tile::{Chunk, RowTile};

/// Tiles of `ROWS` rows in shared memory, one behind the other, through which a cache's data comes.
///
/// All but one of them are on their way at a time: a copy starts when the tile whose place it takes has been used. Each
/// copy is a group of `cp.async`, also where there is nothing to copy, so that their number tells which have arrived. Where
/// there is one stage only, nothing is on its way while its tile is used.
#[derive(Clone, Copy)]
pub(crate) struct Stages<const ROWS: u32> {
    first: SharedPtr<Chunk>,
    count: u32,
}

impl<const ROWS: u32> Stages<ROWS> {
    /// Bytes of one.
    pub(crate) const BYTES: u32 = ROWS * RowTile::CHUNKS * size_of::<Chunk>() as u32;

    /// So many stages from an address on, 1 to [`MAX_STAGES`](AttendParams::MAX_STAGES).
    #[inline(always)]
    pub(crate) const fn new(first: SharedPtr<Chunk>, count: u32) -> Self {
        Self { first, count }
    }

    /// How many there are.
    #[inline(always)]
    pub(crate) const fn count(self) -> u32 {
        self.count
    }

    #[inline(always)]
    pub(crate) const fn nth(self, nth: u32) -> RowTile {
        RowTile::at(self.first.byte_add(nth * Self::BYTES), ROWS)
    }

    /// The last one: nothing is copied to it before the first has arrived.
    #[inline(always)]
    pub(crate) const fn last(self) -> RowTile {
        self.nth(self.count - 1)
    }

    /// What comes after them.
    #[inline(always)]
    pub(crate) const fn end(self) -> SharedPtr<Chunk> {
        self.first.byte_add(self.count * Self::BYTES)
    }

    /// One thread: waits for its part of the first copy of those that are on their way, if any are.
    #[inline(always)]
    pub(crate) fn wait_for_first(self) {
        match self.count {
            2 => ptx::cp_async_wait_group::<0>(),
            3 => ptx::cp_async_wait_group::<1>(),
            4 => ptx::cp_async_wait_group::<2>(),
            5 => ptx::cp_async_wait_group::<3>(),
            _ => ptx::cp_async_wait_group::<4>(),
        }
    }
}

// As many as there are arms above.
const _: () = assert!(AttendParams::MAX_STAGES == 6 && IndexParams::MAX_STAGES == 6);
