//! The example `replay`, run as a user runs it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use msa_tests::generate::{Recipe, Request, with_expected};
use safetensors::{Dtype, SafeTensors};

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the target folder can be written");
    folder
}

/// A small trace with its expected values.
fn trace() -> msa::trace::Trace {
    let requests = vec![Request::new(1, 300), Request::new(3, 0)];
    with_expected(Recipe { requests, ..Recipe::default() }.trace())
}

/// Runs the example that cargo built beside this test.
fn replay(arguments: &[&str], files: &[&Path]) -> Output {
    let test = std::env::current_exe().expect("a test has a file");
    let built = test.ancestors().nth(2).expect("tests lie in a folder of the build's folder");
    Command::new(built.join("examples/replay"))
        .args(arguments)
        .args(files)
        .output()
        .expect("cargo builds the examples with the tests")
}

fn lines(stream: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(stream).lines().map(str::to_owned).collect()
}

#[test]
fn a_right_trace_is_checked_and_its_results_written() {
    let folder = folder("right");
    let file = folder.join("step.safetensors");
    trace().write(&file).expect("it can be written");
    let out = folder.join("out");
    let output = replay(&["--check", "--out", out.to_str().expect("UTF-8")], &[&file]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let line = &lines(&output.stdout)[..];
    assert!(matches!(line, [line] if line.contains(": ok: ") && line.contains("ids right")));

    let bytes = std::fs::read(out.join("step.safetensors")).expect("it was written");
    let results = SafeTensors::deserialize(&bytes).expect("it is sound");
    let is = |name: &str, dtype, shape: &[usize]| {
        let tensor = results.tensor(name).expect("it is there");
        assert_eq!((tensor.dtype(), tensor.shape()), (dtype, shape), "{name}");
    };
    is("block_ids", Dtype::I32, &[1, 4, 16]);
    is("output", Dtype::BF16, &[4, 16, 128]);
    is("lse", Dtype::F32, &[4, 16]);
}

#[test]
fn a_result_that_is_off_is_told_by_the_exit_code() {
    let folder = folder("off");
    let file = folder.join("step.safetensors");
    let mut trace = trace();
    trace.expected.as_mut().expect("it has expected values").output.data_mut()[5] += 1.0;
    trace.write(&file).expect("it can be written");
    let output = replay(&["--check", "--json"], &[&file]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let report: serde_json::Value =
        serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&report["status"], &report["wrong_outputs"]), (&"off".into(), &1.into()));
    assert_eq!(replay(&[], &[&file]).status.code(), Some(0), "nothing is compared unless asked");
}

#[test]
fn an_unusable_file_is_one_line_and_leaves_nothing() {
    let folder = folder("unusable");
    let (good, cut) = (folder.join("good.safetensors"), folder.join("cut.safetensors"));
    trace().write(&good).expect("it can be written");
    let bytes = std::fs::read(&good).expect("it was written");
    std::fs::write(&cut, &bytes[..bytes.len() - 1]).expect("it can be written");
    let out = folder.join("out");
    let arguments = ["--check", "--out", out.to_str().expect("UTF-8")];
    let output = replay(&arguments, &[&cut, &good]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let errors = lines(&output.stderr);
    assert!(matches!(&errors[..], [line] if line.contains("cut.safetensors")), "{errors:?}");
    assert!(!out.join("cut.safetensors").exists());
    assert!(out.join("good.safetensors").exists(), "the other file is run all the same");
}

#[test]
fn a_trace_without_expected_values_cannot_be_checked() {
    let folder = folder("nothing_expected");
    let file = folder.join("step.safetensors");
    let mut trace = trace();
    trace.expected = None;
    trace.write(&file).expect("it can be written");
    let output = replay(&["--check"], &[&file]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(lines(&output.stderr)[0].contains("expected.output"), "{output:?}");
}

#[test]
fn a_result_does_not_overwrite_its_trace() {
    let folder = folder("overwrite");
    let file = folder.join("step.safetensors");
    trace().write(&file).expect("it can be written");
    let before = std::fs::read(&file).expect("it was written");
    let output = replay(&["--out", folder.to_str().expect("UTF-8")], &[&file]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(std::fs::read(&file).expect("it is still there"), before);
}
