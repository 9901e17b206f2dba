//! Shards of a model that several devices serve give together what one device gives.

use std::ops::Range;

use half::bf16;
use msa::trace::{BlockIds, IndexerInputs, Outcome, Tensor};
use msa::{AttentionOperands, Backend, HEAD_DIM, IndexerOperands, Route, View};
use msa_tests::check::check_rows;
use msa_tests::generate::Recipe;
use msa_tests::partials::{Merged, Partials, run_merge};
use msa_tests::run::{run, run_attention, run_indexer};
use msa_tests::shards::{Ownership, some_blocks};

use crate::steps::step;

/// Steps of MiniMax-M3's shape on one of four GPUs, decode and prefill; but for the short request each row has 16 blocks.
fn steps() -> [Recipe; 2] {
    [step(&[(1, 40_000), (1, 9000), (1, 300)]), step(&[(12, 20_000), (1, 130)])]
}

/// Context parallelism: each shard attends to the blocks that it has.
#[test]
fn shards_of_the_blocks_merge_into_the_whole() {
    let backend = Backend::default();
    for recipe in steps() {
        let trace = recipe.trace();
        let whole = run(&trace, &backend);
        let ids = &whole.block_ids;
        let unsplit = Merged { output: whole.output.clone(), lse: whole.lse.clone() };
        let mut blind = 0;
        for shards in [2, 4, 8] {
            for ownership in [Ownership::InTurn, Ownership::Ranges] {
                let attended: Vec<Merged> = (0..shards)
                    .map(|shard| {
                        let (ours, ids) = some_blocks(&trace, ids, ownership, shard, shards);
                        let (output, lse, _) =
                            run_attention(&ours.attention_operands(ids.view()), &backend);
                        Merged { output, lse }
                    })
                    .collect();
                let partials = Partials::of_shards(&attended);
                let lses = partials.lse.data().iter();
                blind += lses.filter(|&&lse| lse == f32::NEG_INFINITY).count();
                let merged = run_merge(&partials.operands(), &backend);
                merged.assert_merges(&partials);
                merged.assert_equals_unsplit(&partials, &unsplit);

                // And it is right by the contract's own tolerances.
                let outcome = Outcome { output: merged.output, lse: merged.lse, ..whole.clone() };
                let rows = 0..trace.q.shape()[0];
                let verdict = check_rows(&trace, &outcome, rows).expect("an outcome of this step");
                assert!(verdict.passed(), "{shards} {ownership:?}: {verdict:?}");
            }
        }
        assert!(blind > 0, "every shard has a block of every row");
    }
}

/// Tensor parallelism: each shard has the heads of one KV head, where they are.
#[test]
fn shards_of_16_heads_are_parts_of_64_heads_bit_for_bit() {
    for (route, requests) in [
        (Route::Decode, &[(1, 900), (1, 5000), (1, 0)][..]),
        (Route::Speculative, &[(4, 254), (1, 3000)]),
        (Route::Prefill, &[(1, 900), (4, 254), (20, 3000)]),
    ] {
        let trace = Recipe { heads: 64, kv_heads: 4, ..step(requests) }.trace();
        let (rows, topk) = (trace.q.shape()[0], trace.selection.topk);
        let whole = run(&trace, &Backend::default());
        assert_eq!(whole.dispatch.route, route);
        let BlockIds::Indexer(IndexerInputs { index_q, .. }) = &trace.block_ids else {
            panic!("a recipe leaves the choice of blocks to the indexer");
        };
        for shard in 0..4 {
            let indexer = IndexerOperands {
                index_q: some_heads(index_q, shard..shard + 1),
                ..trace.indexer_operands().expect("the indexer's operands")
            };
            let block_ids = run_indexer(&indexer, &Backend::default());
            let lists = &whole.block_ids.data()[shard * rows * topk..][..rows * topk];
            assert_eq!(block_ids.data(), lists);

            let heads = 16 * shard..16 * (shard + 1);
            let attention = AttentionOperands {
                q: some_heads(&trace.q, heads.clone()),
                kv_pages: some_heads(&trace.kv_pages, shard..shard + 1),
                ..trace.attention_operands(block_ids.view())
            };
            let (output, lse, _) = run_attention(&attention, &Backend::default());
            for row in 0..rows {
                let (ours, all) =
                    (row * 16..(row + 1) * 16, row * 64 + heads.start..row * 64 + heads.end);
                assert_eq!(lse.data()[ours.clone()], whole.lse.data()[all.clone()]);
                let elements = |heads: Range<usize>| heads.start * HEAD_DIM..heads.end * HEAD_DIM;
                assert_eq!(output.data()[elements(ours)], whole.output.data()[elements(all)]);
            }
        }
    }
}

/// Some heads of a tensor `[.., heads, 128]`, where they are.
fn some_heads<const RANK: usize>(
    tensor: &Tensor<bf16, RANK>,
    heads: Range<usize>,
) -> View<'_, bf16, RANK> {
    let dense = tensor.view();
    let mut shape = tensor.shape();
    shape[RANK - 2] = heads.len();
    let some = View::contiguous(&tensor.data()[heads.start * HEAD_DIM..], shape);
    (0..RANK - 2).fold(some, |view, axis| view.with_stride(axis, dense.strides()[axis]))
}
