//! Steps to draw: one of each route, and one full of mistakes.

use msa::trace::{BlockIds, Trace};
use msa_tests::generate::{Recipe, Request, hostile_ids, overlapping_ids};

/// Their names and what they are.
pub fn all() -> Vec<(&'static str, Trace)> {
    let of = |requests: &[(usize, usize)]| Recipe {
        requests: requests.iter().map(|&(new, cached)| Request::new(new, cached)).collect(),
        heads: 4,
        ..Recipe::default()
    };
    let decode = Recipe { kv_heads: 4, ..of(&[(1, 9000), (1, 20_000), (1, 300), (1, 16_383)]) };
    vec![
        ("decode", decode.trace()),
        ("speculative", of(&[(4, 8000), (4, 12_345), (2, 100)]).trace()),
        ("prefill", prefill(&of(&[(384, 16_000)]))),
        ("mistakes", with_mistakes(of(&[(40, 2000), (1, 1500), (0, 600)]).trace())),
    ]
}

/// Neighbours that have as many blocks in common as those of real traffic.
fn prefill(recipe: &Recipe) -> Trace {
    let mut trace = recipe.trace();
    trace.block_ids = BlockIds::Given(overlapping_ids(recipe, 0.875), None);
    trace
}

fn with_mistakes(mut trace: Trace) -> Trace {
    let ids = hostile_ids(&trace, 1);
    let BlockIds::Indexer(inputs) = trace.block_ids else { unreachable!("a generated step") };
    trace.block_ids = BlockIds::Given(ids, Some(inputs));
    let width = trace.kv_page_table.shape()[1];
    let table = trace.kv_page_table.data_mut();
    table[width + 3] = table[5];
    table[2] = u32::MAX;
    trace.scale = 1.0;
    trace
}
