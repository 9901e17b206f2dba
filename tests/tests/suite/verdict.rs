//! The check of an outcome passes what is right, and nothing else.

use half::bf16;
use msa::trace::{BlockIds, Outcome, Tensor, Trace};
use msa::{Backend, IdOrder, Selection};
use msa_tests::check::{CheckError, Verdict, check, check_rows};
use msa_tests::generate::{Recipe, Values, hostile_ids, with_expected};
use msa_tests::memory::{index_key, main_token};
use msa_tests::oracle;
use msa_tests::run::run;

use crate::steps::step;

fn judged(trace: &Trace, spoil: impl FnOnce(&mut Outcome)) -> Verdict {
    let mut outcome = run(trace, &Backend::default());
    spoil(&mut outcome);
    check(trace, &outcome).expect("the trace has expected values")
}

/// Two rows with 8 blocks each, of which 4 are selected.
fn recipe() -> Recipe {
    let selection = Selection { topk: 4, ..Selection::MINIMAX_M3 };
    Recipe { selection, ..step(&[(2, 1000)]) }
}

fn trace() -> Trace {
    with_expected(recipe().trace())
}

#[test]
fn what_is_right_passes() {
    let verdict = judged(&trace(), |_| ());
    assert!(verdict.passed());
    assert!(0.0 < verdict.max_error && verdict.max_error < 2e-2, "{verdict:?}");
    assert!(0.0 < verdict.relative_norm && verdict.relative_norm < 4e-3, "{verdict:?}");
}

#[test]
fn nothing_expected_is_no_pass() {
    let mut trace = recipe().trace();
    let outcome = run(&trace, &Backend::default());
    assert_eq!(check(&trace, &outcome), Err(CheckError::NothingExpected("output")));
    trace = with_expected(trace);
    if let Some(expected) = &mut trace.expected {
        expected.block_ids = None;
    }
    assert_eq!(check(&trace, &outcome), Err(CheckError::NothingExpected("block_ids")));
}

#[test]
fn another_steps_outcome_is_no_pass() {
    let mut outcome = run(&trace(), &Backend::default());
    outcome.lse = Tensor::filled(0.0, [2, 15]);
    let error = check(&trace(), &outcome).expect_err("15 heads for 16");
    assert_eq!(error.to_string(), "tensor lse has shape [2, 15], expected [2, 16]");
}

#[test]
fn a_nan_anywhere_is_seen() {
    for element in [0, 1, 2 * 16 * 128 - 1] {
        let verdict = judged(&trace(), |outcome| outcome.output.data_mut()[element] = bf16::NAN);
        assert!(!verdict.passed() && verdict.wrong_outputs == 1);
        assert!(verdict.max_error.is_nan() && verdict.relative_norm.is_nan());
    }
    let verdict = judged(&trace(), |outcome| outcome.lse.data_mut()[31] = f32::NAN);
    assert!(!verdict.passed() && verdict.wrong_lses == 1 && verdict.lse_error.is_nan());
}

/// A row that sees a value of NaN, an infinite one and a finite one gives exactly that, and its neighbour none of it.
#[test]
fn nan_and_infinities_must_be_where_they_must() {
    let mut trace = step(&[(2, 100)]).trace();
    let value = main_token(&mut trace, 1, 0, 101);
    (value[3], value[5]) = (bf16::NAN, bf16::NEG_INFINITY);
    let trace = with_expected(trace);
    let [nan, infinity] = [16 * 128 + 3, 16 * 128 + 5];
    let verdict = judged(&trace, |outcome| {
        assert!(outcome.output.data()[nan].is_nan());
        assert_eq!(outcome.output.data()[infinity], bf16::NEG_INFINITY);
    });
    assert!(verdict.passed() && verdict.relative_norm > 0.0, "{verdict:?}");
    for (element, wrong) in [
        (nan, bf16::ZERO),
        (nan, bf16::INFINITY),
        (infinity, bf16::NAN),
        (infinity, bf16::INFINITY),
        (infinity, bf16::MIN),
        (3, bf16::NAN),
        (5, bf16::NEG_INFINITY),
    ] {
        let verdict = judged(&trace, |outcome| outcome.output.data_mut()[element] = wrong);
        assert!(!verdict.passed() && verdict.wrong_outputs == 1, "{wrong} for {element}");
    }
}

#[test]
fn errors_out_of_tolerance_are_seen() {
    let verdict = judged(&trace(), |outcome| outcome.output.data_mut()[5] += bf16::from_f32(0.04));
    assert!(!verdict.passed() && verdict.wrong_outputs == 1, "{verdict:?}");
    let verdict = judged(&trace(), |outcome| outcome.output.data_mut()[5] = bf16::INFINITY);
    assert!(!verdict.passed() && verdict.wrong_outputs == 1, "{verdict:?}");
    for lse in [f32::NEG_INFINITY, f32::INFINITY, 0.0] {
        let verdict = judged(&trace(), |outcome| outcome.lse.data_mut()[0] = lse);
        assert!(!verdict.passed() && verdict.wrong_lses == 1, "{verdict:?}");
    }
    // Small everywhere: each element is within its tolerance, the tensor is not.
    let verdict = judged(&trace(), |outcome| {
        for element in outcome.output.data_mut() {
            *element = bf16::from_f32(element.to_f32() * 1.01);
        }
    });
    assert!(!verdict.passed() && verdict.wrong_outputs == 0, "{verdict:?}");
}

#[test]
fn an_empty_row_must_be_empty() {
    let mut trace = step(&[(1, 100)]).trace();
    trace.selection.topk = 1;
    trace.block_ids = BlockIds::Given(Tensor::filled(-1, [1, 1, 1]), None);
    let trace = with_expected(trace);
    assert!(judged(&trace, |_| ()).passed());
    assert!(!judged(&trace, |outcome| outcome.lse.data_mut()[0] = -1e30).passed());
    assert!(!judged(&trace, |outcome| outcome.output.data_mut()[0] = bf16::EPSILON).passed());
}

/// Ids that no rounding error explains.
#[test]
fn wrong_lists_are_seen() {
    let spoils: [fn(&mut [i32]); 7] = [
        |ids| ids[3] = -1,
        |ids| ids[3] = ids[2],
        |ids| ids[3] = 8,
        |ids| ids[3] = i32::MIN,
        |ids| ids[1..].reverse(),
        |ids| ids[..2].reverse(), // the local block is the first
        |ids| ids[3] = (0..8).find(|id| !ids.contains(id)).expect("4 of 8 are chosen"),
    ];
    for order in [IdOrder::Score, IdOrder::Ascending] {
        let mut recipe = recipe();
        recipe.selection.id_order = order;
        for values in [Values::Normal, Values::SmallIntegers] {
            let trace = with_expected(Recipe { values, ..recipe.clone() }.trace());
            assert!(judged(&trace, |_| ()).passed());
            for spoil in spoils {
                let spoil = |outcome: &mut Outcome| spoil(&mut outcome.block_ids.data_mut()[4..]);
                let outcome = &mut run(&trace, &Backend::default());
                spoil(outcome);
                let verdict = check(&trace, outcome).expect("expected values");
                assert_eq!((verdict.wrong_lists, verdict.passed()), (1, false), "{outcome:?}");
                let verdict = check_rows(&trace, outcome, [1]).expect("an outcome of this step");
                assert_eq!((verdict.wrong_lists, verdict.passed()), (1, false), "{outcome:?}");
                let verdict = check_rows(&trace, outcome, [0]).expect("an outcome of this step");
                assert!(verdict.passed());
            }
        }
    }
}

/// Slots that are left over hold -1, and forced blocks leave no choice.
#[test]
fn lists_that_must_be_exact_are_seen() {
    let forced = Selection { topk: 2, local_blocks: 4, ..Selection::MINIMAX_M3 };
    let short = Selection { topk: 16, local_blocks: 8, ..Selection::MINIMAX_M3 };
    let left_over = |last: i32| [[0, 1, 2, 3, 4, 5, 6, 7].as_slice(), &[-1; 7], &[last]].concat();
    for (selection, right, wrong) in [
        (forced, vec![4, 5], vec![vec![5, 4], vec![4, 6], vec![6, 7]]),
        (short, left_over(-1), vec![left_over(-2), left_over(0), left_over(8)]),
    ] {
        let trace = Recipe { selection, requests: step(&[(1, 1000)]).requests, ..recipe() }.trace();
        let mut outcome = run(&trace, &Backend::default());
        assert_eq!(outcome.block_ids.data(), right);
        for wrong in wrong {
            outcome.block_ids.data_mut().copy_from_slice(&wrong);
            let verdict = check_rows(&trace, &outcome, [0]).expect("an outcome of this step");
            assert_eq!(verdict.wrong_lists, 1, "{wrong:?}");
        }
    }
}

/// Even the oracle does not overrule it.
#[test]
fn the_stored_list_decides_where_scores_are_exact() {
    let mut trace = with_expected(Recipe { values: Values::SmallIntegers, ..recipe() }.trace());
    let outcome = run(&trace, &Backend::default());
    let stored = trace.expected.as_mut().and_then(|expected| expected.block_ids.as_mut());
    stored.expect("the oracle's choice").data_mut()[1..3].reverse();
    assert_eq!(check(&trace, &outcome).expect("expected values").wrong_lists, 1);
}

#[test]
fn given_lists_must_stay_as_they_are() {
    let mut trace = recipe().trace();
    trace.block_ids = BlockIds::Given(hostile_ids(&trace, 3), None);
    let trace = with_expected(trace);
    assert!(judged(&trace, |_| ()).passed());
    assert_eq!(judged(&trace, |outcome| outcome.block_ids.data_mut()[0] += 1).wrong_lists, 1);
}

/// Of two blocks whose scores are equal but for rounding, either may be chosen, and what attention gives
/// for the chosen one is right.
#[test]
fn close_scores_leave_a_choice() {
    let mut trace = Recipe { requests: step(&[(1, 1023)]).requests, ..recipe() }.trace();
    let chosen = oracle::select(&oracle::scores(&trace, 0, 0), &trace.selection);
    let last = chosen[3] as usize;
    let other = (0..8).find(|id| !chosen.contains(id)).expect("4 of 8 are chosen") as usize;
    for token in 0..128 {
        let key = index_key(&mut trace, 0, last * 128 + token).to_vec();
        index_key(&mut trace, 0, other * 128 + token).copy_from_slice(&key);
    }
    let trace = with_expected(trace);
    let expected = trace.expected.as_ref().and_then(|expected| expected.block_ids.as_ref());
    let mut ids = expected.expect("the oracle's choice").clone();
    let choice = [last, other].into_iter().find(|&id| id as i32 != ids.data()[3]);
    ids.data_mut()[3] = choice.expect("two blocks") as i32;

    let swapped = Trace { block_ids: BlockIds::Given(ids, None), ..trace.clone() };
    let outcome = run(&swapped, &Backend::default());
    let verdict = check(&trace, &outcome).expect("expected values");
    assert!(verdict.passed(), "{verdict:?}");

    let mixed = Outcome { block_ids: outcome.block_ids, ..run(&trace, &Backend::default()) };
    let verdict = check(&trace, &mixed).expect("expected values");
    assert_eq!((verdict.wrong_lists, verdict.passed()), (0, false), "{verdict:?}");

    let exact = Trace { exact_scores: true, ..trace };
    assert_eq!(check(&exact, &mixed).expect("expected values").wrong_lists, 1);
    assert_eq!(check_rows(&exact, &mixed, [0]).expect("an outcome of this step").wrong_lists, 1);
}
