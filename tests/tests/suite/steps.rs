//! Steps to test with.

use msa::trace::Trace;
use msa::{Backend, IdOrder, Selection};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Request, Values, with_expected};
use msa_tests::run::run;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;

/// Runs each property on this many cases, the same ones every time.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        rng_seed: RngSeed::Fixed(0),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Any recipe that the contract allows, small enough for the oracle.
pub(crate) fn recipes() -> impl Strategy<Value = Recipe> {
    let shape = (
        select(vec![1, 2, 4]),
        select(vec![1, 2, 4, 8, 12, 16]),
        1..=2_usize,
        select(vec![Values::Normal, Values::SmallIntegers]),
        0..3_usize,
    );
    (any::<u64>(), prop::collection::vec(requests(), 0..5), shape, selections()).prop_map(
        |(seed, requests, (kv_heads, group, layers, values, shared_blocks), selection)| Recipe {
            seed,
            requests,
            heads: kv_heads * group,
            kv_heads,
            layers,
            layer_idx: layers as u32 - 1,
            selection,
            values,
            shared_blocks,
            spare_pages: (seed % 3) as usize,
        },
    )
}

/// Requests for every route, many of them with lengths about a multiple of the block size.
fn requests() -> impl Strategy<Value = Request> {
    let new_tokens = prop_oneof![1 => Just(0), 3 => Just(1), 3 => 2..=8_usize, 2 => 9..=40_usize];
    let cached = prop_oneof![Just(0), 0..900_usize, edges()];
    (new_tokens, cached).prop_map(|(new_tokens, cached)| Request::new(new_tokens, cached))
}

/// Lengths just before, at and just after the end of a block.
fn edges() -> impl Strategy<Value = usize> {
    (1..=4_usize, 0..=2_usize).prop_map(|(blocks, past)| blocks * 128 - 1 + past)
}

/// Any selection, often of fewer blocks than are forced, or of more than there are.
fn selections() -> impl Strategy<Value = Selection> {
    let topk = select(vec![1, 2, 3, 4, 8, 16, 64]);
    let order = select(vec![IdOrder::Score, IdOrder::Ascending]);
    (topk, 0..4_usize, 0..4_usize, order).prop_map(|(topk, init_blocks, local_blocks, id_order)| {
        Selection { topk, init_blocks, local_blocks, id_order }
    })
}

/// A small step of MiniMax-M3's head shape with these requests.
pub(crate) fn step(requests: &[(usize, usize)]) -> Recipe {
    Recipe {
        seed: 7,
        requests: requests.iter().map(|&(new, cached)| Request::new(new, cached)).collect(),
        ..Recipe::default()
    }
}

/// Runs a step on the CPU and has it judged by the oracle. Beyond what the contract asks for, the output
/// is off by no more than the rounding to bf16, half a unit in the last of 8 places.
pub(crate) fn assert_right(trace: Trace) {
    let trace = with_expected(trace);
    let outcome = run(&trace, &Backend::default());
    let verdict = check(&trace, &outcome).expect("the trace has expected values");
    assert!(verdict.passed(), "{verdict:?}");
    assert!(verdict.relative_norm <= 1.01 / 512.0, "{verdict:?}");
}
