//! Steps on the GPU give what the contract says, on every route.

use msa::trace::{BlockIds, Trace};
use msa::{Backend, Error, Route, Selection, View};
use msa_gpu_tests::cuda;
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Request, hostile_ids, with_expected};
use msa_tests::recorded;

/// Runs a step on the GPU, judges it by what the trace expects, and tells the route.
fn passes(name: &str, trace: &Trace) -> Route {
    let (_alone, cuda) = cuda();
    let outcome = trace.run(&Backend::Cuda(cuda));
    let outcome = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(outcome.dispatch.backend, "cuda");
    assert!(outcome.dispatch.tier.starts_with("msa_sm_"), "{}", outcome.dispatch);
    let verdict = check(trace, &outcome).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(verdict.passed(), "{name}: {verdict:?}");
    outcome.dispatch.route
}

/// The step with the ids that it expects, so that attention alone is run.
fn of_attention(mut trace: Trace) -> Trace {
    let expected = trace.expected.as_mut().expect("what must come out");
    if let Some(ids) = expected.block_ids.take() {
        trace.block_ids = BlockIds::Given(ids, None);
    }
    trace
}

fn recipes() -> [(&'static str, Route, Recipe); 6] {
    let requests = |lengths: &[(usize, usize)]| -> Vec<Request> {
        lengths.iter().map(|&(new, cached)| Request::new(new, cached)).collect()
    };
    let small = Recipe { layers: 2, layer_idx: 1, ..Recipe::default() };
    let recipe = |lengths, seed| Recipe { requests: requests(lengths), seed, ..small.clone() };
    let ragged = [(1, 700), (0, 90), (1, 0), (1, 127), (1, 128)];
    let many = Recipe { heads: 8, kv_heads: 4, ..recipe(&[(1, 300); 40], 3) };
    let narrow = Selection { topk: 5, ..Selection::MINIMAX_M3 };
    [
        ("one request", Route::Decode, recipe(&[(1, 4096)], 1)),
        ("a ragged batch", Route::Decode, recipe(&ragged, 2)),
        ("more work than multiprocessors", Route::Decode, many),
        ("drafts", Route::Speculative, recipe(&[(4, 900), (0, 7), (8, 125)], 4)),
        ("a prompt", Route::Prefill, recipe(&[(70, 0), (1, 500), (9, 250)], 5)),
        (
            "two heads",
            Route::Prefill,
            Recipe { heads: 6, kv_heads: 2, selection: narrow, ..recipe(&[(20, 300)], 6) },
        ),
    ]
}

#[test]
fn hostile_ids_are_attended_to_on_every_route() {
    for (name, route, recipe) in recipes() {
        let mut trace = recipe.trace();
        trace.block_ids = BlockIds::Given(hostile_ids(&trace, recipe.seed), None);
        assert_eq!(passes(name, &with_expected(trace)), route, "{name}");
    }
}

#[test]
fn golden_traces_are_attended_to() {
    for (name, trace) in recorded::golden() {
        passes(&name, &of_attention(trace));
    }
}

#[test]
fn recorded_traces_pass() {
    recorded::kept().iter().for_each(|(name, trace)| _ = passes(name, trace));
}

#[test]
fn recorded_traces_are_attended_to() {
    for (name, trace) in recorded::kept() {
        passes(&name, &of_attention(trace));
    }
}

#[test]
fn whole_steps_pass_on_every_route() {
    for (name, route, recipe) in recipes() {
        assert_eq!(passes(name, &with_expected(recipe.trace())), route, "{name}");
    }
}

#[test]
fn golden_traces_pass() {
    recorded::golden().iter().for_each(|(name, trace)| _ = passes(name, trace));
}

#[test]
fn what_kernels_cannot_follow_is_refused_and_named() {
    let (_alone, cuda) = cuda();
    let mut trace = Recipe { requests: vec![Request::new(2, 200)], ..Recipe::default() }.trace();
    let ids = hostile_ids(&trace, 1);
    trace.q = msa::trace::Tensor::filled(half::bf16::ONE, [2, 16, 129]);
    let mut operands = trace.attention_operands(ids.view());
    operands.q = View::contiguous(trace.q.data(), [2, 16, 128]).with_stride(1, 129);
    let mut output = vec![half::bf16::NAN; 2 * 16 * 128];
    let result = msa::AttentionResult { output: &mut output, lse: None };
    let refused = Backend::Cuda(cuda).attention(&operands, result).expect_err("an odd stride");
    assert!(
        matches!(refused, Error::OuterStride { operand: "q", axis: 1, got: 129, .. }),
        "{refused}"
    );
    assert!(output.iter().all(|element| element.is_nan()), "nothing is written");
}
