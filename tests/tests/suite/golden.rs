//! Recorded steps give what they must.
//!
//! The project's golden traces lie beside its checkouts, computed by another program. A checkout that
//! stands alone has the small ones in `tests/traces`, made by [`recorded`].

use std::path::{Path, PathBuf};

use msa::trace::{BlockIds, Trace};
use msa::{Backend, Selection};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Values, hostile_ids, with_expected};
use msa_tests::oracle;

use crate::steps::step;

#[test]
fn the_projects_golden_traces_pass() {
    traces("../../shared/golden").iter().for_each(|file| passes(file));
}

/// Two authors' float64 differ by the rounding to f32 alone.
#[test]
fn the_oracle_agrees_with_the_golden_traces() {
    for file in traces("../../shared/golden") {
        let trace = Trace::read(&file).expect("a golden trace");
        let (ours, theirs) = (oracle::expected(&trace), trace.expected.expect("expected values"));
        assert_eq!(ours.block_ids, theirs.block_ids, "{}", file.display());
        let lse = ours.lse.data().iter().zip(theirs.lse.data());
        for (ours, theirs) in ours.output.data().iter().zip(theirs.output.data()).chain(lse) {
            let close = ours == theirs || (ours - theirs).abs() <= 1e-6 * theirs.abs().max(1e-3);
            assert!(close, "{}: {ours} for {theirs}", file.display());
        }
    }
}

#[test]
fn the_recorded_traces_pass() {
    let files = traces("traces");
    assert_eq!(files.len(), recorded().len());
    files.iter().for_each(|file| passes(file));
}

/// A recipe gives the same step on every machine: what it gave when it was recorded.
#[test]
fn the_recorded_traces_are_what_their_recipes_give() {
    for (name, trace) in recorded() {
        let recorded = Trace::read(folder("traces").join(name)).expect("a recorded trace");
        // As text: poison is NaN, which equals nothing.
        let recipe = format!("{trace:?}");
        assert_eq!(format!("{:?}", Trace { expected: None, ..recorded }), recipe, "{name}");
    }
}

#[test]
#[ignore = "overwrites the recorded traces"]
fn record_the_traces() {
    for (name, trace) in recorded() {
        let path = folder("traces").join(name);
        with_expected(trace).write(path).expect("room for a small file");
    }
}

/// The traces in `tests/traces`, without their expected values: together they are under 300 KB.
fn recorded() -> [(&'static str, Trace); 2] {
    let selection = Selection { topk: 1, local_blocks: 0, ..Selection::MINIMAX_M3 };
    let values = Values::SmallIntegers;
    let small = Recipe { heads: 2, spare_pages: 0, ..step(&[]) };
    let speculative =
        Recipe { selection, values, requests: step(&[(4, 140)]).requests, ..small.clone() };
    let mut given = Recipe { requests: step(&[(9, 90)]).requests, ..small }.trace();
    given.block_ids = BlockIds::Given(hostile_ids(&given, 7), None);
    [("speculative.safetensors", speculative.trace()), ("prefill_given_ids.safetensors", given)]
}

fn passes(file: &Path) {
    let name = file.display();
    let trace = Trace::read(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    let outcome = trace.run(&Backend::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let verdict = check(&trace, &outcome).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(verdict.passed(), "{name}: {verdict:?}");
}

/// The traces in a folder, by name; none where there is no such folder.
fn traces(path: &str) -> Vec<PathBuf> {
    let Ok(entries) = folder(path).read_dir() else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    files
}

/// A folder by its path from this crate.
fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
