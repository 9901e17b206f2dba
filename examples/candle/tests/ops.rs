//! The ops give what msa gives, bit for bit, of any layout that it can follow, and refuse the others.

use candle_core::{CpuStorage, Device, Result, Storage, Tensor, WithDType};
use half::bf16;
use msa::trace::{Outcome, Trace};
use msa::{Backend, HEAD_DIM};
use msa_candle_example::{Attention, Batch, Indexer};
use msa_tests::generate::{Recipe, Request};

/// Two requests of MiniMax-M3's shape, one of four new tokens, and what msa gives.
fn step() -> (Trace, Outcome) {
    let requests = vec![Request::new(4, 2500), Request::new(1, 300)];
    let trace = Recipe { requests, ..Recipe::default() }.trace();
    let outcome = trace.run(&Backend::default()).expect("a sound step");
    (trace, outcome)
}

fn tensor<T: WithDType, const RANK: usize>(of: &msa::trace::Tensor<T, RANK>) -> Result<Tensor> {
    Tensor::from_slice(of.data(), of.shape().to_vec(), &Device::Cpu)
}

fn batch(trace: &Trace) -> Result<Batch> {
    let of = |numbers: &[u32]| Tensor::from_slice(numbers, numbers.len(), &Device::Cpu);
    Ok(Batch { row_offsets: of(&trace.row_offsets)?, cache_lengths: of(&trace.cache_lengths)? })
}

fn attention(trace: &Trace) -> Result<Attention> {
    Ok(Attention {
        backend: Backend::default(),
        batch: batch(trace)?,
        kv_page_table: tensor(&trace.kv_page_table)?,
        layer_idx: trace.layer_idx,
        scale: trace.scale,
    })
}

/// Runs attention with such a `q`.
fn attend(trace: &Trace, outcome: &Outcome, q: &Tensor) -> Result<Tensor> {
    let (pages, ids) = (tensor(&trace.kv_pages)?, tensor(&outcome.block_ids)?);
    q.apply_op3_no_bwd(&pages, &ids, &attention(trace)?)
}

/// The bits of a dense tensor of bf16.
fn bits(tensor: &Tensor) -> Vec<u16> {
    let (storage, layout) = tensor.storage_and_layout();
    assert!(layout.is_contiguous());
    match &*storage {
        Storage::Cpu(CpuStorage::BF16(elements)) => {
            elements.iter().map(|element| element.to_bits()).collect()
        }
        _ => panic!("{tensor:?}"),
    }
}

#[track_caller]
fn assert_is_output(tensor: &Tensor, outcome: &Outcome) {
    assert_eq!(tensor.dims(), outcome.output.shape());
    let expected: Vec<u16> = outcome.output.data().iter().map(|e| e.to_bits()).collect();
    assert!(bits(tensor) == expected, "other bits");
}

#[track_caller]
fn assert_refused(outcome: Result<Tensor>, text: &str) {
    let error = outcome.expect_err("it is refused").to_string();
    assert!(error.contains(text), "`{text}` is not in: {error}");
}

#[test]
fn the_indexer_selects_what_msa_selects() -> Result<()> {
    let (trace, outcome) = step();
    let inputs = match &trace.block_ids {
        msa::trace::BlockIds::Indexer(inputs) => inputs,
        _ => panic!("the ids are given"),
    };
    let indexer = Indexer {
        backend: Backend::default(),
        batch: batch(&trace)?,
        index_page_table: tensor(&inputs.index_page_table)?,
        layer_idx: trace.layer_idx,
        selection: trace.selection,
        scale: inputs.index_scale,
    };
    let (index_q, pages) = (tensor(&inputs.index_q)?, tensor(&inputs.index_k_pages)?);
    let ids = index_q.apply_op2_no_bwd(&pages, &indexer)?;
    assert_eq!(ids.dims(), outcome.block_ids.shape());
    assert_eq!(ids.flatten_all()?.to_vec1::<i32>()?, outcome.block_ids.data());
    assert_refused(index_q.narrow(0, 0, 3)?.apply_op2_no_bwd(&pages, &indexer), "row_offsets");
    Ok(())
}

#[test]
fn attention_gives_the_bits_that_msa_gives() -> Result<()> {
    let (trace, outcome) = step();
    assert_is_output(&attend(&trace, &outcome, &tensor(&trace.q)?)?, &outcome);
    Ok(())
}

/// The queries of a fused projection, with its keys and values beside them, and heads before rows.
#[test]
fn narrowed_and_transposed_queries_are_not_copied_and_give_the_same() -> Result<()> {
    let (trace, outcome) = step();
    let q = tensor(&trace.q)?;
    let [rows, heads, _] = trace.q.shape();

    let beside = Tensor::full(bf16::NAN, (rows, 2, HEAD_DIM), &Device::Cpu)?;
    let fused = Tensor::cat(&[&beside, &q, &beside], 1)?.narrow(1, 2, heads)?;
    assert!(!fused.is_contiguous() && fused.layout().start_offset() == 2 * HEAD_DIM);
    assert_is_output(&attend(&trace, &outcome, &fused)?, &outcome);

    let heads_first = q.transpose(0, 1)?.contiguous()?.transpose(0, 1)?;
    assert_eq!(heads_first.stride(), [HEAD_DIM, rows * HEAD_DIM, 1]);
    assert_is_output(&attend(&trace, &outcome, &heads_first)?, &outcome);
    Ok(())
}

/// A part of a larger table, and pages that belong to a longer pool.
#[test]
fn narrowed_tables_and_pages_give_the_same() -> Result<()> {
    let (trace, outcome) = step();
    let table = tensor(&trace.kv_page_table)?;
    let wide = Tensor::cat(&[&table, &table], 1)?.narrow(1, 0, table.dims()[1])?;
    let pages = tensor(&trace.kv_pages)?;
    let pool = Tensor::cat(&[&pages, &pages], 1)?.narrow(1, 2, 2)?;
    assert!(!wide.is_contiguous() && !pool.is_contiguous());
    let op = Attention { kv_page_table: wide, ..attention(&trace)? };
    let ids = tensor(&outcome.block_ids)?;
    assert_is_output(&tensor(&trace.q)?.apply_op3_no_bwd(&pool, &ids, &op)?, &outcome);
    Ok(())
}

#[test]
fn what_msa_cannot_follow_is_refused_by_name() -> Result<()> {
    let (trace, outcome) = step();
    let q = tensor(&trace.q)?;
    let strided = q.transpose(1, 2)?.contiguous()?.transpose(1, 2)?;
    assert_refused(attend(&trace, &outcome, &strided), "q: the innermost stride is 16, expected 1");
    let flat = q.flatten_from(1)?;
    assert_refused(attend(&trace, &outcome, &flat), "q has 2 axes, expected 3");
    let floats = q.to_dtype(candle_core::DType::F32)?;
    assert_refused(
        attend(&trace, &outcome, &floats),
        "q\nunexpected dtype, expected: BF16, got: F32",
    );
    let few = q.narrow(0, 0, 4)?;
    assert_refused(attend(&trace, &outcome, &few), "row_offsets[2] is 5");

    let (pages, ids) = (tensor(&trace.kv_pages)?, tensor(&outcome.block_ids)?);
    let op = attention(&trace)?;
    let lengths = op.batch.cache_lengths.to_dtype(candle_core::DType::I64)?;
    let op = Attention { batch: Batch { cache_lengths: lengths, ..op.batch.clone() }, ..op };
    assert_refused(q.apply_op3_no_bwd(&pages, &ids, &op), "cache_lengths\nunexpected dtype");
    let every_other = Tensor::new(&[[0_u32, 9], [4, 9], [5, 9]], &Device::Cpu)?.narrow(1, 0, 1)?;
    let row_offsets = every_other.squeeze(1)?;
    let op = attention(&trace)?;
    let op = Attention { batch: Batch { row_offsets, ..op.batch.clone() }, ..op };
    assert_refused(q.apply_op3_no_bwd(&pages, &ids, &op), "row_offsets of 3 is not contiguous");
    Ok(())
}
