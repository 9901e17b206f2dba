//! The example `engine`, run as a user runs it.

use std::process::{Command, Output};

/// Runs the example that cargo built beside this test.
fn engine(arguments: &[&str]) -> Output {
    let test = std::env::current_exe().expect("a test has a file");
    let built = test.ancestors().nth(2).expect("tests lie in a folder of the build's folder");
    let output = Command::new(built.join("examples/engine")).args(arguments).output();
    output.expect("cargo builds the examples with the tests")
}

/// The number before some words in a text.
fn number_before(text: &str, words: &str) -> usize {
    let before = text.split(words).next().filter(|before| before.len() < text.len());
    let before = before.unwrap_or_else(|| panic!("no `{words}` in {text}"));
    let number = before.rsplit(' ').next().expect("a word");
    number.parse().unwrap_or_else(|_| panic!("no number before `{words}` in {text}"))
}

#[test]
fn every_answer_is_that_of_the_request_alone() {
    let sizes = "--small --requests 12 --prompt 500 --new-tokens 60 --pages 9 --cancel 30";
    let output = engine(&sizes.split(' ').collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout);
    let summary = said.lines().find(|line| line.contains(" steps in ")).expect("a summary");
    // All that could go wrong has happened.
    for what in ["tokens shared", "pages copied", "preempted", "pages evicted"] {
        assert!(number_before(summary, &format!(" {what}")) > 0, "{what}: {summary}");
    }
    let right = number_before(summary, " drafts right");
    assert!(number_before(summary, &format!(" of {right} drafts")) < right, "{summary}");
    let check = said.lines().last().expect("a verdict");
    let cancelled = number_before(check, " cancelled");
    assert!(cancelled > 0, "{check}");
    assert_eq!(number_before(check, " requests finished") + cancelled, 12, "{check}");
    assert!(check.ends_with("all have the bits that they have alone"), "{check}");
    assert!(said.contains(" 0 in use"), "{said}");
}

#[test]
fn two_runs_of_a_seed_do_the_same() {
    let lines = |seed| {
        let output = engine(&["--small", "--seed", seed]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // Without the times.
        let words = said.lines().filter(|line| !line.contains(" s: ")).map(|line| {
            let words = line.split_whitespace().enumerate();
            let words =
                words.filter(|(index, _)| !line.contains(" ms ") || !(1..4).contains(index));
            words.map(|(_, word)| word.to_owned()).collect::<Vec<_>>()
        });
        words.collect::<Vec<_>>()
    };
    assert_eq!(lines("5"), lines("5"));
    assert_ne!(lines("5"), lines("6"));
}

#[test]
fn a_bad_configuration_is_one_line_that_names_the_option() {
    for (arguments, option) in [
        (&["--pages", "20"][..], "--pages"),
        (&["--chunk", "0"], "--chunk"),
        (&["--requests", "0"], "--requests"),
        (&["--heads", "6", "--kv-heads", "4"], "--heads"),
        (&["--heads", "17"], "--heads"),
        (&["--kv-heads", "0"], "--kv-heads"),
        (&["--topk", "65"], "--topk"),
        (&["--topk", "0"], "--topk"),
        (&["--drafts", "8"], "--drafts"),
        (&["--shared", "301", "--small"], "--shared"),
        (&["--agreement", "101"], "--agreement"),
        (&["--prompt", "1000000000000"], "--prompt"),
    ] {
        let output = engine(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        let is_one_line = said.trim_end().lines().count() == 1;
        assert!(is_one_line && said.starts_with(&format!("engine: {option} ")), "{said}");
    }
}
