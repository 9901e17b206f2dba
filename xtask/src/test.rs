use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

#[derive(clap::Args)]
pub struct Test;

/// What `cargo` is asked to do, in this order: the quickest to fail first.
const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
    ("setup", &["xtask", "setup"]),
    ("unit, property and integration tests", &["test", "--workspace", "--all-targets"]),
    ("documentation tests", &["test", "--workspace", "--doc"]),
    ("checked-in PTX", &["xtask", "ptx", "--check"]),
];

impl Test {
    pub fn run(self) -> Result<ExitCode> {
        for (name, arguments) in STEPS {
            println!("== {name}: cargo {}", arguments.join(" "));
            let status = Command::new(env!("CARGO"))
                .args(*arguments)
                .status()
                .context("cannot run cargo")?;
            if !status.success() {
                bail!("{name} failed: cargo {}", arguments.join(" "));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
