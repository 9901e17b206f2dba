//! Recorded steps give what they must.

use msa::Backend;
use msa::trace::Trace;
use msa_tests::check::check;
use msa_tests::{oracle, recorded};

#[test]
fn the_projects_golden_traces_pass() {
    recorded::golden().iter().for_each(passes);
}

/// Two authors' float64 differ by the rounding to f32 alone.
#[test]
fn the_oracle_agrees_with_the_golden_traces() {
    for (name, trace) in recorded::golden() {
        let (ours, theirs) = (oracle::expected(&trace), trace.expected.expect("expected values"));
        assert_eq!(ours.block_ids, theirs.block_ids, "{name}");
        let lse = ours.lse.data().iter().zip(theirs.lse.data());
        for (ours, theirs) in ours.output.data().iter().zip(theirs.output.data()).chain(lse) {
            let close = ours == theirs || (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3);
            assert!(close, "{name}: {ours} for {theirs}");
        }
    }
}

#[test]
fn the_recorded_traces_pass() {
    let kept = recorded::kept();
    assert_eq!(kept.len(), recorded::steps().len());
    kept.iter().for_each(passes);
}

/// A recipe gives the same step on every machine: what it gave when it was recorded.
#[test]
fn the_recorded_traces_are_what_their_recipes_give() {
    for (name, trace) in recorded::steps() {
        let recorded = Trace::read(recorded::folder().join(name)).expect("a recorded trace");
        // As text: poison is NaN, which equals nothing.
        let recipe = format!("{trace:?}");
        assert_eq!(format!("{:?}", Trace { expected: None, ..recorded }), recipe, "{name}");
    }
}

fn passes((name, trace): &(String, Trace)) {
    let outcome = trace.run(&Backend::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let verdict = check(trace, &outcome).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(verdict.passed(), "{name}: {verdict:?}");
}
