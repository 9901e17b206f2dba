//! Any step that the contract allows gives what the oracle says.

use msa::Backend;
use msa::trace::BlockIds;
use msa_tests::check::check_rows;
use msa_tests::generate::{Recipe, Request, hostile_ids};
use msa_tests::run::run;
use proptest::prelude::*;

use crate::steps::{assert_right, cases, recipes, step};

proptest! {
    #![proptest_config(cases(128))]

    /// Poisoned tails, shuffled and shared pages, garbage table entries, empty requests, forced blocks
    /// and ties are in every recipe.
    #[test]
    fn any_step_is_right(recipe in recipes()) {
        assert_right(recipe.trace());
    }

    /// Lists hold what an engine may put there: -1, duplicates, blocks past the horizon, and ids that
    /// no request has, up to the extremes of i32.
    #[test]
    fn any_given_lists_are_attended_to(recipe in recipes()) {
        let mut trace = recipe.trace();
        trace.block_ids = BlockIds::Given(hostile_ids(&trace, recipe.seed), None);
        assert_right(trace);
    }
}

#[test]
fn lengths_about_a_block_are_right_on_every_route() {
    for new_tokens in [1, 2, 8, 9] {
        let lengths = [1, 2, 8, 9, 126, 127, 128, 129, 255, 256, 257].into_iter();
        let requests: Vec<(usize, usize)> = lengths
            .filter(|&length| length >= new_tokens)
            .map(|length| (new_tokens, length - new_tokens))
            .collect();
        assert_right(step(&requests).trace());
    }
}

#[test]
fn every_group_is_right() {
    for (kv_heads, group) in
        [1, 2, 4].into_iter().flat_map(|kv| [1, 2, 4, 8, 12, 16].map(|g| (kv, g)))
    {
        let recipe =
            Recipe { heads: kv_heads * group, kv_heads, ..step(&[(1, 300), (3, 254), (11, 120)]) };
        assert_right(recipe.trace());
    }
}

#[test]
fn every_speculative_width_is_right() {
    for width in 2..=8 {
        assert_right(step(&[(width, 0), (width, 125), (width, 128), (width, 1000)]).trace());
    }
}

#[test]
fn a_batch_mixes_prefill_decode_and_requests_without_rows() {
    let recipe = step(&[(1, 3000), (0, 77), (40, 0), (1, 127), (0, 0), (9, 500)]);
    assert_right(recipe.trace());
}

#[test]
fn softmax_is_right_where_it_is_flat_and_where_it_is_sharp() {
    for scale in [0.0, -0.1, 1.0, 8.0] {
        let mut trace = step(&[(1, 700), (5, 254)]).trace();
        trace.scale = scale;
        assert_right(trace);
    }
}

#[test]
fn long_contexts_are_right() {
    let recipe = Recipe { requests: vec![Request::new(2, 40_000)], ..Recipe::default() };
    let trace = recipe.trace();
    let outcome = run(&trace, &Backend::default());
    let verdict = check_rows(&trace, &outcome, [0, 1]).expect("an outcome of this step");
    assert!(verdict.passed(), "{verdict:?}");
}

#[test]
fn nothing_to_do_is_done() {
    for recipe in [step(&[]), step(&[(0, 0), (0, 500)])] {
        let trace = recipe.trace();
        let outcome = run(&trace, &Backend::default());
        assert_eq!(outcome.dispatch.route, msa::Route::Empty);
        assert_eq!(outcome.output.shape(), [0, 16, 128]);
    }
}
