//! The indexer on the device, against the oracle.

use cuda_sim::Order;
use half::bf16;
use msa::trace::{BlockIds, Tensor, Trace};
use msa::{BLOCK, HEAD_DIM, IdOrder, Selection};
use msa_abi::IndexParams;
use msa_tests::check::wrong_lists;
use msa_tests::generate::{Recipe, Request, Values};
use msa_tests::kernels::FILES;
use msa_tests::kernels::index::{Kernel, Scored, Selected, Split, UNWRITTEN, decode, prefill};
use msa_tests::oracle;

const ALL: [Kernel; 3] = [Kernel::Portable, Kernel::Hopper, Kernel::Blackwell];

/// A file that has the kernel, and its device.
fn target_of(kernel: Kernel) -> (&'static str, &'static str) {
    match kernel {
        Kernel::Portable | Kernel::Hopper => FILES[1],
        Kernel::Blackwell => FILES[3],
    }
}

fn requests(requests: &[(usize, usize)]) -> Vec<Request> {
    requests.iter().map(|(new_tokens, cached)| Request::new(*new_tokens, *cached)).collect()
}

fn selection(topk: usize, init_blocks: usize, local_blocks: usize, id_order: IdOrder) -> Selection {
    Selection { topk, init_blocks, local_blocks, id_order }
}

/// A step whose scores are exact, with `kv_heads` index heads.
fn exact(seed: u64, index_heads: usize, batch: &[(usize, usize)]) -> Recipe {
    Recipe {
        seed,
        requests: requests(batch),
        heads: index_heads,
        kv_heads: index_heads,
        values: Values::SmallIntegers,
        ..Recipe::default()
    }
}

/// The step with NaN, infinities and large numbers among the keys that rows see: whole keys, and so many that some
/// blocks have no other.
fn with_hostile_keys(mut trace: Trace) -> Trace {
    let BlockIds::Indexer(inputs) = &mut trace.block_ids else {
        panic!("a recipe gives the indexer's operands");
    };
    let kinds = [bf16::NAN, bf16::INFINITY, bf16::from_f32(-1e4), bf16::NEG_INFINITY];
    for (nth, key) in inputs.index_k_pages.data_mut().chunks_mut(HEAD_DIM).enumerate() {
        let (page, token) = (nth / BLOCK, nth % BLOCK);
        match page % 4 {
            0 => key[nth % HEAD_DIM] = bf16::NAN,
            1 if token % 3 == 0 => key[nth % HEAD_DIM] = kinds[nth / 3 % 4],
            _ => {}
        }
    }
    trace
}

/// The first rows of each head's, without the padding after them, which has to be empty.
fn without_padding(ids: &Tensor<i32, 3>, rows: usize) -> Tensor<i32, 3> {
    let [heads, all, topk] = ids.shape();
    let of_heads = || ids.data().chunks(all * topk);
    assert!(of_heads().all(|ids| ids[rows * topk..].iter().all(|id| *id == -1)), "padding");
    Tensor::new(
        [heads, rows, topk],
        of_heads().flat_map(|ids| &ids[..rows * topk]).copied().collect(),
    )
}

fn judge_ids(trace: &Trace, ids: &Tensor<i32, 3>, what: &str) {
    let ids = without_padding(ids, trace.q.shape()[0]);
    assert_eq!(wrong_lists(trace, &ids), 0, "{what}");
}

/// Every score of a horizon, and nothing beyond it.
fn judge_scores(trace: &Trace, scored: &Scored, what: &str) {
    let [heads, rows, stride] = scored.scores.shape();
    for (line, scores) in scored.scores.data().chunks(stride).enumerate() {
        let (head, row) = (line / rows, line % rows);
        let expected = match row < trace.q.shape()[0] {
            true => oracle::scores(trace, row, head),
            false => vec![],
        };
        let (seen, beyond) = scores.split_at(expected.len());
        for (block, (&score, expected)) in seen.iter().zip(expected).enumerate() {
            let is_right = f64::from(score) == expected
                || (f64::from(score) - expected).abs() <= 1e-3 + 1e-3 * expected.abs();
            assert!(
                is_right,
                "{what}: row {row}, head {head} of {heads}, block {block}: {score}, not {expected}"
            );
        }
        assert!(beyond.iter().all(|score| *score == UNWRITTEN), "{what}: row {row}, head {head}");
    }
}

fn run_decode(
    trace: &Trace,
    padding: u32,
    target: (&str, &str),
    split: Split,
    order: Order,
) -> Scored {
    let what = format!("{target:?}, {split:?}, {order:?}");
    let scored = decode(trace, padding, target, split, order)
        .unwrap_or_else(|fault| panic!("{what}: {fault}"));
    judge_scores(trace, &scored, &what);
    judge_ids(trace, &scored.block_ids, &what);
    scored
}

#[test]
fn decode_is_right_on_every_device() {
    let recipe = Recipe {
        requests: requests(&[(1, 5000), (0, 300), (1, 0), (1, 127), (1, 128)]),
        shared_blocks: 3,
        ..Recipe::default()
    };
    let exact = exact(1, 2, &[(4, 1000), (1, 2600)]).trace();
    for (seed, target) in (0..).zip(FILES) {
        for order in [Order::InTurn, Order::Random(seed)] {
            let split = Split { splits: 2, stages: 2 };
            run_decode(&recipe.trace(), 2, target, split, order);
            run_decode(&exact, 0, target, split, order);
        }
    }
}

#[test]
fn the_split_of_decode_does_not_change_a_bit() {
    let recipe =
        Recipe { seed: 3, requests: requests(&[(2, 48_000), (1, 40)]), ..Recipe::default() };
    let trace = recipe.trace();
    let whole = run_decode(&trace, 0, FILES[1], Split { splits: 1, stages: 2 }, Order::InTurn);
    for (splits, stages) in [(2, 4), (3, 6), (7, 5), (40, 2)] {
        let split = Split { splits, stages };
        let other = run_decode(&trace, 0, FILES[1], split, Order::Random(splits.into()));
        assert!(other.scores == whole.scores && other.block_ids == whole.block_ids, "{split:?}");
    }
}

#[test]
fn speculative_rows_and_several_heads_are_right() {
    for (seed, (index_heads, width)) in (0..).zip([(1, 8), (2, 5), (3, 7), (4, 4), (8, 3), (16, 2)])
    {
        let batch = [(width, 700), (0, 9), (width - 1, 126), (1, 383)];
        let recipe = Recipe {
            layers: 2,
            layer_idx: 1,
            selection: selection(5, 1, 2, IdOrder::Ascending),
            ..exact(seed, index_heads, &batch)
        };
        let split = Split { splits: 1 + seed as u32 % 3, stages: 2 + seed as u32 % 3 };
        run_decode(&recipe.trace(), seed as u32, FILES[1], split, Order::Random(seed));
    }
}

#[test]
fn decode_passes_over_keys_that_are_no_numbers() {
    for seed in 0..3 {
        let trace = with_hostile_keys(exact(seed, 2, &[(3, 2000), (1, 500)]).trace());
        run_decode(&trace, 1, FILES[1], Split { splits: 1, stages: 3 }, Order::Random(seed));
    }
}

#[test]
fn decode_reads_each_key_once_and_waits_for_no_bank() {
    let trace = Recipe { requests: requests(&[(4, 16_000)]), ..Recipe::default() }.trace();
    let scored = run_decode(&trace, 0, FILES[1], Split { splits: 2, stages: 3 }, Order::InTurn);
    let totals = &scored.counters[0].totals;
    let fewest = 256 * 16_004;
    let moved = 32 * totals.global_loads.sectors;
    assert!(moved as f64 <= 1.02 * fewest as f64, "{moved} bytes are moved, {fewest} needed");
    assert_eq!(totals.shared.conflicts, 0);
}

fn run_prefill(
    kernel: Kernel,
    trace: &Trace,
    padding: u32,
    target: (&str, &str),
    split: Split,
    order: Order,
) -> Selected {
    let what = format!("{kernel:?}, {target:?}, {split:?}, {order:?}");
    let selected = prefill(kernel, trace, padding, target, split, order)
        .unwrap_or_else(|fault| panic!("{what}: {fault}"));
    judge_ids(trace, &selected.block_ids, &what);
    selected
}

#[test]
fn prefill_is_right_on_every_device() {
    let batch = [(150, 1000), (0, 300), (9, 126), (1, 2500), (20, 0)];
    let normal =
        Recipe { requests: requests(&batch), shared_blocks: 2, ..Recipe::default() }.trace();
    let exact = exact(5, 2, &batch).trace();
    for (seed, target) in (0..).zip(FILES) {
        let order = Order::Random(seed);
        let kernel = Kernel::Portable;
        run_prefill(kernel, &normal, 3, target, Split { splits: 1, stages: 2 }, Order::InTurn);
        run_prefill(kernel, &exact, 2, target, Split { splits: 3, stages: 2 }, order);
    }
    for kernel in [Kernel::Hopper, Kernel::Blackwell] {
        let target = target_of(kernel);
        run_prefill(kernel, &normal, 3, target, Split { splits: 1, stages: 2 }, Order::InTurn);
        for seed in 0..3 {
            let order = Order::Random(seed);
            run_prefill(kernel, &exact, 2, target, Split { splits: 3, stages: 2 }, order);
        }
    }
}

#[test]
fn prefill_selects_what_decode_does_however_it_is_split() {
    let recipe = Recipe {
        seed: 6,
        requests: requests(&[(140, 5000), (3, 900)]),
        selection: selection(6, 1, 1, IdOrder::Score),
        ..Recipe::default()
    };
    let trace = recipe.trace();
    let scored = run_decode(&trace, 0, FILES[1], Split { splits: 1, stages: 2 }, Order::InTurn);
    for (splits, stages) in [(1, 1), (1, 6), (2, 3), (3, 4), (5, 5), (7, 2), (60, 1)] {
        for kernel in ALL {
            // Blocks of others have at least two stages, and room for five.
            let stages = if kernel == Kernel::Portable { stages } else { stages.clamp(2, 5) };
            let split = Split { splits, stages };
            let order = Order::Random(splits.into());
            let selected = run_prefill(kernel, &trace, 0, target_of(kernel), split, order);
            assert_eq!(selected.block_ids, scored.block_ids, "{kernel:?}, {split:?}");
        }
    }
}

/// A key has all bits of its score. The request is one tile of every kernel, so that parts are of the same blocks.
#[test]
fn all_kernels_of_prefill_find_the_same_scores_to_the_bit() {
    let recipe = |values| Recipe {
        values,
        selection: selection(5, 1, 1, IdOrder::Score),
        ..exact(11, 4, &[(25, 3000)])
    };
    let normal = recipe(Recipe::default().values).trace();
    for trace in [normal, with_hostile_keys(recipe(Values::SmallIntegers).trace())] {
        let keys = ALL.map(|kernel| {
            let split = Split { splits: 2, stages: 2 };
            let target = target_of(kernel);
            run_prefill(kernel, &trace, 0, target, split, Order::Random(4)).partial_keys
        });
        assert!(keys.windows(2).all(|two| two[0] == two[1]));
    }
}

#[test]
fn lists_of_every_length_and_order_are_right() {
    for (seed, (topk, init_blocks, local_blocks)) in (0..).zip([
        (1, 0, 1),
        (2, 3, 1),
        (3, 1, 1),
        (16, 0, 0),
        (33, 2, 9),
        (40, 0, 1),
        (64, 0, 1),
        (64, 99, 0),
    ]) {
        for id_order in [IdOrder::Score, IdOrder::Ascending] {
            let recipe = Recipe {
                selection: selection(topk, init_blocks, local_blocks, id_order),
                ..exact(seed, 1, &[(17, 9000), (12, 30)])
            };
            for splits in [1, 4] {
                let split = Split { splits, stages: 2 };
                for kernel in ALL {
                    let most = IndexParams::BLACKWELL_PREFILL_TOPK as usize;
                    if kernel != Kernel::Blackwell || topk <= most {
                        let (trace, target) = (recipe.trace(), target_of(kernel));
                        run_prefill(kernel, &trace, 1, target, split, Order::Random(seed));
                    }
                }
            }
        }
    }
}

#[test]
fn padding_selects_nothing_whoever_else_is_there() {
    let batches: [&[(usize, usize)]; 3] = [&[(0, 300)], &[(0, 0), (0, 5000)], &[(0, 9), (11, 200)]];
    for batch in batches {
        for (splits, id_order) in [(1, IdOrder::Score), (3, IdOrder::Ascending)] {
            let recipe = Recipe { selection: selection(40, 0, 1, id_order), ..exact(8, 2, batch) };
            let split = Split { splits, stages: 2 };
            for kernel in ALL {
                run_prefill(
                    kernel,
                    &recipe.trace(),
                    300,
                    target_of(kernel),
                    split,
                    Order::Random(1),
                );
            }
            run_decode(&recipe.trace(), 300, FILES[1], split, Order::Random(2));
        }
    }
}

/// A block of threads has 99 KiB of shared memory there: beside such lists, one stage.
#[test]
fn the_longest_lists_fit_the_smallest_device() {
    let recipe = Recipe {
        selection: selection(64, 1, 1, IdOrder::Score),
        ..exact(9, 2, &[(70, 9000), (3, 200)])
    };
    let trace = recipe.trace();
    for splits in [1, 3] {
        let split = Split { splits, stages: 1 };
        run_prefill(Kernel::Portable, &trace, 1, FILES[4], split, Order::Random(3));
    }
}

/// Where no block is forced and all are listed, their order tells whether each row saw the keys that it may.
#[test]
fn no_row_of_prefill_sees_a_later_key() {
    let recipe = Recipe {
        selection: selection(9, 0, 0, IdOrder::Score),
        ..exact(7, 1, &[(140, 500), (30, 0), (16, 120)])
    };
    for splits in [1, 2] {
        let split = Split { splits, stages: 2 };
        for kernel in ALL {
            run_prefill(kernel, &recipe.trace(), 0, target_of(kernel), split, Order::InTurn);
        }
    }
}

#[test]
fn prefill_of_several_heads_and_layers_is_right() {
    for (seed, index_heads) in (0..).zip([2, 3, 4, 8]) {
        let recipe = Recipe {
            layers: 2,
            layer_idx: 1,
            selection: selection(4, 0, 1, IdOrder::Ascending),
            ..exact(seed, index_heads, &[(70, 700), (0, 9), (2, 126), (1, 383)])
        };
        let split = Split { splits: 1 + seed as u32 % 2, stages: 3 };
        for kernel in ALL {
            run_prefill(
                kernel,
                &recipe.trace(),
                200,
                target_of(kernel),
                split,
                Order::Random(seed),
            );
        }
    }
}

#[test]
fn prefill_passes_over_keys_that_are_no_numbers() {
    for seed in 0..3 {
        let trace = with_hostile_keys(exact(seed, 2, &[(75, 2000), (10, 500)]).trace());
        let split = Split { splits: 1 + seed as u32, stages: 2 };
        for kernel in ALL {
            run_prefill(kernel, &trace, 1, target_of(kernel), split, Order::Random(seed));
        }
    }
}

#[test]
fn scales_of_every_sign_select_what_decode_does() {
    for (seed, scale) in (0..).zip([-0.25, 0.0, -0.0, 1e-40]) {
        let mut trace = with_hostile_keys(exact(seed, 1, &[(140, 3000), (10, 100)]).trace());
        let BlockIds::Indexer(inputs) = &mut trace.block_ids else {
            panic!("a recipe gives the indexer's operands");
        };
        inputs.index_scale = scale;
        let split = Split { splits: 1, stages: 2 };
        let scored = run_decode(&trace, 0, FILES[1], split, Order::InTurn);
        for kernel in ALL {
            let selected =
                run_prefill(kernel, &trace, 0, target_of(kernel), split, Order::Random(seed));
            assert_eq!(selected.block_ids, scored.block_ids, "{kernel:?}, {scale}");
        }
    }
}

#[test]
fn a_full_tile_multiplies_little_in_vain() {
    let (rows, cached) = (128, 8192);
    let trace = Recipe { requests: requests(&[(rows, cached)]), ..Recipe::default() }.trace();
    let split = Split { splits: 1, stages: 2 };
    let seen: usize = (0..rows).map(|row| cached + row + 1).sum();
    for kernel in ALL {
        let selected = run_prefill(kernel, &trace, 0, target_of(kernel), split, Order::InTurn);
        let counters = &selected.counters[0];
        let issued: u64 = counters.mma_flops.values().sum();
        let useful = (2 * HEAD_DIM * seen) as f64 / issued as f64;
        assert!(useful >= 0.9, "{kernel:?}: {useful}");
    }
}
