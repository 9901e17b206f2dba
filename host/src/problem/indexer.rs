use half::bf16;
use msa_abi::{BLOCK, HEAD_DIM, IdOrder};

use super::cache::{CacheNames, PagedCache};
use super::{Batch, check_axis, check_result, check_scale, check_topk};
use crate::{Error, View};

/// How the indexer chooses blocks: fixed for a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Blocks that each row selects, 1 to 64. MiniMax-M3: 16.
    pub topk: usize,
    /// Blocks forced at the start of a row's horizon. MiniMax-M3: 0.
    pub init_blocks: usize,
    /// Blocks forced at the end of a row's horizon. MiniMax-M3: 1.
    pub local_blocks: usize,
    /// The order in which a row's ids are listed.
    pub id_order: IdOrder,
}

impl Selection {
    /// MiniMax-M3's own.
    pub const MINIMAX_M3: Self =
        Self { topk: 16, init_blocks: 0, local_blocks: 1, id_order: IdOrder::Score };
}

/// What the indexer reads. Its result is `block_ids`, i32 `[index_heads, rows, topk]`.
#[derive(Clone, Copy, Debug)]
pub struct IndexerOperands<'a> {
    /// Rows and cached lengths of the step's requests.
    pub batch: Batch<'a>,
    /// bf16 `[rows, index_heads, 128]`: normalised and rotated.
    pub index_q: View<'a, bf16, 3>,
    /// bf16 `[pages, 1, layers, 128, 1, 128]`: one head of keys, shared by all index heads.
    pub index_k_pages: View<'a, bf16, 6>,
    /// u32 `[batch, width]`: logical block -> physical page of the index cache.
    pub index_page_table: View<'a, u32, 2>,
    /// The layer in the index cache.
    pub layer_idx: u32,
    /// Which blocks to choose.
    pub selection: Selection,
    /// Multiplies every dot product. MiniMax-M3: 128^-0.5.
    pub scale: f32,
}

impl<'a> IndexerOperands<'a> {
    /// Elements in the result: `index_heads * rows * topk`.
    pub fn block_ids_len(&self) -> usize {
        let [rows, heads, _] = self.index_q.shape();
        heads.saturating_mul(rows).saturating_mul(self.selection.topk)
    }

    /// Refuses whatever the contract refuses, given a result buffer of `block_ids_len` elements.
    pub(crate) fn check(self, block_ids_len: usize) -> Result<IndexerProblem<'a>, Error> {
        let [rows, index_heads, head_dim] = self.index_q.shape();
        check_axis("index_q", "head dim", head_dim, HEAD_DIM)?;
        self.index_q.check_extent("index_q")?;
        self.batch.check(rows)?;
        check_topk(self.selection.topk)?;
        check_scale("index_scale", self.scale)?;
        let names = CacheNames { pages: "index_k_pages", table: "index_page_table" };
        let keys = PagedCache::check(
            names,
            self.index_k_pages,
            self.index_page_table,
            self.layer_idx,
            [1, 1],
            self.batch,
        )?;
        for request in self.batch.requests().filter(|request| !request.rows.is_empty()) {
            (0..request.blocks()).try_for_each(|block| keys.check_entry(request.index, block))?;
        }
        check_result("block_ids", block_ids_len, self.block_ids_len())?;
        Ok(IndexerProblem {
            batch: self.batch,
            index_heads,
            q: self.index_q,
            keys,
            selection: self.selection,
            scale: self.scale,
        })
    }
}

/// The indexer's operands, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct IndexerProblem<'a> {
    pub(crate) batch: Batch<'a>,
    pub(crate) index_heads: usize,
    /// `[rows, index_heads, HEAD_DIM]`
    pub(crate) q: View<'a, bf16, 3>,
    /// One plane, one head.
    pub(crate) keys: PagedCache<'a>,
    pub(crate) selection: Selection,
    pub(crate) scale: f32,
}

/// Blocks in the horizon of a row at `position`.
pub(crate) fn horizon_blocks(position: usize) -> usize {
    position / BLOCK + 1
}
