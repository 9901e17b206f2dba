use msa_abi::{BlockTopkParams, DevicePtr, IndexParams, MAX_BLOCKS, MAX_TOPK};

use super::fit::Fit;
use super::{grid, product, tuning};
use crate::gpu::indexer::IndexerProblem;
use crate::gpu::workspace::Parts;
use crate::gpu::{Device, Kernel, Launch, Params, Plan, Workspace};
use crate::{Error, Route};

impl IndexerProblem {
    pub(in crate::gpu) fn plan(
        &self,
        device: &Device,
        workspace: Workspace,
    ) -> Result<Plan, Error> {
        if self.batch.rows == 0 || self.index_heads == 0 {
            return Ok(Plan::new(self.route, [None; 2], 0));
        }
        match self.route {
            Route::Empty | Route::Decode | Route::Speculative => self.decode(device, workspace),
            Route::Prefill => self.prefill(device, workspace),
        }
    }

    /// Scores, and then a selection from them.
    fn decode(&self, device: &Device, workspace: Workspace) -> Result<Plan, Error> {
        let width = self.cache.table_width;
        let fit = Fit::new(
            Kernel::IndexDecode,
            device,
            tuning::INDEX_BLOCKS,
            tuning::MIN_STAGES..=IndexParams::MAX_STAGES,
            IndexParams::decode_shared_bytes,
        )?;
        let (pair_tiles, tiles) = self.tiles(IndexParams::DECODE_PAIRS);
        let most = width.div_ceil(tuning::MIN_DECODE_SHARE);
        let splits = fit.splits(device, tiles, most);
        let score_stride = score_stride(width);

        let mut parts = Parts::of(workspace);
        let scores = parts.take(product([self.index_heads, self.batch.rows, score_stride]));
        let workspace_bytes = parts.finish()?;

        let params = IndexParams {
            scores,
            score_stride,
            splits,
            pair_tiles,
            stages: fit.stages,
            ..self.params()
        };
        let score = Launch {
            kernel: Kernel::IndexDecode,
            grid: grid([tiles, splits.into(), 1]),
            cluster: 1,
            threads: IndexParams::THREADS,
            dynamic_shared: IndexParams::decode_shared_bytes(fit.stages),
            programmatic_stream_serialization: false,
            params: Params::Index(params),
            planes: None,
        };
        let threads = topk_threads(width);
        let select = Launch {
            kernel: Kernel::BlockTopk,
            grid: [self.batch.rows, self.index_heads, 1],
            cluster: 1,
            threads,
            dynamic_shared: BlockTopkParams::shared_bytes(width, threads),
            programmatic_stream_serialization: device.has_dependent_launches(),
            params: Params::BlockTopk(BlockTopkParams {
                scores,
                row_offsets: self.batch.row_offsets,
                cache_lengths: self.batch.cache_lengths,
                block_ids: self.block_ids,
                rows: self.batch.rows,
                batch: self.batch.batch,
                score_stride,
                topk: params.topk,
                init_blocks: params.init_blocks,
                local_blocks: params.local_blocks,
                id_order: params.id_order,
                max_blocks: width,
            }),
            planes: None,
        };
        let launches = [Some(score.check(device)?), Some(select.check(device)?)];
        Ok(Plan::new(self.route, launches, workspace_bytes))
    }

    /// A selection on the way, and where the blocks are split one from what the parts have selected.
    fn prefill(&self, device: &Device, workspace: Workspace) -> Result<Plan, Error> {
        let topk = self.selection.topk as u32;
        let kernel = Prefill::of(device, topk);
        let shared = |stages| (kernel.shared_bytes)(topk, stages);
        let stages = kernel.min_stages..=IndexParams::MAX_STAGES;
        let fit = Fit::new(kernel.kernel, device, kernel.blocks, stages, shared)?;
        let (pair_tiles, tiles) = self.tiles(kernel.pairs);
        let splits = fit.splits(device, tiles, most_prefill_splits(self.cache.table_width));

        let mut parts = Parts::of(workspace);
        let partial_keys = match splits {
            1 => DevicePtr::from_address(0),
            _ => parts.take(product([splits, self.index_heads, self.batch.rows, topk])),
        };
        let workspace_bytes = parts.finish()?;

        let params =
            IndexParams { partial_keys, splits, pair_tiles, stages: fit.stages, ..self.params() };
        let select = Launch {
            kernel: kernel.kernel,
            grid: grid([tiles, splits.into(), 1]),
            cluster: 1,
            threads: kernel.threads,
            dynamic_shared: shared(fit.stages),
            programmatic_stream_serialization: false,
            params: Params::Index(params),
            planes: None,
        };
        let merge = Launch {
            kernel: Kernel::IndexMerge,
            grid: [self.batch.rows, self.index_heads, 1],
            cluster: 1,
            threads: IndexParams::MERGE_THREADS,
            dynamic_shared: 0,
            programmatic_stream_serialization: device.has_dependent_launches(),
            params: Params::Index(params),
            planes: None,
        };
        let merge = if splits > 1 { Some(merge.check(device)?) } else { None };
        Ok(Plan::new(self.route, [Some(select.check(device)?), merge], workspace_bytes))
    }

    /// Tiles of some pairs that a request may have, and those of all requests.
    fn tiles(&self, pairs: u32) -> (u32, u64) {
        let tiles = product([self.max_seq_length, self.index_heads]).div_ceil(pairs.into());
        let pair_tiles = u32::try_from(tiles).unwrap_or(u32::MAX);
        (pair_tiles, product([self.batch.batch, pair_tiles]))
    }

    /// What does not depend on how the work is split.
    fn params(&self) -> IndexParams {
        // No horizon is longer than the most blocks, so that more are as many.
        let forced = |blocks: usize| blocks.min(MAX_BLOCKS) as u32;
        IndexParams {
            batch: self.batch,
            cache: self.cache,
            index_q: self.index_q,
            q_row_stride: self.q_row_stride,
            q_head_stride: self.q_head_stride,
            scores: DevicePtr::from_address(0),
            block_ids: self.block_ids,
            partial_keys: DevicePtr::from_address(0),
            scale: self.scale,
            index_heads: self.index_heads,
            score_stride: 0,
            splits: 1,
            pair_tiles: 1,
            stages: 0,
            topk: self.selection.topk as u32,
            init_blocks: forced(self.selection.init_blocks),
            local_blocks: forced(self.selection.local_blocks),
            id_order: self.selection.id_order,
        }
    }
}

/// A kernel that scores and selects on the way, as a plan sees it.
struct Prefill {
    kernel: Kernel,
    threads: u32,
    /// Pairs of a tile.
    pairs: u32,
    /// Most blocks of threads on a multiprocessor.
    blocks: u32,
    min_stages: u32,
    /// Of as many selected ids and stages.
    shared_bytes: fn(u32, u32) -> u32,
}

impl Prefill {
    /// The one that a device runs, for as many selected ids.
    fn of(device: &Device, topk: u32) -> Self {
        let (hopper, blackwell) = (Kernel::IndexPrefillHopper, Kernel::IndexPrefillBlackwell);
        if device.has(blackwell) && topk <= IndexParams::BLACKWELL_PREFILL_TOPK {
            Self {
                kernel: blackwell,
                threads: IndexParams::BLACKWELL_PREFILL_THREADS,
                pairs: IndexParams::BLACKWELL_PREFILL_PAIRS,
                blocks: tuning::BLACKWELL_INDEX_BLOCKS,
                min_stages: tuning::MIN_STAGES,
                shared_bytes: IndexParams::blackwell_prefill_shared_bytes,
            }
        } else if device.has(hopper) {
            Self {
                kernel: hopper,
                threads: IndexParams::HOPPER_PREFILL_THREADS,
                pairs: IndexParams::HOPPER_PREFILL_PAIRS,
                blocks: tuning::HOPPER_INDEX_BLOCKS,
                min_stages: tuning::MIN_STAGES,
                shared_bytes: IndexParams::hopper_prefill_shared_bytes,
            }
        } else {
            Self {
                kernel: Kernel::IndexPrefill,
                threads: IndexParams::THREADS,
                pairs: IndexParams::PREFILL_PAIRS,
                blocks: tuning::INDEX_BLOCKS,
                min_stages: tuning::MIN_PREFILL_STAGES,
                shared_bytes: IndexParams::prefill_shared_bytes,
            }
        }
    }
}

/// Floats from one row's scores to the next's: so many that rows start at multiples of 16 bytes.
pub(in crate::gpu) fn score_stride(table_width: u32) -> u32 {
    table_width.next_multiple_of(4)
}

/// Most pairs whose tiles a multiprocessor has at a time, however many ids they select.
pub(in crate::gpu) fn most_prefill_pairs(device: &Device) -> u32 {
    [1, MAX_TOPK as u32].into_iter().fold(0, |most, topk| {
        let kernel = Prefill::of(device, topk);
        most.max(kernel.blocks * kernel.pairs)
    })
}

/// Most parts that `index_prefill` splits blocks into.
pub(in crate::gpu) fn most_prefill_splits(table_width: u32) -> u32 {
    (table_width / tuning::MIN_PREFILL_SHARE).max(1)
}

/// Threads of a block of `block_topk`: whole warps, with as many scores as a thread handles at once, so that all are
/// loaded together; no more than there may be, which then take several turns.
fn topk_threads(blocks: u32) -> u32 {
    let threads = blocks.div_ceil(BlockTopkParams::SCORES_AT_ONCE).next_multiple_of(32);
    threads.clamp(32, BlockTopkParams::MAX_THREADS)
}
