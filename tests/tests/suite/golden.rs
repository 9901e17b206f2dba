//! Recorded steps give what they must.
//!
//! The project's golden traces lie beside its checkouts, computed by another program. A checkout that
//! stands alone has the small ones of [`recorded`].

use std::path::{Path, PathBuf};

use msa::Backend;
use msa::trace::Trace;
use msa_tests::check::check;
use msa_tests::{oracle, recorded};

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
    assert_eq!(files.len(), recorded::steps().len());
    files.iter().for_each(|file| passes(file));
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
