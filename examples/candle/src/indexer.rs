use candle_core::{CpuStorage, CustomOp2, Error, Layout, Result, Shape, Tensor};
use msa::{Backend, IndexerOperands, Selection};

use crate::Batch;
use crate::view::{view, with_storage};

/// The indexer, of `index_q`, bf16 `[rows, index_heads, 128]`, and `index_k_pages`, bf16
/// `[pages, 1, layers, 128, 1, 128]`: i32 `[index_heads, rows, topk]`, the blocks that each row attends to.
///
/// `index_q.apply_op2_no_bwd(&index_k_pages, &indexer)`
#[derive(Clone, Debug)]
pub struct Indexer {
    /// What runs it.
    pub backend: Backend,
    /// Rows and cached lengths of the step's requests.
    pub batch: Batch,
    /// u32 `[batch, width]`: logical block -> physical page of the index cache.
    pub index_page_table: Tensor,
    /// The layer in the index cache.
    pub layer_idx: u32,
    /// Which blocks to choose.
    pub selection: Selection,
    /// Multiplies every dot product. MiniMax-M3: 128^-0.5.
    pub scale: f32,
}

impl CustomOp2 for Indexer {
    fn name(&self) -> &'static str {
        "msa-indexer"
    }

    fn cpu_fwd(
        &self,
        index_q: &CpuStorage,
        index_q_layout: &Layout,
        pages: &CpuStorage,
        pages_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let index_q = view("index_q", index_q, index_q_layout)?;
        let index_k_pages = view("index_k_pages", pages, pages_layout)?;
        let table = &self.index_page_table;
        self.batch.with(|batch| {
            with_storage("index_page_table", table, |storage, layout| {
                let operands = IndexerOperands {
                    batch,
                    index_q,
                    index_k_pages,
                    index_page_table: view("index_page_table", storage, layout)?,
                    layer_idx: self.layer_idx,
                    selection: self.selection,
                    scale: self.scale,
                };
                let mut block_ids = vec![-1; operands.block_ids_len()];
                self.backend.indexer(&operands, &mut block_ids).map_err(Error::wrap)?;
                let [rows, heads, _] = index_q.shape();
                let shape = Shape::from((heads, rows, self.selection.topk));
                Ok((CpuStorage::I32(block_ids), shape))
            })
        })
    }
}
