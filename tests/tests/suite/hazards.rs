//! Hazards: each step that is known to go wrong elsewhere is right here.

use std::collections::HashSet;

use msa::trace::BlockIds;
use msa::{Backend, Route};
use msa_tests::check::check;
use msa_tests::generate::with_expected;
use msa_tests::hazards;
use msa_tests::run::run;

#[test]
fn no_hazard_harms_the_cpu() {
    for hazard in hazards::all() {
        for (nth, trace) in (hazard.steps)().into_iter().enumerate() {
            let trace = with_expected(trace);
            let outcome = run(&trace, &Backend::default());
            let verdict = check(&trace, &outcome).expect("the step has expected values");
            assert!(verdict.passed(), "{}, step {nth}: {verdict:?}", hazard.name);
        }
    }
}

/// Otherwise the other backends would be tested with less than is said.
#[test]
fn hazards_have_names_and_are_met_on_every_route_by_both_operators() {
    let mut names = HashSet::new();
    let mut met = HashSet::new();
    for hazard in hazards::all() {
        assert!(names.insert(hazard.name), "there are two hazards {}", hazard.name);
        assert!(!hazard.guards_against.is_empty(), "{}", hazard.name);
        let steps = (hazard.steps)();
        assert!(!steps.is_empty(), "{}", hazard.name);
        met.extend(
            steps.iter().map(|trace| {
                (trace.batch().route(), matches!(trace.block_ids, BlockIds::Indexer(_)))
            }),
        );
    }
    for route in [Route::Decode, Route::Speculative, Route::Prefill] {
        assert!(met.contains(&(route, true)) && met.contains(&(route, false)), "{route}");
    }
}
