//! Selection on the device gives what the oracle selects, whatever the scores.

use cuda_sim::Order;
use msa::{IdOrder, Selection};
use msa_tests::kernels::FILES;
use msa_tests::kernels::block_topk::{Case, scramble, spread};
use msa_tests::oracle;

/// Few different scores: most of them tie, also with -0.
fn ties(index: u32) -> f32 {
    [0.0, -0.0, 1.0, -1.0, 2.0][scramble(index) as usize % 5]
}

/// What must not be chosen, and what outranks everything, among numbers.
fn hostile(index: u32) -> f32 {
    let kinds =
        [f32::NAN, f32::NEG_INFINITY, f32::INFINITY, f32::MAX, f32::MIN, 1e-45, -1e-45, 0.0];
    kinds[scramble(index) as usize % kinds.len()]
}

/// Nothing that could be chosen.
fn nothing(index: u32) -> f32 {
    if scramble(index).is_multiple_of(2) { f32::NAN } else { f32::NEG_INFINITY }
}

/// Scores that differ in their last bits alone: every step of a radix selection is needed.
fn close(index: u32) -> f32 {
    f32::from_bits(0x3f80_0000 | scramble(index) & 0xff)
}

/// Runs the kernel of one file, warps in this order, and compares every list.
fn check(case: &Case, file: &str, device: &str, order: Order) {
    let ran = case.run(file, device, order);
    let selected = ran.unwrap_or_else(|fault| panic!("{file}, {order:?}: {fault}\n{case:?}"));
    let (scores, horizons) = (case.scores(), case.horizons());
    for (line, list) in selected.block_ids.chunks(case.selection.topk).enumerate() {
        let expected = match horizons.get(line % case.rows() as usize) {
            None => vec![-1; case.selection.topk],
            Some(&blocks) => {
                let first = line * case.score_stride() as usize;
                let scores = &scores[first..first + blocks as usize];
                let scores: Vec<f64> = scores.iter().map(|&score| selectable(score)).collect();
                oracle::select(&scores, &case.selection)
            }
        };
        assert_eq!(list, expected, "{file}, {order:?}, line {line} of {case:?}");
    }
}

/// On every device: in turn, and in one random order.
fn check_everywhere(case: &Case) {
    for (seed, (file, device)) in (0..).zip(FILES) {
        check(case, file, device, Order::InTurn);
        check(case, file, device, Order::Random(seed));
    }
}

/// A score as the oracle knows it, which hears of NaN no more.
fn selectable(score: f32) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score.into() }
}

fn selection(topk: usize, init_blocks: usize, local_blocks: usize, id_order: IdOrder) -> Selection {
    Selection { topk, init_blocks, local_blocks, id_order }
}

#[test]
fn a_long_row_is_right_on_every_device() {
    check_everywhere(&Case::default());
}

#[test]
fn ties_nan_and_infinities_are_ordered_as_the_contract_says() {
    for score in [ties, hostile, nothing, close] {
        for id_order in [IdOrder::Score, IdOrder::Ascending] {
            let selection = selection(16, 0, 1, id_order);
            let requests = vec![(1, 40_000), (1, 100)];
            check_everywhere(&Case { selection, score, requests, ..Case::default() });
        }
    }
}

#[test]
fn forced_blocks_may_overlap_and_exceed_the_horizon() {
    for (init, local) in [(2, 2), (5, 0), (0, 9), (300, 300)] {
        let selection = selection(4, init, local, IdOrder::Score);
        let requests = vec![(1, 0), (2, 126), (1, 700), (1, 5000)];
        check_everywhere(&Case { selection, requests, ..Case::default() });
    }
}

#[test]
fn ragged_batches_with_padding_and_several_heads_are_right() {
    let requests = vec![(3, 0), (0, 77), (1, 12_800), (40, 1000), (0, 0), (5, 127)];
    check_everywhere(&Case { requests, padding: 3, index_heads: 4, ..Case::default() });
}

#[test]
fn every_number_of_blocks_and_of_slots_is_right() {
    let (file, device) = FILES[1];
    for (blocks, topk) in [(1, 1), (1, 64), (31, 16), (32, 32), (33, 16), (64, 64), (65, 64)]
        .into_iter()
        .chain([(127, 1), (128, 64), (129, 16), (1025, 33), (8192, 64), (8192, 1)])
    {
        for score in [spread, ties] {
            let selection = selection(topk, 0, 1, IdOrder::Score);
            let requests = vec![(1, 128 * blocks - 1)];
            let case = Case { selection, requests, score, ..Case::default() };
            check(&case, file, device, Order::InTurn);
        }
    }
}

#[test]
fn the_launch_width_and_the_order_of_warps_do_not_matter() {
    let (file, device) = FILES[1];
    for threads in [32, 64, 96, 128, 512] {
        for seed in 0..4 {
            let requests = vec![(1, 70_000), (2, 3000)];
            let selection = selection(16, 1, 1, IdOrder::Ascending);
            let case = Case { requests, threads, selection, score: ties, ..Case::default() };
            check(&case, file, device, Order::Random(seed));
        }
    }
}
