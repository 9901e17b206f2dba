//! What the tests of the kernels of attention have in common.

use msa::trace::{Outcome, Tensor, Trace};
use msa::{Dispatch, Route};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Request, hostile_ids, with_expected};
use msa_tests::kernels::attention::Attended;

/// A step with ids that lead astray, and what attention must give.
pub(crate) fn hostile(recipe: Recipe) -> (Trace, Tensor<i32, 3>) {
    let mut trace = recipe.trace();
    let ids = hostile_ids(&trace, recipe.seed);
    trace.block_ids = msa::trace::BlockIds::Given(ids.clone(), None);
    (with_expected(trace), ids)
}

pub(crate) fn requests(requests: &[(usize, usize)]) -> Vec<Request> {
    requests.iter().map(|(new_tokens, cached)| Request::new(*new_tokens, *cached)).collect()
}

/// Compares with the oracle, within the contract's tolerances.
pub(crate) fn judge(trace: &Trace, ids: &Tensor<i32, 3>, attended: &Attended) {
    let outcome = Outcome {
        block_ids: ids.clone(),
        output: attended.output.clone(),
        lse: attended.lse.clone(),
        dispatch: Dispatch { backend: "sim", tier: "portable", route: Route::Decode },
    };
    let verdict = check(trace, &outcome).expect("the step has expected values");
    assert!(verdict.passed(), "{verdict:?}");
}
