//! Recorded steps of one layer: a safetensors file with every operand, and perhaps what must come out.
//!
//! A trace holds the operands under the contract's names, and as string metadata `topk`,
//! `init_blocks`, `local_blocks`, `scale`, `index_scale`, `layer_idx`, and optionally `id_order`
//! (`score` or `ascending`) and `exact_scores` (`1`: ids must match exactly). With `block_ids` among
//! the tensors attention uses them and the indexer is not run; its operands may then be absent.
//! `expected.block_ids`, `expected.output` and `expected.lse` hold what the step must give.
//!
//! An engine writes a step that it has run from copies of its buffers; `msa inspect` shows what such a file holds:
//!
//! ```
//! use half::bf16;
//! use msa::Selection;
//! use msa::trace::{BlockIds, IndexerInputs, Tensor, Trace};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scale = 128_f32.powf(-0.5);
//! let dump = Trace {
//!     row_offsets: vec![0, 1],
//!     cache_lengths: vec![200],
//!     q: Tensor::filled(bf16::ONE, [1, 16, 128]),
//!     kv_pages: Tensor::filled(bf16::ONE, [2, 2, 1, 128, 1, 128]),
//!     kv_page_table: Tensor::new([1, 2], vec![1, 0]),
//!     layer_idx: 0,
//!     scale,
//!     selection: Selection { topk: 4, ..Selection::MINIMAX_M3 },
//!     // The lists that attention got, and what they were selected from.
//!     block_ids: BlockIds::Given(
//!         Tensor::new([1, 1, 4], vec![1, 0, -1, -1]),
//!         Some(IndexerInputs {
//!             index_q: Tensor::filled(bf16::ONE, [1, 1, 128]),
//!             index_k_pages: Tensor::filled(bf16::ONE, [2, 1, 1, 128, 1, 128]),
//!             index_page_table: Tensor::new([1, 2], vec![0, 1]),
//!             index_scale: scale,
//!         }),
//!     ),
//!     exact_scores: false,
//!     expected: None,
//! };
//! let file = std::env::temp_dir().join(format!("step-{}.safetensors", std::process::id()));
//! dump.write(&file)?;
//! assert_eq!(Trace::read(&file)?, dump);
//! # std::fs::remove_file(file)?;
//! # Ok(())
//! # }
//! ```

mod error;
mod read;
mod tensor;
mod write;

pub use error::TraceError;
pub use tensor::Tensor;

use half::bf16;

use crate::{
    AttentionOperands, AttentionResult, Backend, Batch, Dispatch, Error, HEAD_DIM, IndexerOperands,
    Selection, View,
};

/// One step of one layer, with all it needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// u32 `[batch + 1]`
    pub row_offsets: Vec<u32>,
    /// u32 `[batch]`
    pub cache_lengths: Vec<u32>,
    /// bf16 `[rows, heads, 128]`
    pub q: Tensor<bf16, 3>,
    /// bf16 `[pages, 2, layers, 128, kv_heads, 128]`
    pub kv_pages: Tensor<bf16, 6>,
    /// u32 `[batch, width]`
    pub kv_page_table: Tensor<u32, 2>,
    /// The layer in both caches.
    pub layer_idx: u32,
    /// Multiplies attention's dot products.
    pub scale: f32,
    /// How blocks are selected; `topk` is also the last extent of given `block_ids`.
    pub selection: Selection,
    /// Where the block ids come from.
    pub block_ids: BlockIds,
    /// Whether every score is exactly representable, so that ids must match exactly.
    pub exact_scores: bool,
    /// What the step must give, where the trace says so.
    pub expected: Option<Expected>,
}

/// Where attention's block ids come from.
#[derive(Clone, Debug, PartialEq)]
pub enum BlockIds {
    /// The indexer selects them.
    Indexer(IndexerInputs),
    /// The trace gives them, i32 `[kv_heads, rows, topk]`; the indexer is not run.
    Given(Tensor<i32, 3>, Option<IndexerInputs>),
}

/// What only the indexer reads.
#[derive(Clone, Debug, PartialEq)]
pub struct IndexerInputs {
    /// bf16 `[rows, index_heads, 128]`
    pub index_q: Tensor<bf16, 3>,
    /// bf16 `[pages, 1, layers, 128, 1, 128]`
    pub index_k_pages: Tensor<bf16, 6>,
    /// u32 `[batch, width]`
    pub index_page_table: Tensor<u32, 2>,
    /// Multiplies the indexer's dot products.
    pub index_scale: f32,
}

impl IndexerInputs {
    fn operands<'a>(&'a self, trace: &'a Trace) -> IndexerOperands<'a> {
        IndexerOperands {
            batch: trace.batch(),
            index_q: self.index_q.view(),
            index_k_pages: self.index_k_pages.view(),
            index_page_table: self.index_page_table.view(),
            layer_idx: trace.layer_idx,
            selection: trace.selection,
            scale: self.index_scale,
        }
    }
}

/// What a step must give.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// i32 `[index_heads, rows, topk]`; absent where the ids are given.
    pub block_ids: Option<Tensor<i32, 3>>,
    /// f32 `[rows, heads, 128]`
    pub output: Tensor<f32, 3>,
    /// f32 `[rows, heads]`
    pub lse: Tensor<f32, 2>,
}

/// What a step gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// i32 `[kv_heads, rows, topk]`: selected, or as given.
    pub block_ids: Tensor<i32, 3>,
    /// bf16 `[rows, heads, 128]`
    pub output: Tensor<bf16, 3>,
    /// f32 `[rows, heads]`
    pub lse: Tensor<f32, 2>,
    /// What ran it.
    pub dispatch: Dispatch,
}

impl Trace {
    /// The step's requests.
    pub fn batch(&self) -> Batch<'_> {
        Batch { row_offsets: &self.row_offsets, cache_lengths: &self.cache_lengths }
    }

    /// The indexer's operands, where the trace has them.
    pub fn indexer_operands(&self) -> Option<IndexerOperands<'_>> {
        let (BlockIds::Indexer(inputs) | BlockIds::Given(_, Some(inputs))) = &self.block_ids else {
            return None;
        };
        Some(inputs.operands(self))
    }

    /// Attention's operands, with these block ids.
    pub fn attention_operands<'a>(&'a self, block_ids: View<'a, i32, 3>) -> AttentionOperands<'a> {
        AttentionOperands {
            batch: self.batch(),
            q: self.q.view(),
            kv_pages: self.kv_pages.view(),
            kv_page_table: self.kv_page_table.view(),
            layer_idx: self.layer_idx,
            block_ids,
            scale: self.scale,
        }
    }

    /// Runs the step: the indexer unless the ids are given, then attention.
    ///
    /// # Errors
    /// Whatever either operator refuses.
    pub fn run(&self, backend: &Backend) -> Result<Outcome, Error> {
        let block_ids = match &self.block_ids {
            BlockIds::Given(ids, _) => ids.clone(),
            BlockIds::Indexer(inputs) => {
                let [rows, index_heads, _] = inputs.index_q.shape();
                let mut ids = Tensor::filled(-1, [index_heads, rows, self.selection.topk]);
                backend.indexer(&inputs.operands(self), ids.data_mut())?;
                ids
            }
        };
        let [rows, heads, _] = self.q.shape();
        let mut output = Tensor::filled(bf16::ZERO, [rows, heads, HEAD_DIM]);
        let mut lse = Tensor::filled(0.0, [rows, heads]);
        let result = AttentionResult { output: output.data_mut(), lse: Some(lse.data_mut()) };
        let dispatch = backend.attention(&self.attention_operands(block_ids.view()), result)?;
        Ok(Outcome { block_ids, output, lse, dispatch })
    }
}
