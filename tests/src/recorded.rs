//! The small steps that are kept in `traces`, so that a checkout that stands alone has some.
//!
//! `cargo run -p msa-tests --example record` writes them again.

use std::path::{Path, PathBuf};

use msa::Selection;
use msa::trace::{BlockIds, Trace};

use crate::generate::{Recipe, Request, Values, hostile_ids};

/// The steps and their files' names, without expected values: together they are under 300 KB.
pub fn steps() -> [(&'static str, Trace); 2] {
    let small = Recipe { seed: 7, heads: 2, spare_pages: 0, ..Recipe::default() };
    let speculative = Recipe {
        requests: vec![Request::new(4, 140)],
        selection: Selection { topk: 1, local_blocks: 0, ..Selection::MINIMAX_M3 },
        values: Values::SmallIntegers,
        ..small.clone()
    };
    let mut given = Recipe { requests: vec![Request::new(9, 90)], ..small }.trace();
    given.block_ids = BlockIds::Given(hostile_ids(&given, 7), None);
    [("speculative.safetensors", speculative.trace()), ("prefill_given_ids.safetensors", given)]
}

/// Where they are kept.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")
}
