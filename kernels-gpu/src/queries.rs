use cuda_std::prelude::*;
use msa_abi::{AttendParams, MAX_GROUP};

use crate::row_tile::{CHUNK, Chunk, RowTile};
use crate::share_out::share_out;

/// Heads of a row of queries: as many as a KV head may have, some of them unused.
pub(crate) const HEADS: u32 = MAX_GROUP as u32;

/// All threads of the block: the queries of `rows` rows from `first` on, of a KV head's heads, a row's [`HEADS`]
/// after the other's. Heads that it has not are zero. Where the scale is negative, the queries are: see
/// [`magnitude`](crate::softmax::magnitude). A barrier has to come before they are used.
///
/// # Safety
///
/// `params` are the kernel's, whose rows these are. The tile has room, and nobody touches it meanwhile.
#[inline(always)]
pub(crate) unsafe fn load_queries(
    params: &AttendParams,
    first: u32,
    rows: u32,
    kv_head: u32,
    to: RowTile,
) {
    let signs = if params.scale_log2 < 0.0 { 0x8000_8000 } else { 0 };
    share_out(rows * HEADS * RowTile::CHUNKS, |at| {
        let (line, chunk) = (at / RowTile::CHUNKS, at % RowTile::CHUNKS);
        let (row, head) = (line / HEADS, line % HEADS);
        let mut query: Chunk = [0; 4];
        if head < params.group {
            let from = u64::from(first + row) * params.q_row_stride
                + u64::from(kv_head * params.group + head) * params.q_head_stride
                + u64::from(chunk * CHUNK);
            let q = GlobalPtr::<u16>::from_address(params.q.address()).add(from);
            // SAFETY: the caller vouches for the rows, and for their alignment.
            query = unsafe { q.cast::<Chunk>().read_constant() };
            query.iter_mut().for_each(|two| *two ^= signs);
        }
        // SAFETY: the numbers are shared out, and so are the places.
        unsafe { to.chunk(line, chunk).write(query) };
    });
}
