//! Runs steps on a backend so that nothing goes unseen: neither what an operator must write and does not, nor what it
//! writes and must not.

use std::ops::Range;

use half::bf16;
use msa::trace::{BlockIds, Outcome, Tensor, Trace};
use msa::{AttentionOperands, AttentionResult, Backend, Dispatch, HEAD_DIM, IndexerOperands};

/// What fills memory that an operator must write, and memory that it must not.
pub const STALE_ID: i32 = -77;

/// As [`STALE_ID`], in `output` and `lse`.
pub const STALE: f32 = -777.0;

/// Elements that follow each result.
const GUARD: usize = 64;

/// Runs a step into buffers full of stale values, larger than needed, and sees that nothing beyond
/// the results is written.
///
/// # Panics
/// If something is, or the backend refuses the step.
pub fn run(trace: &Trace, backend: &Backend) -> Outcome {
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
///
/// # Panics
/// As [`run`].
pub fn run_indexer(operands: &IndexerOperands, backend: &Backend) -> Tensor<i32, 3> {
    let [rows, index_heads, _] = operands.index_q.shape();
    let mut ids = vec![STALE_ID; operands.block_ids_len() + GUARD];
    backend.indexer(operands, &mut ids).expect("operands that suit");
    let guard = ids.split_off(operands.block_ids_len());
    assert_eq!(guard, [STALE_ID; GUARD], "block_ids was written past its end");
    Tensor::new([index_heads, rows, operands.selection.topk], ids)
}

/// As [`run`], of attention alone: `output` and `lse`.
///
/// # Panics
/// As [`run`].
pub fn run_attention(
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

/// What some rows of an outcome consist of, bit for bit: ids, `output` and `lse`.
pub fn bits(outcome: &Outcome, rows: Range<usize>) -> (Vec<i32>, Vec<u16>, Vec<u32>) {
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
pub fn all_bits(outcome: &Outcome) -> (Vec<i32>, Vec<u16>, Vec<u32>) {
    bits(outcome, 0..outcome.lse.shape()[0])
}
