//! Recorded steps give what they must.

use std::path::{Path, PathBuf};

use msa::Backend;
use msa::trace::Trace;
use msa_tests::check::check;

/// Every trace in a folder beside this crate or further up, by name.
fn traces(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "safetensors"))
        .collect();
    files.sort();
    files
}

fn passes(file: &Path) {
    let name = file.display();
    let trace = Trace::read(file).unwrap_or_else(|error| panic!("{name}: {error}"));
    let outcome = trace.run(&Backend::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
    let verdict = check(&trace, &outcome).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(verdict.passed(), "{name}: {verdict:?}");
    eprintln!("{name}: {verdict:?}");
}

/// The project's golden traces lie beside the checkout; elsewhere there are none.
#[test]
fn golden_traces_pass() {
    traces("../../shared/golden").iter().for_each(|file| passes(file));
}
