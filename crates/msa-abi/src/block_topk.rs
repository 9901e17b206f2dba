use crate::{DevicePtr, IdOrder, layout::layout};

/// Parameters of the kernel `block_topk`: select each row's blocks from their scores.
///
/// Launch it with a grid of `(rows, index_heads)`, a block of `(threads, 1, 1)`, where `threads` is a
/// multiple of 32 up to [`MAX_THREADS`](Self::MAX_THREADS), and
/// [`shared_bytes`](Self::shared_bytes) of dynamic shared memory. The result does not depend on `threads`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub struct BlockTopkParams {
    /// f32 `[index_heads, rows, score_stride]`: raw scores, before any block is forced. Only the
    /// blocks in a row's horizon are read.
    pub scores: DevicePtr<f32>,
    /// u32 `[batch + 1]`
    pub row_offsets: DevicePtr<u32>,
    /// u32 `[batch]`
    pub cache_lengths: DevicePtr<u32>,
    /// i32 `[index_heads, rows, topk]`: the result
    pub block_ids: DevicePtr<i32>,
    /// Rows in `scores` and `block_ids`. Those past `row_offsets[batch]` are padding of a captured
    /// bucket: they select nothing (every slot -1).
    pub rows: u32,
    /// Requests.
    pub batch: u32,
    /// Floats between two rows of `scores`: at least `max_blocks`.
    pub score_stride: u32,
    /// Ids that each row selects, 1 to [`MAX_TOPK`](crate::MAX_TOPK).
    pub topk: u32,
    /// Blocks forced at the start of each row's horizon.
    pub init_blocks: u32,
    /// Blocks forced at the end of each row's horizon.
    pub local_blocks: u32,
    /// The order in which a row's ids are listed.
    pub id_order: IdOrder,
    /// Blocks of the longest horizon, up to [`MAX_BLOCKS`](crate::MAX_BLOCKS). A horizon that turns out
    /// longer on the device is cut to it.
    pub max_blocks: u32,
}

impl BlockTopkParams {
    /// Most threads that a block of the grid may have.
    pub const MAX_THREADS: u32 = 512;

    /// Scores that a thread handles together.
    pub const SCORES_AT_ONCE: u32 = 4;

    /// Dynamic shared memory of a launch, in bytes: a word for each block of a horizon, rounded up to
    /// what all threads handle at once.
    pub const fn shared_bytes(max_blocks: u32, threads: u32) -> u32 {
        max_blocks.next_multiple_of(Self::SCORES_AT_ONCE * threads) * size_of::<u32>() as u32
    }
}

const _: () = assert!(size_of::<BlockTopkParams>() == 64 && align_of::<BlockTopkParams>() == 8);

layout!(BlockTopkParams {
    scores,
    row_offsets,
    cache_lengths,
    block_ids,
    rows,
    batch,
    score_stride,
    topk,
    init_blocks,
    local_blocks,
    id_order,
    max_blocks,
});
