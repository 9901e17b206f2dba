use cuda_std::ptx;
use msa_abi::{AttendParams, MAX_GROUP};

use crate::row_tile::{CHUNK, RowTile};
use crate::share_out::share_out;

/// Heads of a row of queries: as many as a KV head may have, some of them unused.
pub(crate) const HEADS: u32 = MAX_GROUP as u32;

/// The queries of some rows of a tile on their way to shared memory, of a KV head's heads, a row's [`HEADS`] after the
/// other's. Heads that the KV head has not are zero, and so are rows that are not there.
///
/// Where the scale is negative, so are they, each element of it: see [`magnitude`](crate::softmax::magnitude).
#[derive(Clone, Copy)]
pub(crate) struct QueryCopy {
    /// Rows that there is room for.
    room: u32,
    tile: RowTile,
    is_negative: bool,
}

impl QueryCopy {
    /// All threads of the block: starts the copy of `rows` rows, from the batch's `first` on, to a tile with room for
    /// `room` rows.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, whose rows these are. The tile has the room, and nobody touches it before a barrier
    /// behind [`finish`](Self::finish).
    #[inline(always)]
    pub(crate) unsafe fn start(
        params: &AttendParams,
        first: u32,
        rows: u32,
        kv_head: u32,
        room: u32,
        tile: RowTile,
    ) -> Self {
        share_out(room * HEADS * RowTile::CHUNKS, |at| {
            let (line, chunk) = (at / RowTile::CHUNKS, at % RowTile::CHUNKS);
            let (row, head) = (line / HEADS, line % HEADS);
            let is_there = row < rows && head < params.group;
            let from = u64::from(first + row) * params.q_row_stride
                + u64::from(kv_head * params.group + head) * params.q_head_stride
                + u64::from(chunk * CHUNK);
            // Where nothing is read, the address is any.
            let first = params.q.address();
            let (given, from) =
                if is_there { (16, first + from * size_of::<u16>() as u64) } else { (0, first) };
            let to = tile.chunk(line, chunk).address();
            // SAFETY: the caller vouches for the rows, their alignment, and the places, which are shared out.
            unsafe { ptx::cp_async_cg_16(to, from, given) };
        });
        ptx::cp_async_commit_group();
        Self { room, tile, is_negative: params.scale_log2 < 0.0 }
    }

    /// All threads of the block: ends the copy. A barrier has to come before the queries are used.
    ///
    /// # Safety
    ///
    /// No other copies were started meanwhile.
    #[inline(always)]
    pub(crate) unsafe fn finish(self) {
        ptx::cp_async_wait_group::<0>();
        self.negate();
    }

    /// All threads of the block: ends the copy, though others were started meanwhile, of which one is waited for before
    /// the queries are used, and then a barrier.
    ///
    /// # Safety
    ///
    /// That is so: copies arrive in the order in which they were started.
    #[inline(always)]
    pub(crate) unsafe fn finish_among_others(self) {
        if self.is_negative {
            ptx::cp_async_wait_group::<0>();
        }
        self.negate();
    }

    /// All threads of the block: gives the queries the sign of the scale. They have arrived, if it is negative.
    #[inline(always)]
    fn negate(self) {
        if self.is_negative {
            share_out(self.room * HEADS * RowTile::CHUNKS, |at| {
                let chunk = self.tile.chunk(at / RowTile::CHUNKS, at % RowTile::CHUNKS);
                // SAFETY: these are the places that the thread has copied to.
                unsafe { chunk.write(chunk.read().map(|two| two ^ 0x8000_8000)) };
            });
        }
    }
}
