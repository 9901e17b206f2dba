use crate::{BLOCK, BatchParams, CacheParams, DevicePtr, HEAD_DIM, MAX_GROUP, layout::layout};

/// Parameters of the kernels of attention: `attend_decode`, of requests with few new tokens each, and `attend_combine`, which
/// follows it where the work of a row is split; or `attend_decode_cluster`, which is both; or `attend_prefill`, of requests
/// with many.
///
/// | kernel | grid | block | dynamic shared memory |
/// | --- | --- | --- | --- |
/// | `attend_decode` | `(batch * ceil(max_seq_length / tile_rows), kv_heads, splits)` | [`THREADS`](Self::THREADS) | [`shared_bytes`](Self::shared_bytes) |
/// | `attend_combine`, if `splits > 1` | `(rows, ceil(heads / 4))` | [`COMBINE_THREADS`](Self::COMBINE_THREADS) | none |
/// | `attend_decode_cluster`: `tile_rows` is 1, from compute capability 9.0 on | the same, in clusters of `splits` along z | [`THREADS`](Self::THREADS) | [`cluster_shared_bytes`](Self::cluster_shared_bytes) |
/// | `attend_prefill`: `splits` is 1, `tile_rows` [`PREFILL_ROWS`](Self::PREFILL_ROWS) | `(batch * ceil(max_seq_length / tile_rows), kv_heads)` | [`PREFILL_THREADS`](Self::PREFILL_THREADS) | [`prefill_shared_bytes`](Self::prefill_shared_bytes) |
/// | `attend_prefill_hopper`: the same, on compute capability 9.0, but `tile_rows` up to that | the same | [`HOPPER_PREFILL_THREADS`](Self::HOPPER_PREFILL_THREADS) | [`hopper_prefill_shared_bytes`](Self::hopper_prefill_shared_bytes) |
/// | `attend_prefill_blackwell`: `splits` is 1, on compute capability 10.0, `tile_rows` up to [`BLACKWELL_PREFILL_ROWS`](Self::BLACKWELL_PREFILL_ROWS) | `(batch * ceil(max_seq_length / tile_rows), kv_heads, 2)`, in clusters of 2 along z | [`BLACKWELL_PREFILL_THREADS`](Self::BLACKWELL_PREFILL_THREADS) | [`blackwell_prefill_shared_bytes`](Self::blackwell_prefill_shared_bytes) |
///
/// `attend_decode_cluster`, `attend_prefill_hopper` and `attend_prefill_blackwell` take a second parameter: a
/// [`TensorMap`](crate::TensorMap) of the cache's planes, with boxes of [`PLANE_BOX`](Self::PLANE_BOX).
///
/// A row's result does not depend on the kernel, `splits`, `tile_rows` or `stages`.
///
/// Blocks of threads begin in the order of the grid, the first direction fastest. The tiles of a request come next to
/// one another, since its rows have chosen much the same blocks, which all but the first then find in the second-level
/// cache; then KV heads, whose keys lie side by side in a page. Parts of a tile's blocks have nothing in common but its
/// queries and lists.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub struct AttendParams {
    /// Rows and requests.
    pub batch: BatchParams,
    /// Planes K and V of `kv_heads` heads.
    pub cache: CacheParams,
    /// bf16 `[rows, kv_heads * group, HEAD_DIM]`, a multiple of 16 bytes
    pub q: DevicePtr<u16>,
    /// Elements from a row of `q` to the next, and from a head to the next: multiples of 8.
    pub q_row_stride: u64,
    /// As above, from a head to the next.
    pub q_head_stride: u64,
    /// i32 `[kv_heads, rows, topk]`
    pub block_ids: DevicePtr<i32>,
    /// Elements from a head's ids to the next head's.
    pub ids_head_stride: u64,
    /// Elements from a row's ids to the next row's.
    pub ids_row_stride: u64,
    /// bf16 `[rows, kv_heads * group, HEAD_DIM]`, dense: the result
    pub output: DevicePtr<u16>,
    /// f32 `[rows, kv_heads * group]`, dense, or 0: natural log of the softmax denominator
    pub lse: DevicePtr<f32>,
    /// f32 `[rows, kv_heads, topk, group, HEAD_DIM]`: of each block of a row's list, by ascending id, the
    /// weighted sum of its values. Unused if `splits` is 1.
    pub partial_values: DevicePtr<f32>,
    /// f32 `[rows, kv_heads, topk, group, 2]`: of each of those its maximum and the sum of its weights.
    pub partial_sums: DevicePtr<f32>,
    /// Multiplies every dot product to give a logarithm to base 2: the scale times log2(e).
    pub scale_log2: f32,
    /// KV heads.
    pub kv_heads: u32,
    /// Query heads of a KV head, 1 to [`MAX_GROUP`].
    pub group: u32,
    /// Ids of each row, 1 to [`MAX_TOPK`](crate::MAX_TOPK).
    pub topk: u32,
    /// Parts that the blocks of each tile of rows are split into, each for a block of threads.
    pub splits: u32,
    /// Most rows of one request that a block of threads has, or a pair of them; how many there may be says the table above.
    pub tile_rows: u32,
    /// Tiles of rows that a request may have: `ceil(max_seq_length / tile_rows)`.
    pub row_tiles: u32,
    /// Planes of blocks that are in shared memory at a time, 2 to [`MAX_STAGES`](Self::MAX_STAGES).
    pub stages: u32,
}

impl AttendParams {
    /// Threads of a block of `attend_decode`.
    pub const THREADS: u32 = 128;

    /// Threads of a block of `attend_combine`: a warp for each head.
    pub const COMBINE_THREADS: u32 = 128;

    /// Rows of a tile of `attend_prefill`.
    pub const PREFILL_ROWS: u32 = 8;

    /// Threads of a block of `attend_prefill`: a warp for each row of the tile.
    pub const PREFILL_THREADS: u32 = 32 * Self::PREFILL_ROWS;

    /// Threads of a block of `attend_prefill_hopper`: a warp for each row of the tile, and four that
    /// copy.
    pub const HOPPER_PREFILL_THREADS: u32 = 32 * (Self::PREFILL_ROWS + 4);

    /// Bytes of a stage's barriers in `attend_prefill_hopper`.
    pub const STAGE_BARRIER_BYTES: u32 = 32;

    /// Most rows of a tile of `attend_prefill_blackwell`: of each of its two blocks of threads as many as a tile of
    /// `attend_prefill` has.
    pub const BLACKWELL_PREFILL_ROWS: u32 = 2 * Self::PREFILL_ROWS;

    /// Threads of a block of `attend_prefill_blackwell`: two warpgroups that compute, and one that starts copies and products.
    pub const BLACKWELL_PREFILL_THREADS: u32 = 3 * 128;

    /// Bytes of a stage's barriers in `attend_prefill_blackwell`.
    pub const BLACKWELL_STAGE_BARRIER_BYTES: u32 = 16;

    /// Bytes that `attend_prefill_blackwell` has besides: of two steps a maximum and a sum for each row of the block and head,
    /// and barriers; two barriers more; and an address.
    pub const BLACKWELL_PREFILL_BYTES: u32 = {
        let heads = Self::PREFILL_ROWS * MAX_GROUP as u32;
        2 * (heads * (4 + 4) + 6 * 8) + 2 * 8 + 8
    };

    /// Most planes in shared memory.
    pub const MAX_STAGES: u32 = 6;

    /// Bytes of a plane of a block: `[BLOCK, HEAD_DIM]` of bf16.
    pub const STAGE_BYTES: u32 = (BLOCK * HEAD_DIM * size_of::<u16>()) as u32;

    /// Extents of a box of the cache's planes: elements, tokens, KV heads, planes (K and V) and pages, which are the dimensions
    /// of the tensor. Its elements are as many as a swizzle of 128 bytes takes, and its tokens those of a warp of
    /// `attend_decode_cluster`.
    pub const PLANE_BOX: [u32; 5] = [64, 32, 1, 1, 1];

    /// Bytes of a stage's barrier in `attend_decode_cluster`.
    pub const CLUSTER_STAGE_BARRIER_BYTES: u32 = 8;

    /// Bytes in which warps of the decode kernels tell each other of a block, for each row.
    pub const SCRATCH_BYTES: u32 = {
        let heads = MAX_GROUP as u32;
        let query = heads * (HEAD_DIM * size_of::<u16>()) as u32;
        let weights = heads * (BLOCK * size_of::<u16>()) as u32;
        // Of each warp and head: the block's maximum and sum.
        query + weights + Self::THREADS / 32 * heads * (4 + 4)
    };

    /// Bytes that each row of a tile of `attend_decode` takes.
    pub const ROW_BYTES: u32 = {
        let heads = MAX_GROUP as u32;
        let values = heads * (HEAD_DIM * size_of::<f32>()) as u32;
        // Of each warp and head: the total's maximum and sum.
        Self::SCRATCH_BYTES + values + Self::THREADS / 32 * heads * (4 + 4)
    };

    /// Bytes of the weighted sums that `attend_decode_cluster` finds in a block: for each head and dim.
    pub const PART_VALUE_BYTES: u32 = (MAX_GROUP * HEAD_DIM * size_of::<f32>()) as u32;

    /// Bytes of what belongs to them: a maximum and a sum of weights for each head.
    pub const PART_SUM_BYTES: u32 = (MAX_GROUP * 2 * size_of::<f32>()) as u32;

    /// Bytes that each id of a tile takes.
    pub const ID_BYTES: u32 = 16;

    /// Dynamic shared memory of a launch of `attend_decode`, in bytes.
    pub const fn shared_bytes(tile_rows: u32, topk: u32, stages: u32) -> u32 {
        stages * Self::STAGE_BYTES + tile_rows * (Self::ROW_BYTES + topk * Self::ID_BYTES)
    }

    /// Dynamic shared memory of a launch of `attend_decode_cluster`, in bytes; `splits` is 1, 2, 4, 8 or 16.
    pub const fn cluster_shared_bytes(splits: u32, topk: u32, stages: u32) -> u32 {
        let parts = match splits {
            1 => 0,
            _ => topk * (Self::PART_VALUE_BYTES / splits + Self::PART_SUM_BYTES) + 8,
        };
        let stage = Self::STAGE_BYTES + Self::CLUSTER_STAGE_BARRIER_BYTES;
        stages * stage + Self::SCRATCH_BYTES + parts
    }

    /// Dynamic shared memory of a launch of `attend_prefill`, in bytes.
    pub const fn prefill_shared_bytes(topk: u32, stages: u32) -> u32 {
        stages * Self::STAGE_BYTES + Self::PREFILL_ROWS * topk * Self::ID_BYTES
    }
}

impl AttendParams {
    /// Dynamic shared memory of a launch of `attend_prefill_hopper`, in bytes: that of `attend_prefill`, a stage more for
    /// queries, and barriers.
    pub const fn hopper_prefill_shared_bytes(topk: u32, stages: u32) -> u32 {
        Self::prefill_shared_bytes(topk, stages + 1) + stages * Self::STAGE_BARRIER_BYTES
    }

    /// Dynamic shared memory of a launch of `attend_prefill_blackwell`, in bytes: stages, and one more for queries; the ids of
    /// a tile; barriers, and what one role tells another.
    pub const fn blackwell_prefill_shared_bytes(topk: u32, stages: u32) -> u32 {
        (stages + 1) * Self::STAGE_BYTES
            + Self::BLACKWELL_PREFILL_ROWS * topk * Self::ID_BYTES
            + stages * Self::BLACKWELL_STAGE_BARRIER_BYTES
            + Self::BLACKWELL_PREFILL_BYTES
    }
}

const _: () = assert!(size_of::<AttendParams>() == 200 && align_of::<AttendParams>() == 8);

layout!(AttendParams {
    batch,
    cache,
    q,
    q_row_stride,
    q_head_stride,
    block_ids,
    ids_head_stride,
    ids_row_stride,
    output,
    lse,
    partial_values,
    partial_sums,
    scale_log2,
    kv_heads,
    group,
    topk,
    splits,
    tile_rows,
    row_tiles,
    stages,
});
