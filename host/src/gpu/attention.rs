use half::bf16;
use msa_abi::{BatchParams, CacheParams, DevicePtr, HEAD_DIM};

use super::batch::narrow;
use super::{Batch, Device, DeviceCheck, DeviceTensor, Plan, PlaneMap, Workspace, cache};
use crate::problem::{CacheNames, check_axis, check_group, check_scale, check_topk};
use crate::{Error, Route};

/// What attention reads, in device memory.
#[derive(Clone, Copy, Debug)]
pub struct AttentionOperands {
    /// Rows and cached lengths of the step's requests.
    pub batch: Batch,
    /// bf16 `[rows, heads, 128]`: query head `h` belongs to KV head `h / group`.
    pub q: DeviceTensor<bf16, 3>,
    /// bf16 `[pages, 2, layers, 128, kv_heads, 128]`: plane 0 is K, 1 is V.
    pub kv_pages: DeviceTensor<bf16, 6>,
    /// u32 `[batch, width]`: logical block -> physical page of the main cache.
    pub kv_page_table: DeviceTensor<u32, 2>,
    /// The layer in the main cache.
    pub layer_idx: u32,
    /// i32 `[kv_heads, rows, topk]`: the blocks that each row attends to, in any order, each as often as it is listed.
    /// Ids below 0 or past the request's blocks are skipped.
    pub block_ids: DeviceTensor<i32, 3>,
    /// Multiplies every dot product. MiniMax-M3: 128^-0.5.
    pub scale: f32,
}

/// Where attention puts its result.
#[derive(Clone, Copy, Debug)]
pub struct AttentionResult {
    /// bf16 `[rows, heads, 128]`, dense.
    pub output: DeviceTensor<bf16, 3>,
    /// f32 `[rows, heads]`, dense: natural log of the softmax denominator, scale applied; -inf where a row sees no key.
    pub lse: Option<DeviceTensor<f32, 2>>,
}

impl AttentionResult {
    /// Refuses a result that is not of these rows and heads, or not dense.
    pub(super) fn check(&self, [rows, heads]: [usize; 2]) -> Result<(), Error> {
        let [out_rows, out_heads, out_dim] = self.output.shape();
        check_axis("output", "rows", out_rows, rows)?;
        check_axis("output", "heads", out_heads, heads)?;
        check_axis("output", "head dim", out_dim, HEAD_DIM)?;
        self.output.check_dense("output")?;
        self.output.check_vectors("output")?;
        if let Some(lse) = &self.lse {
            let [lse_rows, lse_heads] = lse.shape();
            check_axis("lse", "rows", lse_rows, rows)?;
            check_axis("lse", "heads", lse_heads, heads)?;
            lse.check_dense("lse")?;
        }
        Ok(())
    }
}

impl AttentionOperands {
    /// The launches that write the result.
    ///
    /// # Errors
    /// Whatever the contract refuses, as far as the host can know it; a workspace that is too small (the error says how
    /// large it must be) or not a multiple of [`Workspace::ALIGNMENT`]; a grid or shared memory beyond the device's.
    pub fn plan(
        &self,
        result: &AttentionResult,
        device: &Device,
        workspace: Workspace,
    ) -> Result<Plan, Error> {
        self.check(result)?.plan(device, workspace)
    }

    /// A check of the batch and the page table on the device.
    ///
    /// # Errors
    /// If the host can refuse them already.
    pub fn device_check(&self) -> Result<DeviceCheck, Error> {
        DeviceCheck::new(&self.batch, NAMES, self.check_cache()?, self.kv_pages.shape()[0])
    }

    fn check_cache(&self) -> Result<CacheParams, Error> {
        let (pages, table) = (&self.kv_pages, &self.kv_page_table);
        let planes_and_heads = [2, pages.shape()[4]];
        cache::check(NAMES, pages, table, self.layer_idx, planes_and_heads, self.batch.len())
    }

    fn check(&self, result: &AttentionResult) -> Result<AttentionProblem, Error> {
        let [rows, heads, head_dim] = self.q.shape();
        check_axis("q", "head dim", head_dim, HEAD_DIM)?;
        check_axis("q", "rows", rows, self.batch.rows)?;
        self.q.check_vectors("q")?;
        let batch = self.batch.check()?;
        check_scale("scale", self.scale)?;

        let kv_heads = self.kv_pages.shape()[4];
        let group = check_group(heads, kv_heads)?;
        let cache = self.check_cache()?;
        let planes = PlaneMap::new(NAMES.pages, self.kv_pages.shape(), &cache)?;

        let [id_heads, id_rows, topk] = self.block_ids.shape();
        check_axis("block_ids", "kv heads", id_heads, kv_heads)?;
        check_axis("block_ids", "rows", id_rows, rows)?;
        check_topk(topk)?;
        self.block_ids.check("block_ids")?;

        result.check([rows, heads])?;

        let [q_row_stride, q_head_stride, _] = self.q.strides().map(|stride| stride as u64);
        let [ids_head_stride, ids_row_stride, _] =
            self.block_ids.strides().map(|stride| stride as u64);
        Ok(AttentionProblem {
            route: self.batch.route(),
            batch,
            max_seq_length: narrow("max_seq_length", self.batch.max_seq_length)?,
            cache,
            planes,
            q: self.q.pointer(),
            q_row_stride,
            q_head_stride,
            block_ids: self.block_ids.pointer(),
            ids_head_stride,
            ids_row_stride,
            kv_heads: narrow("kv_pages", kv_heads)?,
            group: narrow("q", group)?,
            topk: narrow("topk", topk)?,
            scale: self.scale,
            output: result.output.pointer(),
            lse: result.lse.map_or(DevicePtr::from_address(0), |lse| lse.pointer()),
        })
    }
}

/// What its cache is called.
const NAMES: CacheNames = CacheNames { pages: "kv_pages", table: "kv_page_table" };

/// Attention's operands, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttentionProblem {
    pub(super) route: Route,
    pub(super) batch: BatchParams,
    pub(super) max_seq_length: u32,
    pub(super) cache: CacheParams,
    /// The same cache.
    pub(super) planes: PlaneMap,
    pub(super) q: DevicePtr<u16>,
    pub(super) q_row_stride: u64,
    pub(super) q_head_stride: u64,
    pub(super) block_ids: DevicePtr<i32>,
    pub(super) ids_head_stride: u64,
    pub(super) ids_row_stride: u64,
    pub(super) kv_heads: u32,
    pub(super) group: u32,
    pub(super) topk: u32,
    pub(super) scale: f32,
    pub(super) output: DevicePtr<u16>,
    pub(super) lse: DevicePtr<f32>,
}
