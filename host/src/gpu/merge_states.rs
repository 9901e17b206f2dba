use half::bf16;
use msa_abi::{DevicePtr, HEAD_DIM, MergeStatesParams};

use super::batch::narrow;
use super::{AttentionResult, Device, DeviceTensor, Plan};
use crate::problem::{check_axis, check_shards};
use crate::{Error, Route};

/// What shards have made of the same queries, in device memory.
#[derive(Clone, Copy, Debug)]
pub struct MergeStatesOperands {
    /// bf16 `[shards, rows, heads, 128]`: each shard's `output`. Of a row and head of which its `partial_lse` is -inf
    /// nothing is read.
    pub partial_output: DeviceTensor<bf16, 4>,
    /// f32 `[shards, rows, heads]`: each shard's `lse`.
    pub partial_lse: DeviceTensor<f32, 3>,
}

impl MergeStatesOperands {
    /// The launch that writes the result, for all rows, padding of a captured bucket among them. It needs no workspace,
    /// and may be captured: its grid depends on rows and heads alone. The result must not overlap the operands.
    ///
    /// # Errors
    /// Whatever the contract refuses; a grid beyond the device's.
    pub fn plan(&self, result: &AttentionResult, device: &Device) -> Result<Plan, Error> {
        self.check(result)?.plan(device)
    }

    fn check(&self, result: &AttentionResult) -> Result<MergeStatesProblem, Error> {
        let [shards, rows, heads, head_dim] = self.partial_output.shape();
        check_shards(shards)?;
        check_axis("partial_output", "head dim", head_dim, HEAD_DIM)?;
        self.partial_output.check_vectors("partial_output")?;

        let [lse_shards, lse_rows, lse_heads] = self.partial_lse.shape();
        check_axis("partial_lse", "shards", lse_shards, shards)?;
        check_axis("partial_lse", "rows", lse_rows, rows)?;
        check_axis("partial_lse", "heads", lse_heads, heads)?;
        self.partial_lse.check("partial_lse")?;

        result.check([rows, heads])?;

        let [output_shard_stride, output_row_stride, output_head_stride, _] =
            self.partial_output.strides().map(|stride| stride as u64);
        let [lse_shard_stride, lse_row_stride, _] =
            self.partial_lse.strides().map(|stride| stride as u64);
        Ok(MergeStatesProblem {
            route: Route::of_rows(rows),
            rows: narrow("rows", rows)?,
            params: MergeStatesParams {
                partial_output: self.partial_output.pointer(),
                output_shard_stride,
                output_row_stride,
                output_head_stride,
                partial_lse: self.partial_lse.pointer(),
                lse_shard_stride,
                lse_row_stride,
                output: result.output.pointer(),
                lse: result.lse.map_or(DevicePtr::from_address(0), |lse| lse.pointer()),
                shards: narrow("shards", shards)?,
                heads: narrow("heads", heads)?,
            },
        })
    }
}

/// The operands of a merge, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct MergeStatesProblem {
    pub(super) route: Route,
    pub(super) rows: u32,
    /// One launch has all of the work, however it is split.
    pub(super) params: MergeStatesParams,
}
