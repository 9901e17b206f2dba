use core::array::from_fn;

use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK, MAX_TOPK};

use crate::div_rem::div_rem;
use crate::request::Request;

/// A thread's share of the ids that the rows of a tile have chosen, on their way from memory until one looks at them.
///
/// It has `TURNS` ids at most.
#[derive(Clone, Copy)]
pub(super) struct TileIds<const TURNS: usize> {
    ids: [TileId; TURNS],
    request: Request,
    /// The tile's first row.
    first: u32,
    table_width: u32,
}

/// An id, and the tile's row in whose list it stands.
#[derive(Clone, Copy)]
struct TileId {
    row: u32,
    id: u32,
}

/// Ids that each of a block's threads has at most, where a tile has so many rows.
pub(super) const fn turns(rows: u32, threads: u32) -> usize {
    (rows * MAX_TOPK as u32).div_ceil(threads) as usize
}

impl<const TURNS: usize> TileIds<TURNS> {
    /// No block's: as a number without sign a negative one is past every block.
    const NONE: u32 = u32::MAX;

    /// All `THREADS` threads of the block: those of `rows` rows of a request, from its `first` on, shared out.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, and the request has these rows, for which a thread has [`turns`] enough.
    #[inline(always)]
    pub(super) unsafe fn load<const THREADS: u32>(
        params: &AttendParams,
        request: Request,
        first: u32,
        rows: u32,
        kv_head: u32,
    ) -> Self {
        let given = GlobalPtr::<i32>::from_address(params.block_ids.address());
        let given = given.add(u64::from(kv_head) * params.ids_head_stride);
        let ids = from_fn(|turn| {
            let at = thread::thread_idx_x() + turn as u32 * THREADS;
            let (row, slot) = div_rem(at, params.topk);
            let mut id = Self::NONE;
            if row < rows {
                let line = u64::from(request.first_row + first + row) * params.ids_row_stride;
                // SAFETY: the caller promises the row, and it has the slot.
                id = unsafe { given.add(line + u64::from(slot)).read_constant() } as u32;
            }
            TileId { row, id }
        });
        Self { ids, request, first, table_width: params.cache.table_width }
    }

    /// The last block that the row of the tile may see.
    #[inline(always)]
    pub(super) const fn last_block(&self, row: u32) -> u32 {
        let last = self.request.position(self.first + row) / BLOCK as u32;
        if last < self.table_width { last } else { self.table_width - 1 }
    }

    /// One thread: calls `visit` with each of its ids and the id's row, but for those that the row sees no key of and those
    /// that are no block's.
    #[inline(always)]
    pub(super) fn each(&self, visit: impl Fn(u32, u32)) {
        for TileId { row, id } in &self.ids {
            if *id <= self.last_block(*row) {
                visit(*row, *id);
            }
        }
    }
}
