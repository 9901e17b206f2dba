//! The steps that are reported: of MiniMax-M3's shape, whole (64/4 heads) and on one of four GPUs (16/1).

use anyhow::Result;
use clap::ValueEnum;
use msa::gpu::Kernel;
use msa::{BLOCK, Route};
use msa_tests::costs::{self, Cost};
use msa_tests::generate::{Recipe, Request, overlapping_ids};

/// Which operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Operator {
    Indexer,
    Attention,
}

/// What an operator is run on: requests that are all alike.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) operator: Operator,
    requests: usize,
    new: usize,
    cached: usize,
    kv_heads: usize,
    /// How probable it is that a row's list keeps a block of the list before.
    keep: f64,
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
    let index = |[requests, new, cached, kv_heads]: [usize; 4]| Step {
        operator: Operator::Indexer,
        requests,
        new,
        cached,
        kv_heads,
        keep: 0.0,
    };
    let attend = move |(keep, shape)| Step { operator: Operator::Attention, keep, ..index(shape) };
    INDEXER.into_iter().map(index).chain(ATTENTION.into_iter().map(attend))
}

/// Requests, new tokens and cached keys of each, KV heads.
const INDEXER: [[usize; 4]; 9] = [
    [1, 1, 131_071, 1],
    [8, 1, 32_767, 1],
    [64, 1, 8191, 1],
    [8, 4, 32_764, 1],
    [8, 1, 32_767, 4],
    [8, 4, 32_764, 4],
    [1, 512, 32_768, 1],
    [1, 2048, 0, 1],
    [1, 512, 8192, 4],
];

/// The same, after how much neighbouring rows have in common.
const ATTENTION: [(f64, [usize; 4]); 12] = [
    (0.875, [1, 1, 131_071, 1]),
    (0.875, [8, 1, 32_767, 1]),
    (0.875, [64, 1, 8191, 1]),
    (0.875, [1, 4, 32_764, 1]),
    (0.875, [8, 4, 32_764, 1]),
    (0.875, [64, 4, 8188, 1]),
    (0.875, [8, 1, 32_767, 4]),
    (0.0, [1, 512, 32_768, 1]),
    (0.875, [1, 512, 32_768, 1]),
    (0.98, [1, 512, 32_768, 1]),
    (0.875, [1, 2048, 0, 1]),
    (0.875, [1, 256, 8192, 4]),
];

impl Step {
    /// What its launches cost on a device.
    pub(super) fn costs(&self, device: &str) -> Result<Vec<Cost>> {
        let recipe = self.recipe();
        let trace = recipe.trace();
        Ok(match self.operator {
            Operator::Indexer => costs::indexer(&trace, device)?,
            Operator::Attention => {
                costs::attention(&trace, &overlapping_ids(&recipe, self.keep), device)?
            }
        })
    }

    /// Requests share the pages of what they have cached, so that there is room for many: a launch reads them for each
    /// request nevertheless, and is counted to.
    fn recipe(&self) -> Recipe {
        let Self { requests, new, cached, kv_heads, .. } = *self;
        Recipe {
            requests: vec![Request::new(new, cached); requests],
            heads: 16 * kv_heads,
            kv_heads,
            shared_blocks: cached / BLOCK,
            ..Recipe::default()
        }
    }

    pub(super) fn name(&self) -> String {
        let Self { requests, new, cached, .. } = *self;
        match Route::for_max_seq_length(new) {
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
