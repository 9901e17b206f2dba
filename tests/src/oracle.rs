//! What a step must give, in float64: the contract's formulas, term by term.
//!
//! Nothing here is fast, but nothing reads more than its row needs either: a few rows of a step with a
//! million cached tokens can be computed one by one.

use half::bf16;
use msa::trace::{BlockIds, Expected, IndexerInputs, Tensor, Trace};
use msa::{BLOCK, HEAD_DIM, IdOrder, Selection};
use rayon::prelude::*;

/// The score of a forced initial block.
const INIT_SCORE: f64 = 1e30;

/// The score of a forced local block. No score of this magnitude or more carries a rounding error:
/// it is forced, or infinite.
pub(crate) const LOCAL_SCORE: f64 = 1e29;

/// The score of each block in a row's horizon for one index head, before any is forced: the largest
/// of its visible keys, NaN passed over, -inf where there is no other.
///
/// # Panics
/// If the trace has no indexer's operands, or operands that an operator refuses.
pub fn scores(trace: &Trace, row: usize, index_head: usize) -> Vec<f64> {
    let inputs = indexer_inputs(trace);
    let (request, position) = locate(trace, row);
    let layer = trace.layer_idx as usize;
    let query = widen(vector(&inputs.index_q, [row, index_head, 0]));
    (0..=position / BLOCK)
        .map(|block| {
            let page = page(&inputs.index_page_table, request, block);
            (0..BLOCK)
                .filter(|token| block * BLOCK + token <= position)
                .map(|token| vector(&inputs.index_k_pages, [page, 0, layer, token, 0, 0]))
                .map(|key| f64::from(inputs.index_scale) * dot(&query, key))
                .fold(f64::NEG_INFINITY, f64::max)
        })
        .collect()
}

/// The scores with those of initial and local blocks overwritten.
pub fn forced(scores: &[f64], selection: &Selection) -> Vec<f64> {
    let first_local = scores.len().saturating_sub(selection.local_blocks);
    let force = |(block, &score)| match block {
        _ if block >= first_local => LOCAL_SCORE,
        _ if block < selection.init_blocks => INIT_SCORE,
        _ => score,
    };
    scores.iter().enumerate().map(force).collect()
}

/// The `topk` ids that a row selects, given the raw scores of its horizon; -1 past the last.
pub fn select(scores: &[f64], selection: &Selection) -> Vec<i32> {
    let scores = forced(scores, selection);
    let mut blocks: Vec<usize> = (0..scores.len()).collect();
    blocks.retain(|&block| scores[block] > f64::NEG_INFINITY);
    // The sort is stable: of equal scores, the smaller id stays first.
    blocks.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).expect("no score is NaN"));
    blocks.truncate(selection.topk);
    if selection.id_order == IdOrder::Ascending {
        blocks.sort();
    }
    let mut ids: Vec<i32> = blocks.into_iter().map(|block| block as i32).collect();
    ids.resize(selection.topk, -1);
    ids
}

/// The result of attention for one row and query head.
#[derive(Clone, Debug, PartialEq)]
pub struct Attended {
    /// The weighted mean of the values.
    pub output: [f64; HEAD_DIM],
    /// The natural log of the softmax denominator.
    pub lse: f64,
}

/// Attention of one row and query head to the blocks with these ids.
///
/// # Panics
/// If the trace holds operands that an operator refuses.
pub fn attend(trace: &Trace, row: usize, head: usize, ids: &[i32]) -> Attended {
    let (request, position) = locate(trace, row);
    let rows = trace.row_offsets[request + 1] - trace.row_offsets[request];
    let blocks = (trace.cache_lengths[request] as usize + rows as usize).div_ceil(BLOCK);
    let tokens: Vec<(usize, usize)> = ids
        .iter()
        .filter_map(|&id| usize::try_from(id).ok())
        .filter(|&block| block < blocks)
        .flat_map(|block| (0..BLOCK).map(move |token| (block, token)))
        .filter(|(block, token)| block * BLOCK + token <= position)
        .collect();
    if tokens.is_empty() {
        return Attended { output: [0.0; HEAD_DIM], lse: f64::NEG_INFINITY };
    }

    let (layer, kv_head) = (trace.layer_idx as usize, head / group(trace));
    let cached = |plane: usize, (block, token): (usize, usize)| {
        let page = page(&trace.kv_page_table, request, block);
        vector(&trace.kv_pages, [page, plane, layer, token, kv_head, 0])
    };
    let query = widen(vector(&trace.q, [row, head, 0]));
    let scores: Vec<f64> = tokens
        .iter()
        .map(|&token| f64::from(trace.scale) * dot(&query, cached(0, token)))
        .collect();
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|score| (score - max).exp()).sum();
    let mut output = [0.0; HEAD_DIM];
    for (&token, score) in tokens.iter().zip(&scores) {
        let weight = (score - max).exp() / sum;
        for (mean, value) in output.iter_mut().zip(widen(cached(1, token))) {
            *mean += weight * value;
        }
    }
    Attended { output, lse: max + sum.ln() }
}

/// All that a step must give.
///
/// # Panics
/// If the trace holds operands that an operator refuses.
pub fn expected(trace: &Trace) -> Expected {
    let (given, selected) = match &trace.block_ids {
        BlockIds::Given(ids, _) => (Some(ids), None),
        BlockIds::Indexer(_) => (None, Some(selected(trace))),
    };
    let ids = given.or(selected.as_ref()).expect("ids are given or selected");
    let [rows, heads, _] = trace.q.shape();
    let attended: Vec<Attended> = (0..rows * heads)
        .into_par_iter()
        .map(|index| {
            let (row, head) = (index / heads, index % heads);
            attend(trace, row, head, list(ids, head / group(trace), row))
        })
        .collect();
    let output = attended.iter().flat_map(|attended| attended.output);
    let lse = attended.iter().map(|attended| attended.lse);
    Expected {
        output: Tensor::new([rows, heads, HEAD_DIM], output.map(|mean| mean as f32).collect()),
        lse: Tensor::new([rows, heads], lse.map(|lse| lse as f32).collect()),
        block_ids: selected,
    }
}

/// The ids that every row selects, i32 `[index_heads, rows, topk]`.
fn selected(trace: &Trace) -> Tensor<i32, 3> {
    let [rows, index_heads, _] = indexer_inputs(trace).index_q.shape();
    let lists: Vec<Vec<i32>> = (0..index_heads * rows)
        .into_par_iter()
        .map(|index| select(&scores(trace, index % rows, index / rows), &trace.selection))
        .collect();
    Tensor::new([index_heads, rows, trace.selection.topk], lists.concat())
}

/// One row's ids for one KV head.
pub(crate) fn list(ids: &Tensor<i32, 3>, kv_head: usize, row: usize) -> &[i32] {
    let [_, rows, topk] = ids.shape();
    &ids.data()[(kv_head * rows + row) * topk..][..topk]
}

/// Query heads per KV head.
pub(crate) fn group(trace: &Trace) -> usize {
    trace.q.shape()[1] / trace.kv_pages.shape()[4]
}

/// The operands of the step's indexer.
pub(crate) fn indexer_inputs(trace: &Trace) -> &IndexerInputs {
    match &trace.block_ids {
        BlockIds::Indexer(inputs) | BlockIds::Given(_, Some(inputs)) => inputs,
        BlockIds::Given(_, None) => panic!("the trace has no indexer's operands"),
    }
}

/// The request that owns a row, and the row's position in it: the last key that the row may see.
fn locate(trace: &Trace, row: usize) -> (usize, usize) {
    // Of several requests that start at a row, the last one owns it: the others are empty.
    let request = trace.row_offsets.partition_point(|&first| first as usize <= row) - 1;
    let token = row - trace.row_offsets[request] as usize;
    (request, trace.cache_lengths[request] as usize + token)
}

fn page(table: &Tensor<u32, 2>, request: usize, block: usize) -> usize {
    table.data()[request * table.shape()[1] + block] as usize
}

/// The run of `HEAD_DIM` elements that begins at an index.
fn vector<const RANK: usize>(tensor: &Tensor<bf16, RANK>, index: [usize; RANK]) -> &[bf16] {
    let start = index.iter().zip(tensor.shape()).fold(0, |start, (i, extent)| start * extent + i);
    &tensor.data()[start..][..HEAD_DIM]
}

fn widen(vector: &[bf16]) -> [f64; HEAD_DIM] {
    std::array::from_fn(|dim| f64::from(vector[dim].to_f32()))
}

fn dot(query: &[f64; HEAD_DIM], key: &[bf16]) -> f64 {
    query.iter().zip(key).map(|(q, k)| q * f64::from(k.to_f32())).sum()
}
