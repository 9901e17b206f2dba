use crate::{DevicePtr, IdOrder};

/// Parameters of the kernel `block_topk`: select each row's blocks from their scores.
#[repr(C)]
#[derive(Clone, Copy)]
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
    /// Floats between two rows of `scores`: at least the blocks of the longest horizon.
    pub score_stride: u32,
    /// Ids that each row selects, 1 to [`MAX_TOPK`](crate::MAX_TOPK).
    pub topk: u32,
    /// Blocks forced at the start of each row's horizon.
    pub init_blocks: u32,
    /// Blocks forced at the end of each row's horizon.
    pub local_blocks: u32,
    /// The order in which a row's ids are listed.
    pub id_order: IdOrder,
    /// Unused; keeps the size a multiple of the alignment without implicit padding.
    pub reserved: u32,
}

const _: () = assert!(size_of::<BlockTopkParams>() == 64 && align_of::<BlockTopkParams>() == 8);
