//! A step as shards of a model that several GPUs serve have it: some heads of it, or some blocks of each request.

use half::bf16;
use msa::trace::{BlockIds, IndexerInputs, Tensor, Trace};
use msa::{BLOCK, HEAD_DIM};

use crate::oracle;

/// How the blocks of a request are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ownership {
    /// Each shard has every so many-th block.
    InTurn,
    /// Each shard has as many successive blocks.
    Ranges,
}

impl Ownership {
    /// The shard that has a block of a request of so many.
    pub fn owner(self, block: usize, blocks: usize, shards: usize) -> usize {
        match self {
            Self::InTurn => block % shards,
            Self::Ranges => block / blocks.div_ceil(shards),
        }
    }
}

/// One of `shards` shards of a step that have some of each request's blocks: of attention to these ids it keeps those of
/// its own blocks, and the pages of others hold NaN and are in no table.
///
/// # Panics
/// If requests share pages.
pub fn some_blocks(
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    ownership: Ownership,
    shard: usize,
    shards: usize,
) -> (Trace, Tensor<i32, 3>) {
    let (mut ours, mut our_ids) = (trace.clone(), ids.clone());
    let [kv_heads, rows, topk] = ids.shape();
    let page_len = trace.kv_pages.data().len() / trace.kv_pages.shape()[0];
    let width = trace.kv_page_table.shape()[1];
    for (request, bounds) in trace.row_offsets.windows(2).enumerate() {
        let (first, end) = (bounds[0] as usize, bounds[1] as usize);
        let blocks = (trace.cache_lengths[request] as usize + end - first).div_ceil(BLOCK);
        let is_ours = |block: usize| ownership.owner(block, blocks, shards) == shard;
        for block in (0..blocks).filter(|&block| first < end && !is_ours(block)) {
            let entry = &mut ours.kv_page_table.data_mut()[request * width + block];
            let page = std::mem::replace(entry, u32::MAX) as usize;
            ours.kv_pages.data_mut()[page * page_len..][..page_len].fill(bf16::NAN);
        }
        for kv_head in 0..kv_heads {
            let lists = (kv_head * rows + first) * topk..(kv_head * rows + end) * topk;
            for id in &mut our_ids.data_mut()[lists] {
                if usize::try_from(*id).is_ok_and(|block| !is_ours(block)) {
                    *id = -1;
                }
            }
        }
    }
    ours.block_ids = BlockIds::Given(our_ids.clone(), None);
    (ours, our_ids)
}

/// One of `shards` shards of a step that have some of its heads, dense: KV heads, their query heads and index heads. All of
/// them have the index keys.
///
/// # Panics
/// If heads cannot be shared out so, or the trace has no indexer's operands.
pub fn some_heads(trace: &Trace, shard: usize, shards: usize) -> Trace {
    let inputs = oracle::indexer_inputs(trace);
    Trace {
        q: part(&trace.q, shard, shards),
        kv_pages: part(&trace.kv_pages, shard, shards),
        block_ids: BlockIds::Indexer(IndexerInputs {
            index_q: part(&inputs.index_q, shard, shards),
            ..inputs.clone()
        }),
        expected: None,
        ..trace.clone()
    }
}

/// A shard's heads of `[.., heads, 128]`.
fn part<const RANK: usize>(
    tensor: &Tensor<bf16, RANK>,
    shard: usize,
    shards: usize,
) -> Tensor<bf16, RANK> {
    let mut shape = tensor.shape();
    let all = shape[RANK - 2] * HEAD_DIM;
    assert!(shape[RANK - 2].is_multiple_of(shards), "{shape:?} for {shards} shards");
    shape[RANK - 2] /= shards;
    let ours = all / shards;
    let vectors = tensor.data().chunks_exact(all);
    let vectors = vectors.flat_map(|heads| &heads[shard * ours..][..ours]).copied();
    Tensor::new(shape, vectors.collect())
}
