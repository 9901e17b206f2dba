//! The steps that are reported: of MiniMax-M3's shape, whole (64/4 heads) and on one of four GPUs (16/1).

use anyhow::Result;
use clap::ValueEnum;
use cuda_sim::device::Device;
use msa::gpu::Kernel;
use msa::{BLOCK, HEAD_DIM, Route};
use msa_tests::costs::{self, Cost, Least};
use msa_tests::generate::{Recipe, Request, overlapping_ids};

/// Which operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Operator {
    Indexer,
    Attention,
}

/// What an operator is run on: requests that are all alike.
///
/// It is simulated by a part: as many fewer requests, or rows of one request, on as many fewer multiprocessors, so that the
/// plan is the whole's. What is counted of the part is the whole's, but for that factor.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) operator: Operator,
    requests: usize,
    new: usize,
    cached: usize,
    kv_heads: usize,
    /// How probable it is that a row's list keeps a block of the list before.
    keep: f64,
    /// How many such parts the whole is.
    pub(super) parts: usize,
}

impl Operator {
    pub(super) const fn of(kernel: Kernel) -> Self {
        match kernel {
            Kernel::AttendDecode
            | Kernel::AttendCombine
            | Kernel::AttendDecodeCluster
            | Kernel::AttendPrefill
            | Kernel::AttendPrefillHopper
            | Kernel::AttendPrefillBlackwell => Self::Attention,
            _ => Self::Indexer,
        }
    }
}

/// All steps, in the order of the report.
pub(super) fn all() -> impl Iterator<Item = Step> {
    let index = |([requests, new, cached, kv_heads], parts): ([usize; 4], usize)| Step {
        operator: Operator::Indexer,
        requests,
        new,
        cached,
        kv_heads,
        keep: 0.0,
        parts,
    };
    let attend = move |(keep, shape, parts)| Step {
        operator: Operator::Attention,
        keep,
        ..index((shape, parts))
    };
    INDEXER.into_iter().map(index).chain(ATTENTION.into_iter().map(attend))
}

/// Requests, new tokens and cached keys of each, KV heads; and parts.
const INDEXER: [([usize; 4], usize); 10] = [
    ([1, 1, 131_071, 1], 1),
    ([8, 1, 131_071, 1], 2),
    ([64, 1, 32_767, 1], 16),
    ([64, 4, 32_764, 1], 16),
    ([64, 1, 32_767, 4], 16),
    ([64, 4, 32_764, 4], 16),
    ([1, 8192, 32_768, 1], 16),
    ([1, 8192, 32_768, 4], 64),
    ([1, 2048, 131_072, 1], 4),
    ([1, 16_384, 0, 4], 128),
];

/// The same, after how much neighbouring rows have in common.
const ATTENTION: [(f64, [usize; 4], usize); 16] = [
    (0.875, [1, 1, 131_071, 1], 1),
    (0.875, [8, 1, 32_767, 1], 1),
    (0.875, [64, 1, 32_767, 1], 8),
    (0.875, [64, 1, 32_767, 4], 32),
    (0.875, [128, 1, 4095, 4], 32),
    (0.0, [64, 4, 32_764, 1], 16),
    (0.875, [64, 4, 32_764, 1], 16),
    (0.0, [1, 8192, 32_768, 1], 64),
    (0.875, [1, 8192, 32_768, 1], 64),
    (0.98, [1, 8192, 32_768, 1], 64),
    (0.0, [1, 8192, 32_768, 4], 128),
    (0.875, [1, 8192, 32_768, 4], 128),
    (0.98, [1, 8192, 32_768, 4], 128),
    (0.875, [1, 2048, 131_072, 1], 16),
    (0.875, [1, 512, 262_144, 1], 8),
    (0.875, [1, 16_384, 0, 4], 256),
];

impl Step {
    /// What its part's launches cost on that part of a device.
    pub(super) fn costs(&self, device: &Device) -> Result<Vec<Cost>> {
        let multiprocessors = self.multiprocessors(device.multiprocessors);
        let device = Device { multiprocessors, ..device.clone() };
        let recipe = self.recipe();
        let trace = recipe.trace();
        Ok(match self.operator {
            Operator::Indexer => costs::indexer(&trace, &device)?,
            Operator::Attention => {
                costs::attention(&trace, &overlapping_ids(&recipe, self.keep), &device)?
            }
        })
    }

    fn multiprocessors(&self, whole: u32) -> u32 {
        (whole / self.parts as u32).max(1)
    }

    /// Of several requests some; of one the rows in the middle.
    ///
    /// Requests share the pages of what they have cached, so that there is room for many: a launch reads them for each
    /// request nevertheless, and is counted to.
    fn recipe(&self) -> Recipe {
        let Self { requests, new, cached, kv_heads, parts, .. } = *self;
        let requests = match requests {
            1 => vec![Request::new(new / parts, cached + (new - new / parts) / 2)],
            _ => vec![Request::new(new, cached); requests / parts],
        };
        let shared_blocks = requests[0].cached / BLOCK;
        Recipe { requests, heads: 16 * kv_heads, kv_heads, shared_blocks, ..Recipe::default() }
    }

    /// Whether it is for this kernel's sake that a step like this is run.
    pub(super) fn may_run(&self, kernel: Kernel) -> bool {
        let is_of_prefill = matches!(
            kernel,
            Kernel::AttendPrefill
                | Kernel::AttendPrefillHopper
                | Kernel::AttendPrefillBlackwell
                | Kernel::IndexPrefill
                | Kernel::IndexPrefillHopper
                | Kernel::IndexPrefillBlackwell
                | Kernel::IndexMerge
        );
        self.operator == Operator::of(kernel) && (self.route() == Route::Prefill) == is_of_prefill
    }

    /// Bytes that all parts move from and to memory, of what one needs: the parts of one request read the same cache.
    pub(super) fn memory_bytes(&self, least: &Least) -> u64 {
        let parts = self.parts as u64;
        let cache = parts * least.cache_of_requests;
        let vectors = match self.operator {
            Operator::Indexer => 1,
            Operator::Attention => 2 * self.kv_heads,
        };
        let whole = 2 * HEAD_DIM * vectors * (self.cached + self.new);
        let read = if self.requests == 1 { cache.min(whole as u64) } else { cache };
        parts * (least.bytes - least.cache_of_requests) + read
    }

    fn route(&self) -> Route {
        Route::for_max_seq_length(self.new)
    }

    pub(super) fn name(&self) -> String {
        let Self { requests, new, cached, .. } = *self;
        match self.route() {
            Route::Decode => format!("{requests} x {}", cached + new),
            Route::Speculative => format!("{requests} x {}, q = {new}", cached + new),
            _ => format!("{new} after {cached}"),
        }
    }

    pub(super) fn heads(&self) -> String {
        format!("{}/{}", 16 * self.kv_heads, self.kv_heads)
    }

    /// What `keep` is, where a request has several rows and they have lists.
    pub(super) fn keep(&self) -> String {
        match self.operator {
            Operator::Attention if self.new > 1 => self.keep.to_string(),
            _ => "-".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use msa::Selection;
    use msa::gpu::{
        AttentionOperands, AttentionResult, Batch, Device, DeviceTensor, IndexerOperands, Kernel,
        Launch, Params, Ptx, Workspace,
    };

    use super::{BLOCK, Operator, Step, all};

    fn somewhere<T, const RANK: usize>(shape: [usize; RANK]) -> DeviceTensor<T, RANK> {
        DeviceTensor::contiguous(1 << 20, shape.iter().product(), shape)
    }

    /// What the library launches for `parts` parts of a step, of which nothing is read.
    fn launches(step: &Step, parts: usize, device: &Device) -> Vec<Launch> {
        let Step { requests, new, cached, kv_heads, .. } = *step;
        let (requests, new) = if requests == 1 {
            (1, new * parts / step.parts)
        } else {
            (requests * parts / step.parts, new)
        };
        let (rows, topk, layer_idx, scale) = (requests * new, 16, 0, 0.1);
        let batch = Batch {
            row_offsets: somewhere([requests + 1]),
            cache_lengths: somewhere([requests]),
            rows,
            max_seq_length: new,
        };
        let table = somewhere([requests, (cached + step.new).div_ceil(BLOCK)]);
        let block_ids = somewhere([kv_heads, rows, topk]);
        let workspace = Workspace { address: Workspace::ALIGNMENT, bytes: usize::MAX };
        let plan = match step.operator {
            Operator::Indexer => {
                let operands = IndexerOperands {
                    batch,
                    index_q: somewhere([rows, kv_heads, 128]),
                    index_k_pages: somewhere([9, 1, 1, 128, 1, 128]),
                    index_page_table: table,
                    layer_idx,
                    selection: Selection::MINIMAX_M3,
                    scale,
                };
                operands.plan(&block_ids, device, workspace)
            }
            Operator::Attention => {
                let heads = 16 * kv_heads;
                let operands = AttentionOperands {
                    batch,
                    q: somewhere([rows, heads, 128]),
                    kv_pages: somewhere([9, 2, 1, 128, kv_heads, 128]),
                    kv_page_table: table,
                    layer_idx,
                    block_ids,
                    scale,
                };
                let result = AttentionResult { output: somewhere([rows, heads, 128]), lse: None };
                operands.plan(&result, device, workspace)
            }
        };
        plan.expect("the step is allowed").launches().copied().collect()
    }

    #[test]
    fn a_part_of_a_step_is_planned_as_the_whole_is() {
        let devices = [((9, 0), Ptx::SM_90A, 132), ((10, 0), Ptx::SM_100F, 148)];
        for ((capability, ptx, multiprocessors), step) in
            devices.into_iter().flat_map(|device| all().map(move |step| (device, step)))
        {
            let device = |multiprocessors| Device {
                capability,
                ptx,
                multiprocessors,
                shared_per_block_optin: 227 << 10,
                shared_per_multiprocessor: 228 << 10,
                max_cluster: 16,
            };
            let split = |launch: Launch| -> (Kernel, u32, u32, u32, u32) {
                let of = match launch.params {
                    Params::Index(params) => (params.splits, 0, params.stages),
                    Params::Attend(params) => (params.splits, params.tile_rows, params.stages),
                    _ => (0, 0, 0),
                };
                (launch.kernel, launch.cluster, of.0, of.1, of.2)
            };
            let blocks = |launch: &Launch| launch.grid.into_iter().product::<u32>();
            let whole = launches(&step, step.parts, &device(multiprocessors));
            let part = launches(&step, 1, &device(step.multiprocessors(multiprocessors)));
            let name = format!("{ptx:?}: {} {}", step.heads(), step.name());
            assert_eq!(whole.len(), part.len(), "{name}");
            for (whole, part) in whole.into_iter().zip(part) {
                assert_eq!(split(whole), split(part), "{name}");
                assert_eq!(blocks(&whole), step.parts as u32 * blocks(&part), "{name}");
            }
        }
    }
}
