//! Attention of requests with few new tokens each, on the device, against the oracle.

use cuda_sim::Order;
use msa::Backend;
use msa::trace::{Tensor, Trace};
use msa_tests::generate::Recipe;
use msa_tests::kernels::FILES;
use msa_tests::kernels::attend_decode::{attend, attend_by_cluster, topk};
use msa_tests::kernels::attention::{Attended, Split};

use crate::attention::{hostile, judge, requests};

fn run(
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    target: (&str, &str),
    split: Split,
    order: Order,
) -> Attended {
    attend(trace, ids, target, split, order)
        .unwrap_or_else(|fault| panic!("{target:?}, {split:?}, {order:?}: {fault}"))
}

const WHOLE: Split = Split { splits: 1, tile_rows: 1, stages: 2 };

#[test]
fn decode_is_right_on_every_device() {
    let recipe = Recipe {
        requests: requests(&[(1, 1000), (1, 0), (1, 127), (1, 128)]),
        ..Recipe::default()
    };
    let (trace, ids) = hostile(recipe);
    for (seed, target) in (0..).zip(FILES) {
        for order in [Order::InTurn, Order::Random(seed)] {
            judge(&trace, &ids, &run(&trace, &ids, target, WHOLE, order));
        }
    }
}

#[test]
fn the_split_of_the_work_does_not_change_a_bit() {
    let recipe = Recipe {
        seed: 1,
        requests: requests(&[(3, 2000), (1, 700), (0, 50), (8, 300)]),
        selection: topk(12),
        ..Recipe::default()
    };
    let (trace, ids) = hostile(recipe);
    let whole = run(&trace, &ids, FILES[1], WHOLE, Order::InTurn);
    judge(&trace, &ids, &whole);
    for (splits, tile_rows, stages) in [(1, 8, 2), (2, 1, 4), (3, 4, 2), (12, 8, 2), (40, 3, 3)] {
        let split = Split { splits, tile_rows, stages };
        let other = run(&trace, &ids, FILES[1], split, Order::Random(splits.into()));
        assert!(other.output == whole.output && other.lse == whole.lse, "{split:?}");
    }
}

/// What `attend_decode` gives, by the same PTX.
fn assert_clusters_agree(
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    target: (&str, &str),
    (splits, stages): (u32, u32),
    order: Order,
) {
    let split = Split { splits, tile_rows: 1, stages };
    let ours = attend_by_cluster(trace, ids, target, split, order)
        .unwrap_or_else(|fault| panic!("{target:?}, {split:?}, {order:?}: {fault}"));
    judge(trace, ids, &ours);
    let whole = run(trace, ids, target, WHOLE, Order::InTurn);
    assert!(ours.output == whole.output && ours.lse == whole.lse, "{target:?}, {split:?}");
}

#[test]
fn clusters_of_every_size_give_the_same_bits() {
    let recipe = Recipe {
        seed: 2,
        requests: requests(&[(3, 2000), (1, 700), (0, 50), (1, 0), (2, 130)]),
        selection: topk(12),
        ..Recipe::default()
    };
    let (trace, ids) = hostile(recipe);
    for (splits, stages) in [(1, 2), (2, 3), (4, 2), (8, 5), (8, 2), (16, 3)] {
        for order in [Order::InTurn, Order::Random(splits.into())] {
            assert_clusters_agree(&trace, &ids, FILES[1], (splits, stages), order);
        }
    }
    for target in &FILES[2..] {
        assert_clusters_agree(&trace, &ids, *target, (4, 2), Order::Random(5));
    }
}

#[test]
fn clusters_take_every_group_and_length_of_list() {
    for (heads, kv_heads, slots) in [(4, 4, 1), (12, 2, 64), (64, 4, 16), (5, 1, 33)] {
        let recipe = Recipe {
            heads,
            kv_heads,
            selection: topk(slots),
            requests: requests(&[(2, 9000), (1, 5)]),
            layers: 2,
            layer_idx: 1,
            ..Recipe::default()
        };
        let (trace, ids) = hostile(recipe);
        for splits in [1, 8.min(slots as u32)] {
            assert_clusters_agree(&trace, &ids, FILES[1], (splits, 2), Order::InTurn);
        }
    }
}

#[test]
fn groups_heads_and_list_lengths_are_right() {
    for (heads, kv_heads, slots) in [(4, 4, 1), (12, 2, 64), (64, 4, 16), (5, 1, 33)] {
        let recipe = Recipe {
            heads,
            kv_heads,
            selection: topk(slots),
            requests: requests(&[(2, 900), (1, 5)]),
            layers: 2,
            layer_idx: 1,
            ..Recipe::default()
        };
        let (trace, ids) = hostile(recipe);
        for splits in [1, 2] {
            let split = Split { splits, tile_rows: 2, stages: 2 };
            judge(&trace, &ids, &run(&trace, &ids, FILES[0], split, Order::InTurn));
        }
    }
}

#[test]
fn the_order_of_a_list_does_not_change_a_bit() {
    let trace = Recipe { requests: requests(&[(1, 4000)]), ..Recipe::default() }.trace();
    let ids: Vec<i32> = (0..16).map(|slot| slot * 7 % 31).collect();
    let reversed = ids.iter().rev().copied().collect();
    let [a, b] = [ids, reversed]
        .map(|ids| run(&trace, &Tensor::new([1, 1, 16], ids), FILES[1], WHOLE, Order::InTurn));
    assert_eq!(a.output, b.output);
    // And it is what the CPU gives, but for rounding.
    let _ = Backend::default();
}
