//! Shards of a model that several GPUs serve give together what one GPU gives.

use cuda_sim::Order;
use msa::BLOCK;
use msa::trace::{Tensor, Trace};
use msa_tests::generate::{Recipe, overlapping_ids};
use msa_tests::kernels::FILES;
use msa_tests::kernels::attend_decode::{self, attend_by_cluster};
use msa_tests::kernels::attend_prefill::{self, Kernel as Prefill};
use msa_tests::kernels::attention::{Attended, Split};
use msa_tests::kernels::index::{self, Kernel as Index};
use msa_tests::kernels::merge_states::{Layout, merge};
use msa_tests::partials::{Merged, Partials};
use msa_tests::shards::{Ownership, some_blocks, some_heads};

use crate::attention::requests;

type Target = (&'static str, &'static str);

/// A kernel of attention, with a file that has it.
type Attend = (&'static str, Target, fn(&Trace, &Tensor<i32, 3>, Target) -> Attended);

const SPLIT: Split = Split { splits: 3, tile_rows: 1, stages: 2 };

fn decode(trace: &Trace, ids: &Tensor<i32, 3>, target: Target) -> Attended {
    attend_decode::attend(trace, ids, target, SPLIT, Order::InTurn)
        .unwrap_or_else(|fault| panic!("{target:?}: {fault}"))
}

fn cluster(trace: &Trace, ids: &Tensor<i32, 3>, target: Target) -> Attended {
    let split = Split { splits: 4, ..SPLIT };
    attend_by_cluster(trace, ids, target, split, Order::Random(1))
        .unwrap_or_else(|fault| panic!("{target:?}: {fault}"))
}

fn prefill(trace: &Trace, ids: &Tensor<i32, 3>, target: Target) -> Attended {
    attend_prefill::attend(Prefill::Portable, trace, ids, target, 2, Order::InTurn)
        .unwrap_or_else(|fault| panic!("{target:?}: {fault}"))
}

fn hopper(trace: &Trace, ids: &Tensor<i32, 3>, target: Target) -> Attended {
    let kernel = Prefill::Hopper { tile_rows: 8 };
    attend_prefill::attend(kernel, trace, ids, target, 2, Order::Random(2))
        .unwrap_or_else(|fault| panic!("{target:?}: {fault}"))
}

fn blackwell(trace: &Trace, ids: &Tensor<i32, 3>, target: Target) -> Attended {
    let kernel = Prefill::Blackwell { tile_rows: 16 };
    attend_prefill::attend(kernel, trace, ids, target, 2, Order::Random(3))
        .unwrap_or_else(|fault| panic!("{target:?}: {fault}"))
}

const DECODE: [Attend; 2] = [("decode", FILES[0], decode), ("cluster", FILES[1], cluster)];

const PREFILL: [Attend; 3] = [
    ("prefill", FILES[0], prefill),
    ("hopper", FILES[1], hopper),
    ("blackwell", FILES[3], blackwell),
];

/// Steps of decode and of prefill, with lists of 16 blocks, and the kernels for them.
fn steps(heads: usize, kv_heads: usize) -> [(Recipe, &'static [Attend]); 2] {
    let recipe = |lengths: &[(usize, usize)]| Recipe {
        requests: requests(lengths),
        heads,
        kv_heads,
        ..Recipe::default()
    };
    [(recipe(&[(1, 5000), (1, 300)]), &DECODE), (recipe(&[(9, 4000), (1, 130)]), &PREFILL)]
}

/// Context parallelism: each shard attends to the blocks that it has.
#[test]
fn shards_of_the_blocks_merge_into_the_whole() {
    for (recipe, kernels) in steps(16, 1) {
        let (trace, ids) = (recipe.trace(), overlapping_ids(&recipe, 0.7));
        assert!(ids.data()[..16].iter().all(|&id| id >= 0 && id < (5000 / BLOCK + 1) as i32));
        for (name, target, attend) in kernels {
            let unsplit = attend(&trace, &ids, *target);
            let unsplit = Merged { output: unsplit.output, lse: unsplit.lse };
            let mut blind = 0;
            for (shards, ownership) in
                [(2, Ownership::InTurn), (4, Ownership::Ranges), (8, Ownership::InTurn)]
            {
                let attended: Vec<Merged> = (0..shards)
                    .map(|shard| {
                        let (ours, ids) = some_blocks(&trace, &ids, ownership, shard, shards);
                        let Attended { output, lse, .. } = attend(&ours, &ids, *target);
                        Merged { output, lse }
                    })
                    .collect();
                let partials = Partials::of_shards(&attended);
                let lses = partials.lse.data().iter();
                blind += lses.filter(|&&lse| lse == f32::NEG_INFINITY).count();
                let (merged, _) = merge(&partials, Layout::Dense, *target, Order::InTurn)
                    .unwrap_or_else(|fault| panic!("{name}: {fault}"));
                merged.assert_merges(&partials);
                merged.assert_equals_unsplit(&partials, &unsplit);
            }
            assert!(blind > 0, "{name}: every shard has a block of every row");
        }
    }
}

/// Tensor parallelism: each shard has the heads of one KV head.
#[test]
fn shards_of_16_heads_attend_as_64_heads_bit_for_bit() {
    for (recipe, kernels) in steps(64, 4) {
        let (trace, ids) = (recipe.trace(), overlapping_ids(&recipe, 0.7));
        let [_, rows, topk] = ids.shape();
        for (name, target, attend) in kernels {
            let whole = attend(&trace, &ids, *target);
            for shard in 0..4 {
                let lists = ids.data()[shard * rows * topk..][..rows * topk].to_vec();
                let lists = Tensor::new([1, rows, topk], lists);
                let ours = attend(&some_heads(&trace, shard, 4), &lists, *target);
                let part = |values: &[u32], each: usize| -> Vec<u32> {
                    let rows = values.chunks_exact(64 * each);
                    rows.flat_map(|row| &row[shard * 16 * each..][..16 * each]).copied().collect()
                };
                let bits = |attended: &Attended| -> (Vec<u32>, Vec<u32>) {
                    let output = attended.output.data().iter().map(|x| x.to_bits().into());
                    let lse = attended.lse.data().iter().map(|x| x.to_bits());
                    (output.collect(), lse.collect())
                };
                let (output, lse) = bits(&whole);
                assert!(bits(&ours) == (part(&output, 128), part(&lse, 1)), "{name}, {shard}");
            }
        }
    }
}

/// And the indexer of each shard selects what it does among the others.
#[test]
fn shards_of_one_index_head_select_as_four_bit_for_bit() {
    let split = index::Split { splits: 2, stages: 2 };
    for (recipe, is_decode) in steps(64, 4).map(|(recipe, _)| recipe).into_iter().zip([true, false])
    {
        let trace = recipe.trace();
        let select = |trace: &Trace| -> Vec<Tensor<i32, 3>> {
            let prefill = |(kernel, target)| {
                let selected = index::prefill(kernel, trace, 0, target, split, Order::InTurn);
                selected.unwrap_or_else(|fault| panic!("{kernel:?}: {fault}")).block_ids
            };
            if is_decode {
                let scored = index::decode(trace, 0, FILES[1], split, Order::InTurn);
                return vec![scored.unwrap_or_else(|fault| panic!("{fault}")).block_ids];
            }
            let kernels = [
                (Index::Portable, FILES[0]),
                (Index::Hopper, FILES[1]),
                (Index::Blackwell, FILES[3]),
            ];
            kernels.into_iter().map(prefill).collect()
        };
        let whole = select(&trace);
        for shard in 0..4 {
            for (ours, whole) in select(&some_heads(&trace, shard, 4)).iter().zip(&whole) {
                let lists = ours.data().len();
                assert_eq!(ours.data(), &whole.data()[shard * lists..][..lists], "{shard}");
            }
        }
    }
}
