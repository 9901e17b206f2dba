//! Merges of what shards give, on the device: what the CPU gives, bit for bit.

use cuda_sim::Order;
use half::bf16;
use msa::{Backend, HEAD_DIM};
use msa_tests::kernels::FILES;
use msa_tests::kernels::merge_states::{Layout, merge};
use msa_tests::partials::{Merged, Partials, run_merge};

fn run(partials: &Partials, layout: Layout, target: (&str, &str), order: Order) -> Merged {
    let (merged, _) = merge(partials, layout, target, order)
        .unwrap_or_else(|fault| panic!("{target:?}, {layout:?}, {order:?}: {fault}"));
    merged
}

/// Holds it to the oracle, and to the CPU.
fn check(partials: &Partials, merged: &Merged) {
    merged.assert_merges(partials);
    let cpu = run_merge(&partials.operands(), &Backend::default());
    assert!(merged.bits() == cpu.bits(), "{:?}", partials.lse.shape());
}

#[test]
fn every_device_gives_the_bits_of_the_cpu() {
    let partials = Partials::hostile(0, [9, 4, 16]);
    for (seed, target) in (0..).zip(FILES) {
        for order in [Order::InTurn, Order::Random(seed)] {
            check(&partials, &run(&partials, Layout::Dense, target, order));
        }
    }
}

#[test]
fn any_number_of_shards_and_heads_is_right() {
    for (seed, shape) in (0..).zip([[1, 3, 16], [2, 2, 64], [7, 3, 5], [8, 1, 9], [33, 2, 1]]) {
        let partials = Partials::hostile(seed, shape);
        check(&partials, &run(&partials, Layout::Dense, FILES[1], Order::Random(seed)));
    }
}

#[test]
fn weights_of_every_size_have_the_bits_of_the_cpu() {
    // Two shards whose logarithms are ever farther apart: a row and head for each distance.
    let (rows, heads) = (25, 16);
    let mut partials = Partials::hostile(77, [2, rows, heads]);
    partials.output.data_mut().iter_mut().enumerate().for_each(|(at, element)| {
        *element = bf16::from_f32((at % 251) as f32 / 64.0 - 2.0);
    });
    for (line, lse) in partials.lse.data_mut().iter_mut().enumerate() {
        let distance = (line % (rows * heads)) as f32 * 0.23;
        *lse = if line < rows * heads { 7.25 } else { 7.25 - distance };
    }
    check(&partials, &run(&partials, Layout::Dense, FILES[1], Order::InTurn));
}

#[test]
fn tensors_may_be_strided() {
    let partials = Partials::hostile(11, [5, 3, 7]);
    check(&partials, &run(&partials, Layout::Strided, FILES[0], Order::Random(3)));
}

#[test]
fn logarithms_that_are_no_numbers_spoil_their_own_row_and_head() {
    for bad in [f32::NAN, f32::INFINITY] {
        let mut partials = Partials::hostile(13, [3, 2, 3]);
        partials.lse.data_mut()[0] = bad;
        partials.output.data_mut()[..HEAD_DIM].fill(bf16::ONE);
        let merged = run(&partials, Layout::Dense, FILES[1], Order::InTurn);
        check(&partials, &merged);
        assert!(merged.output.data()[..HEAD_DIM].iter().all(|element| element.is_nan()));
    }
}

/// Nothing is read or written but operands and results, outputs once, 16 bytes at a time.
#[test]
fn every_byte_is_moved_once() {
    for [shards, rows, heads] in [[2, 3, 16], [8, 2, 16], [8, 1, 64]] {
        let mut partials = Partials::hostile(1, [shards, rows, heads]);
        partials.lse.data_mut().fill(2.0);
        partials.output.data_mut().fill(bf16::ONE);
        for target in FILES {
            let (_, counters) = merge(&partials, Layout::Dense, target, Order::InTurn)
                .unwrap_or_else(|fault| panic!("{target:?}: {fault}"));
            let (vectors, lines) = (shards * rows * heads, rows * heads);
            let outputs = (vectors * HEAD_DIM * 2) as u64;
            let of_lanes = counters.totals.global_loads.bytes;
            // Each of a line's 16 lanes reads the shards' logarithms, twice.
            assert_eq!(of_lanes, outputs + (vectors * 16 * 2 * 4) as u64, "{target:?}");
            let sectors = counters.totals.global_loads.distinct_sectors;
            assert_eq!(sectors, outputs / 32 + (vectors * 4).div_ceil(32) as u64, "{target:?}");
            let stores = counters.totals.global_stores;
            assert_eq!(stores.bytes, (lines * (HEAD_DIM * 2 + 4)) as u64, "{target:?}");
        }
    }
}
