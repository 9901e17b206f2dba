//! `cargo xtask guide`: builds the guide, by mdBook.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// The version of mdBook that the guide is built with.
const MDBOOK: &str = "0.5.4";

#[derive(clap::Args)]
pub struct Guide;

impl Guide {
    pub fn run(self) -> Result<ExitCode> {
        let mdbook = find_or_install()?;
        let source = workspace::root().join("docs").join("guide");
        let output = Command::new(&mdbook).arg("build").arg(&source).output();
        let output = output.with_context(|| format!("cannot run {}", mdbook.display()))?;
        let said = String::from_utf8_lossy(&output.stderr);
        // What is missing is a warning to mdBook.
        let is_in_order = output.status.success() && !said.contains("WARN");
        ensure!(is_in_order, "mdBook does not take the guide:\n{said}");
        println!("{}", workspace::root().join("target/guide/index.html").display());
        Ok(ExitCode::SUCCESS)
    }
}

/// mdBook of our version, compiled where it is not there yet.
fn find_or_install() -> Result<PathBuf> {
    let folder = workspace::root().join("target").join("mdbook");
    let program = folder.join("bin").join("mdbook");
    if version(&program).is_some_and(|version| version.ends_with(MDBOOK)) {
        return Ok(program);
    }
    println!("mdBook {MDBOOK} is compiled, once");
    let status = Command::new(env!("CARGO"))
        .args(["install", "mdbook", "--quiet", "--locked", "--no-default-features"])
        .args(["--version", MDBOOK, "--root"])
        .arg(&folder)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "mdBook does not compile");
    Ok(program)
}

/// What a program says of its version, if it runs.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
