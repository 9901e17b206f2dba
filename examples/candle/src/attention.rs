use candle_core::{CpuStorage, CustomOp3, Error, Layout, Result, Shape, Tensor};
use half::bf16;
use msa::{AttentionOperands, AttentionResult, Backend};

use crate::Batch;
use crate::view::{view, with_storage};

/// Attention of `q`, bf16 `[rows, heads, 128]`, over `kv_pages`, bf16 `[pages, 2, layers, 128, kv_heads, 128]`, to
/// `block_ids`, i32 `[kv_heads, rows, topk]`: bf16 `[rows, heads, 128]`.
///
/// `q.apply_op3_no_bwd(&kv_pages, &block_ids, &attention)`
#[derive(Clone, Debug)]
pub struct Attention {
    /// What runs it.
    pub backend: Backend,
    /// Rows and cached lengths of the step's requests.
    pub batch: Batch,
    /// u32 `[batch, width]`: logical block -> physical page of the main cache.
    pub kv_page_table: Tensor,
    /// The layer in the main cache.
    pub layer_idx: u32,
    /// Multiplies every dot product. MiniMax-M3: 128^-0.5.
    pub scale: f32,
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "msa-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        pages: &CpuStorage,
        pages_layout: &Layout,
        ids: &CpuStorage,
        ids_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let q = view("q", q, q_layout)?;
        let kv_pages = view("kv_pages", pages, pages_layout)?;
        let block_ids = view("block_ids", ids, ids_layout)?;
        self.batch.with(|batch| {
            with_storage("kv_page_table", &self.kv_page_table, |storage, layout| {
                let operands = AttentionOperands {
                    batch,
                    q,
                    kv_pages,
                    kv_page_table: view("kv_page_table", storage, layout)?,
                    layer_idx: self.layer_idx,
                    block_ids,
                    scale: self.scale,
                };
                let mut output = vec![bf16::ZERO; q.shape().iter().product()];
                let result = AttentionResult { output: &mut output, lse: None };
                self.backend.attention(&operands, result).map_err(Error::wrap)?;
                Ok((CpuStorage::BF16(output), Shape::from(q.shape().to_vec())))
            })
        })
    }
}
