//! Where a request's keys and values are in a trace's pages.

use half::bf16;
use msa::HEAD_DIM;
use msa::trace::{BlockIds, IndexerInputs, Tensor, Trace};

/// What the indexer reads.
///
/// # Panics
/// If the step's ids are given.
pub fn indexer(trace: &mut Trace) -> &mut IndexerInputs {
    match &mut trace.block_ids {
        BlockIds::Indexer(inputs) => inputs,
        BlockIds::Given(..) => panic!("a recipe leaves the choice of blocks to the indexer"),
    }
}

/// The key of a request's token in the index cache.
///
/// # Panics
/// If the step's ids are given, or the cache has no such token.
pub fn index_key(trace: &mut Trace, request: usize, token: usize) -> &mut [bf16] {
    let layer = trace.layer_idx as usize;
    let IndexerInputs { index_k_pages, index_page_table, .. } = indexer(trace);
    token_in(index_k_pages, index_page_table, layer, 0, (request, token))
}

/// The keys of a request's token in the main cache (plane 0), or its values (plane 1), of all heads.
///
/// # Panics
/// If the cache has no such token.
pub fn main_token(trace: &mut Trace, plane: usize, request: usize, token: usize) -> &mut [bf16] {
    let layer = trace.layer_idx as usize;
    token_in(&mut trace.kv_pages, &trace.kv_page_table, layer, plane, (request, token))
}

/// The pairs of a request and a token that are in a row's horizon.
pub fn tokens(trace: &Trace) -> Vec<(usize, usize)> {
    let requests = trace.row_offsets.windows(2).zip(&trace.cache_lengths).enumerate();
    requests
        .filter(|(_, (bounds, _))| bounds[0] < bounds[1])
        .flat_map(|(request, (bounds, cached))| {
            let keys = cached + bounds[1] - bounds[0];
            (0..keys as usize).map(move |token| (request, token))
        })
        .collect()
}

fn token_in<'a>(
    pages: &'a mut Tensor<bf16, 6>,
    table: &Tensor<u32, 2>,
    layer: usize,
    plane: usize,
    (request, token): (usize, usize),
) -> &'a mut [bf16] {
    let [_, planes, layers, block, heads, _] = pages.shape();
    let page = table.data()[request * table.shape()[1] + token / block] as usize;
    let index = ((page * planes + plane) * layers + layer) * block + token % block;
    &mut pages.data_mut()[index * heads * HEAD_DIM..][..heads * HEAD_DIM]
}
