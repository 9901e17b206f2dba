/// Fewest stages in shared memory: one is worked on while another arrives.
pub(in crate::gpu) const MIN_STAGES: u32 = 2;

/// Fewest stages of `index_prefill`: beside its longest lists a block of threads that has no more than 99 KiB has room
/// for one alone.
pub(in crate::gpu) const MIN_PREFILL_STAGES: u32 = 1;

/// Blocks of the indexer's kernels on a multiprocessor, where its shared memory has room for two of them: one begins,
/// ends or waits at a barrier while the other's copies arrive.
pub(in crate::gpu) const INDEX_BLOCKS: u32 = 2;

/// Blocks of `index_prefill_hopper` on a multiprocessor: one has its registers.
pub(in crate::gpu) const HOPPER_INDEX_BLOCKS: u32 = 1;

/// Blocks of `index_prefill_blackwell` on a multiprocessor: one has its tensor memory.
pub(in crate::gpu) const BLACKWELL_INDEX_BLOCKS: u32 = 1;

/// Fewest blocks of a table's width for each split of `index_decode`: a block of threads first loads its queries and
/// fills its stages, and these are as much as three or four blocks of keys.
pub(in crate::gpu) const MIN_DECODE_SHARE: u32 = 4;

/// Fewest blocks of a table's width for each split of `index_prefill`, which also writes a list for each pair, to be
/// read again: as many bytes as half a block of keys.
pub(in crate::gpu) const MIN_PREFILL_SHARE: u32 = 8;

/// Blocks of `attend_decode` on a multiprocessor, for which work is split. Measured on an H100
/// (`cargo xtask bench --backend cuda --suite decode`): a request is quickest as 16 parts, and 8 requests are, too; both
/// leave no multiprocessor a second block.
pub(in crate::gpu) const ATTEND_BLOCKS: u32 = 1;

/// Blocks of `attend_decode_cluster` on a multiprocessor, but where each is a cluster of its own and has one for itself. Measured
/// on an H100: where 8 requests have 16 blocks each, room for two is worth more than a third stage (7.0 and 11.2 us).
pub(in crate::gpu) const CLUSTER_BLOCKS: u32 = 2;

/// Most blocks of a cluster.
pub(in crate::gpu) const LARGEST_CLUSTER: u32 = 16;

/// Blocks of a cluster, the best first. Measured on an H200: of 64 requests, of which clusters of four have no room, pairs that
/// have a multiprocessor for each block take 21.5 us, 27.5 as fours and 26.7 as one block each; pairs that share one are slower
/// than single blocks (128 requests: 41.4 and 36.2 us).
pub(in crate::gpu) const CLUSTER_SIZES: [u32; 5] = [LARGEST_CLUSTER, 8, 4, 2, 1];

/// Stages of `attend_decode`: one is worked on while another arrives, and shared memory is left for other blocks.
pub(in crate::gpu) const DECODE_STAGES: u32 = MIN_STAGES;

/// Fewest parts that work of `attend_decode` is split into: two do not pay for `attend_combine`. Measured so: 64 requests
/// are quickest as one part each.
pub(in crate::gpu) const MIN_ATTEND_SPLITS: u32 = 3;

/// Most rows of a tile of `attend_decode`: all drafts of a request share one reading of the blocks that they share.
pub(in crate::gpu) const MAX_TILE_ROWS: u32 = msa_abi::MAX_SPECULATIVE as u32;

/// The part of the multiprocessors that tiles of one row must occupy to be chosen: they then go faster than tiles of
/// several rows, whose rows wait for one another. Measured so (`--suite speculative`).
pub(in crate::gpu) const BUSY: u32 = 2;

/// Until a tile of `attend_prefill_hopper` is ready, in units of the time in which a block of K and V is copied: 9 us of 1.3
/// us. Measured on an H100 (`cargo xtask bench --backend cuda --only "16/1 8192 after 32768"`), by the times of three
/// overlaps. Of `attend_prefill_blackwell` nothing was measured: it is reckoned with the same.
pub(in crate::gpu) const PREFILL_PREPARATION: u64 = 7;

/// A step of one of its warpgroups, of four rows with a block, in the same unit: 2.6 us. Measured so.
pub(in crate::gpu) const PREFILL_STEP: u64 = 2;

/// A row's list has one block in so many that the row before it has not. What was published of real traffic of MiniMax-M3:
/// about 22 different blocks in the lists of 4 rows.
pub(in crate::gpu) const PREFILL_UNSHARED: u64 = 8;
