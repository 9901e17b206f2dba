use crate::{BLOCK, BatchParams, CacheParams, DevicePtr, HEAD_DIM, IdOrder, layout::layout};

/// Parameters of the kernels that score blocks.
///
/// `index_decode` writes scores, from which [`block_topk`](crate::BlockTopkParams) selects. `index_prefill`,
/// `index_prefill_hopper` and `index_prefill_blackwell` select on the way; where the keys of a row are split, `index_merge`
/// follows and selects from what each part has selected.
///
/// | kernel | grid | block | dynamic shared memory |
/// | --- | --- | --- | --- |
/// | `index_decode` | `(batch * pair_tiles, splits)` | [`THREADS`](Self::THREADS) | [`decode_shared_bytes`](Self::decode_shared_bytes) |
/// | `index_prefill` | `(batch * pair_tiles, splits)` | [`THREADS`](Self::THREADS) | [`prefill_shared_bytes`](Self::prefill_shared_bytes) |
/// | `index_prefill_hopper`: the same, on compute capability 9.0 | the same | [`HOPPER_PREFILL_THREADS`](Self::HOPPER_PREFILL_THREADS) | [`hopper_prefill_shared_bytes`](Self::hopper_prefill_shared_bytes) |
/// | `index_prefill_blackwell`: the same, on compute capability 10.0, of up to [`BLACKWELL_PREFILL_TOPK`](Self::BLACKWELL_PREFILL_TOPK) ids | the same | [`BLACKWELL_PREFILL_THREADS`](Self::BLACKWELL_PREFILL_THREADS) | [`blackwell_prefill_shared_bytes`](Self::blackwell_prefill_shared_bytes) |
/// | `index_merge`, if `splits > 1` | `(rows, index_heads)` | [`MERGE_THREADS`](Self::MERGE_THREADS) | none |
///
/// A *pair* is a row and an index head: pair `row * index_heads + head`, counted from the request's first row. A tile
/// has [`DECODE_PAIRS`](Self::DECODE_PAIRS), [`PREFILL_PAIRS`](Self::PREFILL_PAIRS),
/// [`HOPPER_PREFILL_PAIRS`](Self::HOPPER_PREFILL_PAIRS) or [`BLACKWELL_PREFILL_PAIRS`](Self::BLACKWELL_PREFILL_PAIRS)
/// successive pairs of a request, as the kernel's name tells.
/// What is selected does not depend on the kernel, `splits` or `stages`. Any number of splits will do, also more than there are
/// blocks; no horizon has more than [`MAX_BLOCKS`](crate::MAX_BLOCKS) of these.
///
/// Blocks of threads begin in the order of the grid, the first direction fastest. So the tiles of a request, all of
/// which read the same keys, read the same part of them at about the same time, and all but the first find it in the
/// second-level cache. Parts of one tile's keys have nothing in common but its queries.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub struct IndexParams {
    /// Rows and requests.
    pub batch: BatchParams,
    /// Index keys: one plane of one head.
    pub cache: CacheParams,
    /// bf16 `[rows, index_heads, HEAD_DIM]`, a multiple of 16 bytes
    pub index_q: DevicePtr<u16>,
    /// Elements from a row of `index_q` to the next, a multiple of 8.
    pub q_row_stride: u64,
    /// Elements from a head to the next, a multiple of 8.
    pub q_head_stride: u64,
    /// `index_decode` alone: f32 `[index_heads, rows, score_stride]`, the scores before any block is forced
    pub scores: DevicePtr<f32>,
    /// All others: i32 `[index_heads, rows, topk]`, the result
    pub block_ids: DevicePtr<i32>,
    /// The same, if `splits > 1`: u64 `[splits, index_heads, rows, topk]`, what each part has selected
    pub partial_keys: DevicePtr<u64>,
    /// Multiplies every dot product.
    pub scale: f32,
    /// Index heads.
    pub index_heads: u32,
    /// Floats from one row's scores to the next's: at least the blocks of the longest horizon.
    pub score_stride: u32,
    /// Parts that the blocks of each tile's horizon are split into, each for a block of threads.
    pub splits: u32,
    /// Tiles of pairs that a request may have.
    pub pair_tiles: u32,
    /// Blocks, or of `index_decode` parts of blocks, that are in shared memory at a time, up to
    /// [`MAX_STAGES`](Self::MAX_STAGES): at least 1 of `index_prefill`, and 2 of others.
    pub stages: u32,
    /// Ids that each row selects, 1 to [`MAX_TOPK`](crate::MAX_TOPK).
    pub topk: u32,
    /// Blocks forced at the start of each row's horizon.
    pub init_blocks: u32,
    /// Blocks forced at the end of each row's horizon.
    pub local_blocks: u32,
    /// The order in which a row's ids are listed.
    pub id_order: IdOrder,
}

impl IndexParams {
    /// Threads of a block of the scoring kernels.
    pub const THREADS: u32 = 128;

    /// Threads of a block of `index_merge`.
    pub const MERGE_THREADS: u32 = 128;

    /// Pairs of a tile of `index_decode`: one fragment.
    pub const DECODE_PAIRS: u32 = 16;

    /// Pairs of a tile of `index_prefill`.
    pub const PREFILL_PAIRS: u32 = 128;

    /// Threads of a block of `index_prefill_hopper`: a warp for each 32 pairs of the tile, and four that copy.
    pub const HOPPER_PREFILL_THREADS: u32 = Self::HOPPER_PREFILL_PAIRS + 128;

    /// Pairs of a tile of `index_prefill_hopper`: 128 for each of two warpgroups.
    pub const HOPPER_PREFILL_PAIRS: u32 = 256;

    /// Bytes of a stage's barriers in `index_prefill_hopper`.
    pub const STAGE_BARRIER_BYTES: u32 = 24;

    /// Threads of a block of `index_prefill_blackwell`: one for each pair of the tile, and four warps that copy or start products.
    pub const BLACKWELL_PREFILL_THREADS: u32 = Self::BLACKWELL_PREFILL_PAIRS + 128;

    /// Pairs of a tile of `index_prefill_blackwell`: four groups, whose queries take half of tensor memory.
    pub const BLACKWELL_PREFILL_PAIRS: u32 = 512;

    /// Most ids that `index_prefill_blackwell` selects: of more there would be room for one stage alone.
    pub const BLACKWELL_PREFILL_TOPK: u32 = 40;

    /// Bytes of a stage's barriers in `index_prefill_blackwell`.
    pub const BLACKWELL_STAGE_BARRIER_BYTES: u32 = 16;

    /// Bytes that `index_prefill_blackwell` has besides: barriers, of each group two and of all three; and an address.
    pub const BLACKWELL_PREFILL_BYTES: u32 = (Self::BLACKWELL_PREFILL_PAIRS / 128 * 2 + 3) * 8 + 8;

    /// Most stages.
    pub const MAX_STAGES: u32 = 6;

    /// Bytes of the queries of a tile of `index_decode`.
    pub const DECODE_QUERY_BYTES: u32 = Self::DECODE_PAIRS * (HEAD_DIM * size_of::<u16>()) as u32;

    /// Bytes of a stage of one of `index_decode`'s warps: a quarter of a block.
    pub const DECODE_STAGE_BYTES: u32 = (BLOCK / 4 * HEAD_DIM * size_of::<u16>()) as u32;

    /// Bytes of a stage of `index_prefill`: a block.
    pub const PREFILL_STAGE_BYTES: u32 = (BLOCK * HEAD_DIM * size_of::<u16>()) as u32;

    /// Bytes that each id of a tile's pairs takes in `index_prefill`.
    pub const PREFILL_ID_BYTES: u32 = Self::PREFILL_PAIRS * size_of::<u64>() as u32;

    /// Dynamic shared memory of a launch of `index_decode`, in bytes.
    pub const fn decode_shared_bytes(stages: u32) -> u32 {
        Self::DECODE_QUERY_BYTES + Self::THREADS / 32 * stages * Self::DECODE_STAGE_BYTES
    }

    /// Dynamic shared memory of a launch of `index_prefill`, in bytes.
    pub const fn prefill_shared_bytes(topk: u32, stages: u32) -> u32 {
        stages * Self::PREFILL_STAGE_BYTES + topk * Self::PREFILL_ID_BYTES
    }

    /// Bytes that each pair has in `index_prefill_hopper`: at first for its query, then for its ids.
    pub const fn hopper_pair_bytes(topk: u32) -> u32 {
        let query = (HEAD_DIM * size_of::<u16>()) as u32;
        let ids = topk * size_of::<u64>() as u32;
        if ids < query { query } else { ids }
    }

    /// Dynamic shared memory of a launch of `index_prefill_hopper`, in bytes.
    pub const fn hopper_prefill_shared_bytes(topk: u32, stages: u32) -> u32 {
        stages * (Self::PREFILL_STAGE_BYTES + Self::STAGE_BARRIER_BYTES)
            + Self::HOPPER_PREFILL_PAIRS * Self::hopper_pair_bytes(topk)
    }

    /// Dynamic shared memory of a launch of `index_prefill_blackwell`, in bytes.
    pub const fn blackwell_prefill_shared_bytes(topk: u32, stages: u32) -> u32 {
        stages * (Self::PREFILL_STAGE_BYTES + Self::BLACKWELL_STAGE_BARRIER_BYTES)
            + topk * Self::BLACKWELL_PREFILL_PAIRS * size_of::<u64>() as u32
            + Self::BLACKWELL_PREFILL_BYTES
    }
}

const _: () = assert!(size_of::<IndexParams>() == 176 && align_of::<IndexParams>() == 8);

layout!(IndexParams {
    batch,
    cache,
    index_q,
    q_row_stride,
    q_head_stride,
    scores,
    block_ids,
    partial_keys,
    scale,
    index_heads,
    score_stride,
    splits,
    pair_tiles,
    stages,
    topk,
    init_blocks,
    local_blocks,
    id_order,
});
