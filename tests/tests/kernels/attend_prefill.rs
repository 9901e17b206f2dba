//! Attention of requests with many new tokens each, on the device, against the oracle and `attend_decode`.

use cuda_sim::Order;
use msa::trace::{BlockIds, Tensor, Trace};
use msa::{BLOCK, HEAD_DIM};
use msa_abi::AttendParams;
use msa_tests::generate::{Recipe, overlapping_ids, with_expected};
use msa_tests::kernels::FILES;
use msa_tests::kernels::attend_decode::{self, topk};
use msa_tests::kernels::attend_prefill::{Kernel, attend};
use msa_tests::kernels::attention::{Attended, Split};

use crate::attention::{hostile, judge, requests};

const HOPPER: Kernel = Kernel::Hopper { tile_rows: AttendParams::PREFILL_ROWS };

const BLACKWELL: Kernel = Kernel::Blackwell { tile_rows: AttendParams::BLACKWELL_PREFILL_ROWS };

const ALL: [Kernel; 3] = [Kernel::Portable, HOPPER, BLACKWELL];

/// A file that has the kernel, and its device.
fn target_of(kernel: Kernel) -> (&'static str, &'static str) {
    match kernel {
        Kernel::Portable | Kernel::Hopper { .. } => FILES[1],
        Kernel::Blackwell { .. } => FILES[3],
    }
}

/// Of those that it has besides queries, lists and barriers, the most planes that fit.
fn most_stages(kernel: Kernel) -> u32 {
    if kernel == BLACKWELL { 5 } else { 6 }
}

fn run(
    kernel: Kernel,
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    target: (&str, &str),
    stages: u32,
    order: Order,
) -> Attended {
    attend(kernel, trace, ids, target, stages, order).unwrap_or_else(|fault| {
        panic!("{kernel:?}, {target:?}, {stages} stages, {order:?}: {fault}")
    })
}

/// Compares with what `attend_decode` gives, bit for bit.
fn judge_by_decode(trace: &Trace, ids: &Tensor<i32, 3>, attended: &Attended) {
    let split = Split { splits: 1, tile_rows: 1, stages: 2 };
    let other = attend_decode::attend(trace, ids, FILES[1], split, Order::InTurn)
        .unwrap_or_else(|fault| panic!("{fault}"));
    assert!(attended.output == other.output && attended.lse == other.lse);
}

#[test]
fn hostile_steps_are_right_on_every_device() {
    let recipe = Recipe {
        requests: requests(&[(9, 120), (0, 50), (1, 700), (3, 2000)]),
        layers: 2,
        layer_idx: 1,
        ..Recipe::default()
    };
    let (trace, ids) = hostile(recipe);
    for (seed, target) in (0..).zip(FILES) {
        let stages = 2 + seed as u32 % 3;
        let attended = run(Kernel::Portable, &trace, &ids, target, stages, Order::Random(seed));
        judge(&trace, &ids, &attended);
    }
    for kernel in [HOPPER, BLACKWELL] {
        for (seed, stages) in (0..).zip([2, 3, most_stages(kernel)]) {
            let order = Order::Random(seed);
            let attended = run(kernel, &trace, &ids, target_of(kernel), stages, order);
            judge(&trace, &ids, &attended);
        }
    }
}

#[test]
fn ragged_batches_give_the_bits_of_decode() {
    let recipe = Recipe {
        seed: 1,
        requests: requests(&[(40, 1000), (0, 50), (1, 127), (9, 0), (8, 130)]),
        selection: topk(12),
        ..Recipe::default()
    };
    let (trace, ids) = hostile(recipe);
    for kernel in ALL {
        let (target, stages) = (target_of(kernel), most_stages(kernel));
        let attended = run(kernel, &trace, &ids, target, stages, Order::InTurn);
        judge(&trace, &ids, &attended);
        judge_by_decode(&trace, &ids, &attended);
    }
}

#[test]
fn groups_heads_and_list_lengths_are_right_to_the_bit() {
    for (heads, kv_heads, slots) in [(4, 4, 1), (10, 2, 64), (64, 4, 16), (15, 3, 33)] {
        let recipe = Recipe {
            seed: slots as u64,
            heads,
            kv_heads,
            selection: topk(slots),
            requests: requests(&[(9, 900), (1, 5)]),
            ..Recipe::default()
        };
        let (trace, ids) = hostile(recipe);
        let targets = [FILES[0], FILES[1], FILES[3]];
        for (kernel, target) in ALL.into_iter().zip(targets) {
            let attended = run(kernel, &trace, &ids, target, 2, Order::InTurn);
            judge(&trace, &ids, &attended);
            judge_by_decode(&trace, &ids, &attended);
        }
    }
}

#[test]
fn the_order_of_warps_and_the_number_of_stages_do_not_change_a_bit() {
    ALL.into_iter().for_each(the_order_of_warps_and_the_number_of_stages_do_not_change_a_bit_of);
}

fn the_order_of_warps_and_the_number_of_stages_do_not_change_a_bit_of(kernel: Kernel) {
    let recipe = Recipe { seed: 2, requests: requests(&[(11, 1500)]), ..Recipe::default() };
    let (trace, ids) = hostile(recipe);
    let first = run(kernel, &trace, &ids, target_of(kernel), 2, Order::InTurn);
    for (seed, stages) in (0..).zip(2..=most_stages(kernel)) {
        let order = Order::Random(seed);
        let other = run(kernel, &trace, &ids, target_of(kernel), stages, order);
        assert!(other.output == first.output && other.lse == first.lse, "{stages} stages");
    }
}

#[test]
fn tiles_of_any_size_give_the_same_bits() {
    let recipe = Recipe {
        seed: 5,
        requests: requests(&[(13, 700), (0, 50), (1, 127), (9, 0)]),
        heads: 8,
        kv_heads: 2,
        ..Recipe::default()
    };
    let (trace, ids) = hostile(recipe);
    let hopper =
        (1..=AttendParams::PREFILL_ROWS).map(|tile_rows| (tile_rows, Kernel::Hopper { tile_rows }));
    let blackwell = (1..=AttendParams::BLACKWELL_PREFILL_ROWS)
        .map(|tile_rows| (tile_rows, Kernel::Blackwell { tile_rows }));
    for (tile_rows, kernel) in hopper.chain(blackwell) {
        let (stages, order) = (2 + tile_rows % 4, Order::Random(tile_rows.into()));
        let attended = run(kernel, &trace, &ids, target_of(kernel), stages, order);
        judge_by_decode(&trace, &ids, &attended);
    }
}

/// So many blocks that their bitmap takes two turns; and the table has fewer than the request has.
#[test]
fn lists_over_more_than_a_million_tokens_are_in_order() {
    let recipe =
        Recipe { requests: requests(&[(10, 300)]), selection: topk(6), ..Recipe::default() };
    let mut trace = recipe.trace();
    // Those that are full.
    let pages = trace.kv_page_table.data()[..2].to_vec();
    let table = pages.into_iter().cycle().take(8200).collect();
    trace.kv_page_table = Tensor::new([1, 8200], table);
    trace.cache_lengths = vec![8200 * BLOCK as u32 + 300];
    // The last one is not in the table.
    let list = |row: i32| [8199, 31 + row, 8191, 0, 8192 + row % 3, 8200 - row % 2];
    let ids = Tensor::new([1, 10, 6], (0..10).flat_map(list).collect());
    for kernel in [HOPPER, BLACKWELL] {
        let attended = run(kernel, &trace, &ids, target_of(kernel), 2, Order::Random(1));
        judge_by_decode(&trace, &ids, &attended);
    }
}

/// The step of some rows alone, the last ones of a request.
fn last_rows(
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    request: usize,
    rows: usize,
) -> (Trace, Tensor<i32, 3>) {
    let [_, heads, _] = trace.q.shape();
    let [kv_heads, all_rows, slots] = ids.shape();
    let end = trace.row_offsets[request + 1] as usize;
    let own = (end - trace.row_offsets[request] as usize) as u32;
    let width = trace.kv_page_table.shape()[1];
    let table = trace.kv_page_table.data()[request * width..][..width].to_vec();
    let ids: Vec<i32> = (0..kv_heads)
        .flat_map(|head| &ids.data()[(head * all_rows + end - rows) * slots..][..rows * slots])
        .copied()
        .collect();
    let line = heads * HEAD_DIM;
    let part = Trace {
        row_offsets: vec![0, rows as u32],
        cache_lengths: vec![trace.cache_lengths[request] + own - rows as u32],
        q: Tensor::new(
            [rows, heads, HEAD_DIM],
            trace.q.data()[(end - rows) * line..end * line].to_vec(),
        ),
        kv_page_table: Tensor::new([1, width], table),
        expected: None,
        ..trace.clone()
    };
    (part, Tensor::new([kv_heads, rows, slots], ids))
}

#[test]
fn neighbours_do_not_change_a_bit() {
    ALL.into_iter().for_each(neighbours_do_not_change_a_bit_of);
}

fn neighbours_do_not_change_a_bit_of(kernel: Kernel) {
    let recipe = Recipe {
        seed: 3,
        requests: requests(&[(5, 300), (21, 1200), (2, 0)]),
        heads: 8,
        kv_heads: 2,
        ..Recipe::default()
    };
    let (trace, ids) = hostile(recipe);
    let all = run(kernel, &trace, &ids, target_of(kernel), 3, Order::InTurn);
    // The request alone, and rows of it that then lie in other tiles, at other places.
    for rows in [21, 18, 9, 1] {
        let (part, part_ids) = last_rows(&trace, &ids, 1, rows);
        let alone = run(kernel, &part, &part_ids, target_of(kernel), 3, Order::InTurn);
        let (output, lse) = (all.output.data(), all.lse.data());
        assert_eq!(alone.output.data(), &output[(26 - rows) * 8 * HEAD_DIM..26 * 8 * HEAD_DIM]);
        assert_eq!(alone.lse.data(), &lse[(26 - rows) * 8..26 * 8]);
    }
}

#[test]
fn what_later_rows_bring_does_not_reach_a_row() {
    ALL.into_iter().for_each(what_later_rows_bring_does_not_reach_a_row_of);
}

fn what_later_rows_bring_does_not_reach_a_row_of(kernel: Kernel) {
    let recipe = Recipe { seed: 4, requests: requests(&[(9, 300)]), ..Recipe::default() };
    let mut trace = recipe.trace();
    let ids = overlapping_ids(&recipe, 0.0);
    let clean = run(kernel, &trace, &ids, target_of(kernel), 2, Order::InTurn);
    // The last row's own key and value, which no other row sees.
    let page = trace.kv_page_table.data()[308 / BLOCK] as usize;
    let plane = BLOCK * HEAD_DIM;
    for plane_start in [2 * page * plane, (2 * page + 1) * plane] {
        let token = plane_start + 308 % BLOCK * HEAD_DIM;
        trace.kv_pages.data_mut()[token..][..HEAD_DIM].fill(half::bf16::NAN);
    }
    let poisoned = run(kernel, &trace, &ids, target_of(kernel), 2, Order::InTurn);
    let len = 8 * 16 * HEAD_DIM;
    assert_eq!(poisoned.output.data()[..len], clean.output.data()[..len]);
    assert_eq!(poisoned.lse.data()[..8 * 16], clean.lse.data()[..8 * 16]);
    assert!(poisoned.output.data()[len..].iter().all(|value| value.is_nan()));
}

/// Neighbours choose as they do in real traffic: what the tile costs.
#[test]
fn a_tile_reads_each_block_once_and_multiplies_little_in_vain() {
    ALL.into_iter().for_each(a_tile_reads_each_block_once_and_multiplies_little_in_vain_of);
}

fn a_tile_reads_each_block_once_and_multiplies_little_in_vain_of(kernel: Kernel) {
    let recipe = Recipe { requests: requests(&[(24, 8100)]), ..Recipe::default() };
    let mut trace = recipe.trace();
    let ids = overlapping_ids(&recipe, 0.875);
    trace.block_ids = BlockIds::Given(ids.clone(), None);
    let trace = with_expected(trace);
    let attended = run(kernel, &trace, &ids, target_of(kernel), 4, Order::InTurn);
    judge(&trace, &ids, &attended);

    let keys_of = |block: i32, end: usize| (end - block as usize * BLOCK).min(BLOCK) as u64;
    let blocks = |rows: &[i32]| {
        let mut blocks: Vec<i32> = rows.iter().copied().filter(|id| *id >= 0).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    };
    let slots = trace.selection.topk;
    let tile_rows = if kernel == BLACKWELL { 16 } else { 8 };
    let tiles = ids.data().chunks(tile_rows * slots).zip((8101..).step_by(tile_rows));
    // By a tensor map a block is copied as a whole, where it ends with the request, too; and its values by both blocks of a pair
    // where a row of the tile does not see all of them.
    let copied = |block: i32, end: usize| match kernel {
        Kernel::Portable => keys_of(block, 8124),
        Kernel::Blackwell { .. } if keys_of(block, end) < BLOCK as u64 => 3 * BLOCK as u64 / 2,
        Kernel::Hopper { .. } | Kernel::Blackwell { .. } => BLOCK as u64,
    };
    let keys: u64 = tiles
        .flat_map(|(rows, end)| blocks(rows).into_iter().map(move |block| copied(block, end)))
        .sum();
    let useful: u64 = ids
        .data()
        .chunks(slots)
        .zip(8101..)
        .flat_map(|(row, end)| blocks(row).into_iter().map(move |block| keys_of(block, end)))
        .map(|keys| 4 * keys * 16 * HEAD_DIM as u64)
        .sum();
    // Beside K and V: queries, ids three times at most, pages, and a few numbers.
    let counters = &attended.counters[0];
    let rest = 24 * (16 * 256 + 8 * 4 * slots as u64) + 4096;
    let moved = 32 * counters.totals.global_loads.sectors;
    let fewest = keys * 2 * 256;
    let issued: u64 = counters.mma_flops.values().sum();
    let shared = counters.totals.shared;
    assert!(moved <= fewest + rest);
    // A product of Hopper's is of four rows, and one of Blackwell's of sixteen, also where one of them alone has chosen the
    // block; and a third of the last tile's rows of Blackwell's are not there.
    let least = match kernel {
        Kernel::Portable => 90,
        Kernel::Hopper { .. } => 70,
        Kernel::Blackwell { .. } => 37,
    };
    assert!(100 * useful >= least * issued, "{useful} of {issued}");
    // Those that it has are of its lists. Boxes of a tensor map come to shared memory without an access of a warp.
    let most = if kernel == Kernel::Portable { 1 } else { 5 };
    assert!(100 * shared.conflicts <= most * shared.accesses);
}
