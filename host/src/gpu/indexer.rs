use half::bf16;
use msa_abi::{BatchParams, CacheParams, DevicePtr, HEAD_DIM, MAX_BLOCKS};

use super::batch::narrow;
use super::{Batch, Device, DeviceCheck, DeviceTensor, Plan, Workspace, cache};
use crate::problem::{CacheNames, check_axis, check_scale, check_topk};
use crate::{Error, Route, Selection};

/// What the indexer reads, in device memory. Its result is `block_ids`, i32 `[index_heads, rows, topk]`.
#[derive(Clone, Copy, Debug)]
pub struct IndexerOperands {
    /// Rows and cached lengths of the step's requests.
    pub batch: Batch,
    /// bf16 `[rows, index_heads, 128]`: normalised and rotated.
    pub index_q: DeviceTensor<bf16, 3>,
    /// bf16 `[pages, 1, layers, 128, 1, 128]`: one head of keys, shared by all index heads.
    pub index_k_pages: DeviceTensor<bf16, 6>,
    /// u32 `[batch, width]`: logical block -> physical page of the index cache; at most 8192 wide.
    pub index_page_table: DeviceTensor<u32, 2>,
    /// The layer in the index cache.
    pub layer_idx: u32,
    /// Which blocks to choose.
    pub selection: Selection,
    /// Multiplies every dot product. MiniMax-M3: 128^-0.5.
    pub scale: f32,
}

impl IndexerOperands {
    /// The launches that write `block_ids`, i32 `[index_heads, rows, topk]`, dense; -1 where a row has no more blocks to
    /// select.
    ///
    /// # Errors
    /// Whatever the contract refuses, as far as the host can know it; a workspace that is too small (the error says how
    /// large it must be) or not a multiple of [`Workspace::ALIGNMENT`]; a grid or shared memory beyond the device's.
    pub fn plan(
        &self,
        block_ids: &DeviceTensor<i32, 3>,
        device: &Device,
        workspace: Workspace,
    ) -> Result<Plan, Error> {
        self.check(block_ids)?.plan(device, workspace)
    }

    /// A check of the batch and the page table on the device.
    ///
    /// # Errors
    /// If the host can refuse them already.
    pub fn device_check(&self) -> Result<DeviceCheck, Error> {
        DeviceCheck::new(&self.batch, NAMES, self.check_cache()?, self.index_k_pages.shape()[0])
    }

    fn check_cache(&self) -> Result<CacheParams, Error> {
        let (pages, table) = (&self.index_k_pages, &self.index_page_table);
        let cache = cache::check(NAMES, pages, table, self.layer_idx, [1, 1], self.batch.len())?;
        if cache.table_width as usize > MAX_BLOCKS {
            return Err(Error::Value {
                operand: NAMES.table,
                expected: "at most 8192 entries a request",
                got: cache.table_width.to_string(),
            });
        }
        Ok(cache)
    }

    fn check(&self, block_ids: &DeviceTensor<i32, 3>) -> Result<IndexerProblem, Error> {
        let [rows, heads, head_dim] = self.index_q.shape();
        check_axis("index_q", "head dim", head_dim, HEAD_DIM)?;
        check_axis("index_q", "rows", rows, self.batch.rows)?;
        self.index_q.check_vectors("index_q")?;
        let batch = self.batch.check()?;
        check_topk(self.selection.topk)?;
        check_scale("index_scale", self.scale)?;
        let cache = self.check_cache()?;
        for (axis, got, expected) in
            [(0, "index heads", heads), (1, "rows", rows), (2, "topk", self.selection.topk)]
        {
            check_axis("block_ids", got, block_ids.shape()[axis], expected)?;
        }
        block_ids.check_dense("block_ids")?;
        let [q_row_stride, q_head_stride, _] = self.index_q.strides().map(|stride| stride as u64);
        Ok(IndexerProblem {
            route: self.batch.route(),
            batch,
            max_seq_length: narrow("max_seq_length", self.batch.max_seq_length)?,
            cache,
            index_q: self.index_q.pointer(),
            q_row_stride,
            q_head_stride,
            index_heads: narrow("index_q", heads)?,
            selection: self.selection,
            scale: self.scale,
            block_ids: block_ids.pointer(),
        })
    }
}

/// What its cache is called.
const NAMES: CacheNames = CacheNames { pages: "index_k_pages", table: "index_page_table" };

/// The indexer's operands, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct IndexerProblem {
    pub(super) route: Route,
    pub(super) batch: BatchParams,
    pub(super) max_seq_length: u32,
    pub(super) cache: CacheParams,
    pub(super) index_q: DevicePtr<u16>,
    pub(super) q_row_stride: u64,
    pub(super) q_head_stride: u64,
    pub(super) index_heads: u32,
    pub(super) selection: Selection,
    pub(super) scale: f32,
    pub(super) block_ids: DevicePtr<i32>,
}
