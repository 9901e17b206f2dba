use half::bf16;
use msa_abi::{HEAD_DIM, MAX_GROUP};

use super::batch::visible_keys;
use super::cache::{CacheNames, PagedCache};
use super::{Batch, Request, check_axis, check_result, check_scale, check_topk};
use crate::{Error, View};

/// What attention reads.
#[derive(Clone, Copy, Debug)]
pub struct AttentionOperands<'a> {
    /// Rows and cached lengths of the step's requests.
    pub batch: Batch<'a>,
    /// bf16 `[rows, heads, 128]`: query head `h` belongs to KV head `h / group`.
    pub q: View<'a, bf16, 3>,
    /// bf16 `[pages, 2, layers, 128, kv_heads, 128]`: plane 0 is K, 1 is V.
    pub kv_pages: View<'a, bf16, 6>,
    /// u32 `[batch, width]`: logical block -> physical page of the main cache.
    pub kv_page_table: View<'a, u32, 2>,
    /// The layer in the main cache.
    pub layer_idx: u32,
    /// i32 `[kv_heads, rows, topk]`: the blocks that each row attends to, in any order, each as
    /// often as it is listed. Ids below 0 or past the request's blocks are skipped.
    pub block_ids: View<'a, i32, 3>,
    /// Multiplies every dot product. MiniMax-M3: 128^-0.5.
    pub scale: f32,
}

/// Where attention puts its result.
#[derive(Debug)]
pub struct AttentionResult<'a> {
    /// bf16 `[rows, heads, 128]`, dense.
    pub output: &'a mut [bf16],
    /// f32 `[rows, heads]`, dense: natural log of the softmax denominator, scale applied; -inf where
    /// a row sees no key.
    pub lse: Option<&'a mut [f32]>,
}

impl<'a> AttentionOperands<'a> {
    /// Refuses whatever the contract refuses, given the result's buffers.
    pub(crate) fn check(self, result: &AttentionResult) -> Result<AttentionProblem<'a>, Error> {
        let [rows, heads, head_dim] = self.q.shape();
        check_axis("q", "head dim", head_dim, HEAD_DIM)?;
        self.q.check_extent("q")?;
        self.batch.check(rows)?;
        check_scale("scale", self.scale)?;

        let kv_heads = self.kv_pages.shape()[4];
        let group = check_group(heads, kv_heads)?;
        let names = CacheNames { pages: "kv_pages", table: "kv_page_table" };
        let cache = PagedCache::check(
            names,
            self.kv_pages,
            self.kv_page_table,
            self.layer_idx,
            [2, kv_heads],
            self.batch,
        )?;

        let [id_heads, id_rows, topk] = self.block_ids.shape();
        check_axis("block_ids", "kv heads", id_heads, kv_heads)?;
        check_axis("block_ids", "rows", id_rows, rows)?;
        check_topk(topk)?;
        self.block_ids.check_extent("block_ids")?;

        let query_heads = rows.saturating_mul(heads);
        check_result("output", result.output.len(), query_heads.saturating_mul(HEAD_DIM))?;
        if let Some(lse) = &result.lse {
            check_result("lse", lse.len(), query_heads)?;
        }

        let problem = AttentionProblem {
            batch: self.batch,
            kv_heads,
            group,
            q: self.q,
            cache,
            block_ids: self.block_ids,
            scale: self.scale,
        };
        for request in self.batch.requests() {
            for row in request.rows.clone() {
                for kv_head in 0..kv_heads {
                    problem
                        .selected(&request, row, kv_head)
                        .try_for_each(|block| cache.check_entry(request.index, block))?;
                }
            }
        }
        Ok(problem)
    }
}

/// Query heads per KV head, where the contract allows the pair.
pub(crate) fn check_group(heads: usize, kv_heads: usize) -> Result<usize, Error> {
    if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        return Err(Error::Value {
            operand: "q",
            expected: "a multiple of kv_pages' heads as its number of heads",
            got: format!("{heads} heads for {kv_heads}"),
        });
    }
    let group = heads / kv_heads;
    if (1..=MAX_GROUP).contains(&group) {
        return Ok(group);
    }
    Err(Error::Value {
        operand: "q",
        expected: "1 to 16 query heads for each KV head",
        got: format!("{group} ({heads} heads for {kv_heads})"),
    })
}

/// Attention's operands, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttentionProblem<'a> {
    pub(crate) batch: Batch<'a>,
    pub(crate) kv_heads: usize,
    /// Query heads per KV head.
    pub(crate) group: usize,
    /// `[rows, kv_heads * group, HEAD_DIM]`
    pub(crate) q: View<'a, bf16, 3>,
    /// Two planes, `kv_heads` heads.
    pub(crate) cache: PagedCache<'a>,
    /// `[kv_heads, rows, topk]`
    block_ids: View<'a, i32, 3>,
    pub(crate) scale: f32,
}

impl AttentionProblem<'_> {
    /// The blocks from which a row sees at least one key, in the order and as often as listed. That
    /// leaves out negative ids and, as nobody sees past the last key, ids past the last block.
    pub(crate) fn selected(
        &self,
        request: &Request,
        row: usize,
        kv_head: usize,
    ) -> impl Iterator<Item = usize> {
        let position = request.position(row);
        self.block_ids
            .run([kv_head, row, 0])
            .iter()
            .filter_map(|&id| usize::try_from(id).ok())
            .filter(move |&block| visible_keys(position, block) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_from_1_to_16_are_taken() {
        assert_eq!(check_group(64, 4), Ok(16));
        assert_eq!(check_group(12, 1), Ok(12));
        assert_eq!(check_group(3, 3), Ok(1));
        for (heads, kv_heads) in [(17, 1), (10, 4), (8, 0), (0, 2)] {
            assert!(check_group(heads, kv_heads).is_err(), "{heads} heads for {kv_heads}");
        }
    }
}
