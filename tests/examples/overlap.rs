//! How many blocks the rows of a tile choose together, on lists that overlap more or less: the figures of
//! `docs/design/prefill.md`.

use msa_tests::generate::{Recipe, Request, overlapping_ids};

/// Rows of a tile.
const TILES: [usize; 5] = [1, 2, 4, 8, 16];

fn main() {
    println!(
        "| new + cached | keep | ids of a row | {} rows |",
        TILES.map(|n| n.to_string()).join(" | ")
    );
    println!("| --- | --- | --- |{}", " --- |".repeat(TILES.len()));
    for (new_tokens, cached) in [(8192, 0), (8192, 32_768), (512, 262_144)] {
        for keep in [0.0, 0.875, 0.98] {
            let requests = vec![Request::new(new_tokens, cached)];
            let recipe = Recipe { requests, ..Recipe::default() };
            let ids = overlapping_ids(&recipe, keep);
            let slots = recipe.selection.topk;
            let len = ids.data().iter().filter(|id| **id >= 0).count() as f64 / new_tokens as f64;
            let blocks = TILES.map(|rows| format!("{:.1}", mean_union(ids.data(), rows * slots)));
            println!("| {new_tokens} + {cached} | {keep} | {len:.1} | {} |", blocks.join(" | "));
        }
    }
}

/// The mean number of different blocks among so many ids.
fn mean_union(ids: &[i32], len: usize) -> f64 {
    let tiles = ids.chunks(len).map(|tile| {
        let mut blocks: Vec<i32> = tile.iter().copied().filter(|id| *id >= 0).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks.len() as f64
    });
    tiles.sum::<f64>() / ids.len().div_ceil(len) as f64
}
