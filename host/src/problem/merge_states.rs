use half::bf16;
use msa_abi::HEAD_DIM;

use super::{check_axis, check_result, check_shards};
use crate::{AttentionResult, Error, View};

/// What shards have made of the same queries, each by attention to keys of its own.
///
/// The result is what attention to the keys of all shards gives, but for the rounding of `partial_output`; the contract
/// says how much that is. Every row and head is merged by itself.
#[derive(Clone, Copy, Debug)]
pub struct MergeStatesOperands<'a> {
    /// bf16 `[shards, rows, heads, 128]`: each shard's `output`. Of a row and head of which its `partial_lse` is -inf
    /// nothing is read.
    pub partial_output: View<'a, bf16, 4>,
    /// f32 `[shards, rows, heads]`: each shard's `lse`.
    pub partial_lse: View<'a, f32, 3>,
}

impl<'a> MergeStatesOperands<'a> {
    /// Refuses whatever the contract refuses, given the result's buffers.
    pub(crate) fn check(self, result: &AttentionResult) -> Result<MergeStatesProblem<'a>, Error> {
        let [shards, rows, heads, head_dim] = self.partial_output.shape();
        check_shards(shards)?;
        check_axis("partial_output", "head dim", head_dim, HEAD_DIM)?;
        self.partial_output.check_extent("partial_output")?;

        let [lse_shards, lse_rows, lse_heads] = self.partial_lse.shape();
        check_axis("partial_lse", "shards", lse_shards, shards)?;
        check_axis("partial_lse", "rows", lse_rows, rows)?;
        check_axis("partial_lse", "heads", lse_heads, heads)?;
        self.partial_lse.check_extent("partial_lse")?;

        let query_heads = rows.saturating_mul(heads);
        check_result("output", result.output.len(), query_heads.saturating_mul(HEAD_DIM))?;
        if let Some(lse) = &result.lse {
            check_result("lse", lse.len(), query_heads)?;
        }
        Ok(MergeStatesProblem {
            partial_output: self.partial_output,
            partial_lse: self.partial_lse,
        })
    }
}

/// The operands of a merge, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MergeStatesProblem<'a> {
    /// `[shards, rows, heads, HEAD_DIM]`, at least one shard
    pub(crate) partial_output: View<'a, bf16, 4>,
    /// `[shards, rows, heads]`
    pub(crate) partial_lse: View<'a, f32, 3>,
}
