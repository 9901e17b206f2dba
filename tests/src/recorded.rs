//! Steps that are kept as files, with what they must give.
//!
//! The project's golden traces lie beside its checkouts, computed by another program. A checkout that stands alone has
//! the small ones in `traces`, which `cargo run -p msa-tests --example record` writes again.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;

use msa::Selection;
use msa::trace::{BlockIds, Trace};

use crate::generate::{Recipe, Request, Values, hostile_ids};

/// The steps in `traces` and their files' names, without expected values: together they are under 300 KB.
pub fn steps() -> [(&'static str, Trace); 2] {
    let small = Recipe { seed: 7, heads: 2, spare_pages: 0, ..Recipe::default() };
    let speculative = Recipe {
        requests: vec![Request::new(4, 140)],
        selection: Selection { topk: 1, local_blocks: 0, ..Selection::MINIMAX_M3 },
        values: Values::SmallIntegers,
        ..small.clone()
    };
    let mut given = Recipe { requests: vec![Request::new(9, 90)], ..small }.trace();
    given.block_ids = BlockIds::Given(hostile_ids(&given, 7), None);
    [("speculative.safetensors", speculative.trace()), ("prefill_given_ids.safetensors", given)]
}

/// Where they are kept.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("traces")
}

/// What is kept there, by name.
///
/// # Panics
/// If a file is unusable.
pub fn kept() -> Vec<(String, Trace)> {
    traces(&folder())
}

/// The golden traces, by name; none in a checkout that stands alone. How many there are is said where nobody can miss
/// it, as a test that passes without them has shown little.
///
/// # Panics
/// If a file is unusable.
pub fn golden() -> Vec<(String, Trace)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/golden");
    let folder = folder.canonicalize().unwrap_or(folder);
    let traces = traces(&folder);
    let found = match traces.len() {
        0 => "IGNORED: no golden traces beside this checkout".to_owned(),
        some => format!("{some} golden traces"),
    };
    // Not by a macro: of these the harness shows nothing where a test passes.
    let test = thread::current();
    let said = writeln!(
        io::stderr(),
        "{}: {found}, in {}",
        test.name().unwrap_or("a test"),
        folder.display()
    );
    said.expect("standard error can be written");
    traces
}

/// The traces in a folder, by name; none where there is no such folder.
fn traces(folder: &Path) -> Vec<(String, Trace)> {
    let Ok(entries) = folder.read_dir() else { return Vec::new() };
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    let read = |file: PathBuf| {
        let name = file.display().to_string();
        let trace = Trace::read(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, trace)
    };
    files.into_iter().map(read).collect()
}
