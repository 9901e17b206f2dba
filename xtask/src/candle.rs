//! The example of candle: a package of its own, which needs no GPU.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use crate::workspace;

const CANDLE: &str = "examples/candle/Cargo.toml";

/// Holds the example of candle to format and lints, and runs its tests.
pub fn test() -> Result<ExitCode> {
    let target = workspace::root().join("target/examples");
    let target = target.to_str().context("a path in UTF-8")?;
    let at = ["--target-dir", target];
    cargo("fmt", &["--check"])?;
    cargo("clippy", &[&at[..], &["--all-targets", "--", "--deny", "warnings"]].concat())?;
    cargo("test", &at)?;
    Ok(ExitCode::SUCCESS)
}

fn cargo(command: &str, arguments: &[&str]) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args([command, "--manifest-path", CANDLE]).args(arguments);
    if !cargo.status().context("cannot run cargo")?.success() {
        bail!("`cargo {command}` of {CANDLE} fails");
    }
    Ok(())
}
