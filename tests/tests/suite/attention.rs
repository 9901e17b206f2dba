//! What attention makes of the lists of ids it is given.

use msa::Backend;
use msa::trace::{BlockIds, Outcome, Tensor, Trace};
use msa_tests::run::run;
use proptest::prelude::*;

use crate::steps::{assert_right, cases, recipes, step};

proptest! {
    #![proptest_config(cases(32))]

    /// An id that is no block of the request, wherever it stands, is as good as none.
    #[test]
    fn ids_of_no_block_are_skipped(mut recipe in recipes()) {
        recipe.selection.topk = recipe.selection.topk.min(32);
        let trace = recipe.trace();
        let plain = run(&trace, &Backend::default());

        let keys = recipe.requests.iter().map(|request| request.cached + request.new_tokens);
        let blocks = keys.max().unwrap_or(0).div_ceil(128) as i32;
        let nobody = [-1, i32::MIN, i32::MAX, -128, blocks, blocks + 1].into_iter().cycle();
        let lists = plain.block_ids.data().iter().zip(nobody);
        let lists = lists.flat_map(|(&id, nobody)| [nobody, id]).collect();
        let padded = attend(trace, lists);
        prop_assert_eq!(padded.output, plain.output);
        prop_assert_eq!(padded.lse, plain.lse);
    }

    #[test]
    fn the_order_of_a_list_does_not_matter(recipe in recipes()) {
        let trace = recipe.trace();
        let plain = run(&trace, &Backend::default());
        let mut lists = plain.block_ids.data().to_vec();
        lists.chunks_exact_mut(recipe.selection.topk).for_each(<[i32]>::reverse);
        let reversed = attend(trace, lists);
        prop_assert_eq!(reversed.output, plain.output);
        prop_assert_eq!(reversed.lse, plain.lse);
    }
}

#[test]
fn a_list_without_a_key_in_sight_gives_zero() {
    // Rows 0 to 3 are at the end of block 0, rows 4 to 7 at the start of block 1; there is no block 2.
    let trace = step(&[(8, 124)]).trace();
    for blind in [[-1, -1], [2, -1], [i32::MAX, i32::MIN], [-128, 2]] {
        let outcome = attend(trace.clone(), [blind; 8].concat());
        assert!(outcome.output.data().iter().all(|element| element.to_bits() == 0), "{blind:?}");
        assert!(outcome.lse.data().iter().all(|&lse| lse == f32::NEG_INFINITY), "{blind:?}");
    }
    let outcome = attend(trace, [[1, -1]; 8].concat());
    let (blind, sighted) = outcome.lse.data().split_at(4 * 16);
    assert!(blind.iter().all(|&lse| lse == f32::NEG_INFINITY));
    assert!(sighted.iter().all(|lse| lse.is_finite()));
    let (blind, sighted) = outcome.output.data().split_at(4 * 16 * 128);
    assert!(blind.iter().all(|element| element.to_bits() == 0));
    assert!(sighted.iter().all(|element| element.is_finite() && element.to_bits() != 0));
}

#[test]
fn a_block_counts_as_often_as_it_is_listed() {
    let trace = step(&[(1, 1000), (3, 254)]).trace();
    let once = attend(trace.clone(), [[0, 1, -1]; 4].concat());
    let twice = attend(trace.clone(), [[0, 1, 0, -1, 1]; 4].concat());
    assert_eq!(twice.output, once.output);
    for (twice, once) in twice.lse.data().iter().zip(once.lse.data()) {
        assert!((twice - once - 2_f32.ln()).abs() < 1e-5, "{twice} for twice {once}");
    }
    assert_right(with_lists(trace, [[0, 1, 1, 1]; 4].concat()));
}

/// The block that a row is in, and in which it sees a part alone, is not the last of its list.
#[test]
fn a_partial_block_may_stand_anywhere() {
    for cached in [128, 129, 200, 254, 255] {
        for list in [[1, 0, -1], [0, 1, -1], [-1, 1, 0], [1, -1, -1]] {
            assert_right(with_lists(step(&[(1, cached)]).trace(), list.to_vec()));
        }
    }
}

/// The step with these lists for every KV head and row.
fn with_lists(mut trace: Trace, ids: Vec<i32>) -> Trace {
    let (rows, kv_heads) = (trace.q.shape()[0], trace.kv_pages.shape()[4]);
    trace.selection.topk = ids.len().checked_div(rows * kv_heads).unwrap_or(1);
    let shape = [kv_heads, rows, trace.selection.topk];
    trace.block_ids = BlockIds::Given(Tensor::new(shape, ids), None);
    trace
}

fn attend(trace: Trace, ids: Vec<i32>) -> Outcome {
    run(&with_lists(trace, ids), &Backend::default())
}
