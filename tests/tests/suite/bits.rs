//! A row's result has the same bits wherever, whenever and beside whatever it is computed.

use std::ops::Range;

use half::bf16;
use msa::trace::{BlockIds, IndexerInputs, Outcome, Tensor, Trace};
use msa::{AttentionOperands, AttentionResult, Backend, Batch, Cpu, IndexerOperands, View};
use msa_tests::generate::{Recipe, hostile_ids};
use msa_tests::run::{all_bits, bits, run, run_attention, run_indexer};
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use crate::steps::{cases, recipes, step};

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_row_does_not_depend_on_its_neighbours(recipe in recipes(), given in any::<bool>()) {
        let trace = trace(&recipe, given);
        let whole = run(&trace, &Backend::default());
        for (request, bounds) in trace.row_offsets.windows(2).enumerate() {
            let rows = bounds[0] as usize..bounds[1] as usize;
            for row in rows.clone() {
                let row = row..row + 1;
                let alone = alone(&trace, request, row.clone());
                prop_assert_eq!(all_bits(&alone), bits(&whole, row));
            }
            prop_assert_eq!(all_bits(&alone(&trace, request, rows.clone())), bits(&whole, rows));
        }
    }

    #[test]
    fn neither_threads_nor_repetition_matter(recipe in recipes(), given in any::<bool>()) {
        let trace = trace(&recipe, given);
        let run = || all_bits(&run(&trace, &Backend::default()));
        let first = run();
        prop_assert_eq!(&run(), &first);
        for threads in 1..=3 {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
            prop_assert_eq!(&pool.install(run), &first);
        }
    }
}

#[test]
fn vector_width_does_not_matter() {
    let small = Recipe { heads: 4, kv_heads: 2, ..step(&[(1, 130), (3, 126), (9, 0)]) };
    for given in [false, true] {
        let trace = trace(&small, given);
        let scalar = run(&trace, &Backend::Cpu(Cpu::scalar()));
        assert_eq!(all_bits(&run(&trace, &Backend::Cpu(Cpu::new()))), all_bits(&scalar));
    }
}

#[test]
fn lse_is_written_on_request_alone() {
    let trace = trace(&step(&[(1, 130), (9, 0)]), true);
    let with_lse = run(&trace, &Backend::default());
    let mut output = vec![bf16::NAN; with_lse.output.data().len()];
    let operands = trace.attention_operands(with_lse.block_ids.view());
    let result = AttentionResult { output: &mut output, lse: None };
    Backend::default().attention(&operands, result).expect("operands that suit");
    assert_eq!(output, with_lse.output.data());
}

fn trace(recipe: &Recipe, given: bool) -> Trace {
    let mut trace = recipe.trace();
    if given {
        trace.block_ids = BlockIds::Given(hostile_ids(&trace, recipe.seed), None);
    }
    trace
}

/// Some rows of a request as a batch of their own, on the same pages: to the first of them, the rows
/// before it are cached.
fn alone(trace: &Trace, request: usize, rows: Range<usize>) -> Outcome {
    let backend = Backend::default();
    let cached = trace.cache_lengths[request] + rows.start as u32 - trace.row_offsets[request];
    let (row_offsets, cache_lengths) = ([0, rows.len() as u32], [cached]);
    let batch = Batch { row_offsets: &row_offsets, cache_lengths: &cache_lengths };
    let block_ids = match &trace.block_ids {
        BlockIds::Given(ids, _) => {
            let [kv_heads, all_rows, topk] = ids.shape();
            let lists = ids.data().chunks_exact(topk).enumerate();
            let ours = lists.filter(|(list, _)| rows.contains(&(list % all_rows)));
            let ids = ours.flat_map(|(_, list)| list).copied().collect();
            Tensor::new([kv_heads, rows.len(), topk], ids)
        }
        BlockIds::Indexer(IndexerInputs { index_q, index_page_table, .. }) => {
            let operands = IndexerOperands {
                batch,
                index_q: some_rows(index_q, rows.clone()),
                index_page_table: one_request(index_page_table, request),
                ..trace.indexer_operands().expect("the indexer's operands")
            };
            run_indexer(&operands, &backend)
        }
    };
    let operands = AttentionOperands {
        batch,
        q: some_rows(&trace.q, rows),
        kv_page_table: one_request(&trace.kv_page_table, request),
        ..trace.attention_operands(block_ids.view())
    };
    let (output, lse, dispatch) = run_attention(&operands, &backend);
    Outcome { block_ids, output, lse, dispatch }
}

fn some_rows(q: &Tensor<bf16, 3>, rows: Range<usize>) -> View<'_, bf16, 3> {
    let [_, heads, dim] = q.shape();
    View::contiguous(&q.data()[rows.start * heads * dim..], [rows.len(), heads, dim])
}

fn one_request(table: &Tensor<u32, 2>, request: usize) -> View<'_, u32, 2> {
    let [_, width] = table.shape();
    View::contiguous(&table.data()[request * width..], [1, width])
}
