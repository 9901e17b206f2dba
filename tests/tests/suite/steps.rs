//! Steps to test with, and how to run them so that nothing goes unseen.

use std::ops::Range;

use half::bf16;
use msa::trace::{BlockIds, Outcome, Tensor, Trace};
use msa::{
    AttentionOperands, AttentionResult, Backend, Dispatch, HEAD_DIM, IdOrder, IndexerOperands,
    Selection,
};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Request, Values, with_expected};
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

/// What fills memory that an operator must write, and memory that it must not.
pub(crate) const STALE_ID: i32 = -77;

/// As [`STALE_ID`], in `output` and `lse`.
pub(crate) const STALE: f32 = -777.0;

/// Elements that follow each result.
const GUARD: usize = 64;

/// Runs a step into buffers full of stale values, larger than needed, and sees that nothing beyond
/// the results is written.
pub(crate) fn run(trace: &Trace, backend: &Backend) -> Outcome {
    let block_ids = match &trace.block_ids {
        BlockIds::Given(ids, _) => ids.clone(),
        BlockIds::Indexer(_) => {
            let operands = trace.indexer_operands().expect("the trace has the indexer's operands");
            run_indexer(&operands, backend)
        }
    };
    let (output, lse, dispatch) =
        run_attention(&trace.attention_operands(block_ids.view()), backend);
    Outcome { block_ids, output, lse, dispatch }
}

/// As [`run`], of the indexer alone.
pub(crate) fn run_indexer(operands: &IndexerOperands, backend: &Backend) -> Tensor<i32, 3> {
    let [rows, index_heads, _] = operands.index_q.shape();
    let mut ids = vec![STALE_ID; operands.block_ids_len() + GUARD];
    backend.indexer(operands, &mut ids).expect("operands that suit");
    let guard = ids.split_off(operands.block_ids_len());
    assert_eq!(guard, [STALE_ID; GUARD], "block_ids was written past its end");
    Tensor::new([index_heads, rows, operands.selection.topk], ids)
}

/// As [`run`], of attention alone: `output` and `lse`.
pub(crate) fn run_attention(
    operands: &AttentionOperands,
    backend: &Backend,
) -> (Tensor<bf16, 3>, Tensor<f32, 2>, Dispatch) {
    let [rows, heads, _] = operands.q.shape();
    let stale = bf16::from_f32(STALE);
    let mut output = vec![stale; rows * heads * HEAD_DIM + GUARD];
    let mut lse = vec![STALE; rows * heads + GUARD];
    let result = AttentionResult { output: &mut output, lse: Some(&mut lse) };
    let dispatch = backend.attention(operands, result).expect("operands that suit");
    let guard = (output.split_off(rows * heads * HEAD_DIM), lse.split_off(rows * heads));
    assert_eq!(guard.0, [stale; GUARD], "output was written past its end");
    assert_eq!(guard.1, [STALE; GUARD], "lse was written past its end");
    (Tensor::new([rows, heads, HEAD_DIM], output), Tensor::new([rows, heads], lse), dispatch)
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

/// What some rows of an outcome consist of, bit for bit: ids, `output` and `lse`.
pub(crate) fn bits(outcome: &Outcome, rows: Range<usize>) -> (Vec<i32>, Vec<u16>, Vec<u32>) {
    let [_, all_rows, topk] = outcome.block_ids.shape();
    let heads = outcome.lse.shape()[1];
    let lists = outcome.block_ids.data().chunks_exact((all_rows * topk).max(1));
    let ids = lists.flat_map(|lists| &lists[rows.start * topk..rows.end * topk]).copied();
    let output = &outcome.output.data()[rows.start * heads * HEAD_DIM..rows.end * heads * HEAD_DIM];
    let lse = &outcome.lse.data()[rows.start * heads..rows.end * heads];
    (
        ids.collect(),
        output.iter().map(|element| element.to_bits()).collect(),
        lse.iter().map(|element| element.to_bits()).collect(),
    )
}

/// As [`bits`], of all rows.
pub(crate) fn all_bits(outcome: &Outcome) -> (Vec<i32>, Vec<u16>, Vec<u32>) {
    bits(outcome, 0..outcome.lse.shape()[0])
}
