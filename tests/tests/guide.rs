//! The guide is whole: each page is in its table of contents and among the documentation tests, and what it links to is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide/src")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of all pages, but for the table of contents.
fn pages() -> BTreeSet<String> {
    let entries = fs::read_dir(folder()).expect("the guide's folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string());
    let names = names.map(|name| name.expect("a name in UTF-8"));
    names.filter(|name| name.ends_with(".md") && name != "SUMMARY.md").collect()
}

/// Targets of a page's links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn every_page_is_in_the_table_of_contents() {
    let summary = read(&folder().join("SUMMARY.md"));
    assert_eq!(links(&summary).map(str::to_owned).collect::<BTreeSet<_>>(), pages());
}

#[test]
fn every_page_is_a_documentation_test() {
    let tests = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/guide.rs"));
    for page in pages() {
        assert!(tests.contains(&format!("docs/guide/src/{page}\"")), "{page}");
    }
}

#[test]
fn what_pages_link_to_is_there() {
    for page in pages() {
        let text = read(&folder().join(&page));
        for link in links(&text).filter(|link| !link.starts_with("http")) {
            assert!(folder().join(link).exists(), "{page} links to {link}");
        }
    }
}
