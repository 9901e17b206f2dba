use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::backend::Backend;
use crate::inspect::page::InspectPage;
use crate::sim::apps::{self, CudaSim};
use crate::{candle, guide, ptx, setup};

#[derive(clap::Args)]
pub struct Test {
    /// Run only the tests of the operators on this.
    #[arg(long, value_enum)]
    backend: Option<Backend>,
}

impl Test {
    pub fn run(self) -> Result<ExitCode> {
        match self.backend {
            None => everything(),
            Some(Backend::Cpu) => {
                cargo("the operators on the processor", &["test", "--package", "msa-tests"])?;
                Ok(ExitCode::SUCCESS)
            }
            Some(Backend::Sim) => CudaSim::tests().run(),
            Some(Backend::Cuda) => apps::test_on_gpu(),
        }
    }
}

/// The quickest to fail comes first; what needs the device toolchain comes after it is there.
fn everything() -> Result<ExitCode> {
    cargo("format", &["fmt", "--all", "--check"])?;
    // What is not there by default and needs no driver.
    let features = ["--features", "msa/inspect,msa/tracing"];
    let lints = ["clippy", "--workspace", "--all-targets"];
    cargo("lints", &[&lints[..], &features, &["--", "--deny", "warnings"]].concat())?;
    step("device toolchain", || setup::Setup.run())?;
    // Not --all-targets: that would build the examples as tests, of which they have none.
    let tests = [&["test", "--workspace"][..], &features].concat();
    cargo("unit, property, integration and documentation tests", &tests)?;
    step("pages of `msa inspect`, in a browser", || InspectPage { pictures: None }.run())?;
    step("the simulated driver, and the operators on it", || CudaSim::tests().run())?;
    step("the candle example", candle::test)?;
    cargo("documentation", &["doc", "--workspace", "--no-deps"])?;
    step("guide", || guide::Guide.run())?;
    step("the crate as it is published", package)?;
    step("checked-in PTX", || {
        ptx::Ptx { check: true, only: None, compare: None, describe: false }.run()
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Packs the crate and what it depends on, and compiles what was packed, as a machine without CUDA does.
fn package() -> Result<ExitCode> {
    let status = Command::new(env!("CARGO"))
        .args(["package", "--quiet", "--allow-dirty", "--package", "msa", "--package", "msa-abi"])
        .status()
        .context("cannot run cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn cargo(name: &str, arguments: &[&str]) -> Result<()> {
    step(name, || {
        let mut command = Command::new(env!("CARGO"));
        command.args(arguments).env("RUSTDOCFLAGS", "--deny warnings");
        let status = command.status().context("cannot run cargo")?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
    .with_context(|| format!("`cargo {}` failed", arguments.join(" ")))
}

/// Announces a step, runs it, and stops at the first that fails.
fn step(name: &str, run: impl FnOnce() -> Result<ExitCode>) -> Result<()> {
    println!("== {name}");
    let start = Instant::now();
    if run()? != ExitCode::SUCCESS {
        bail!("{name}: not in order");
    }
    println!("== {name}: passed in {:.0} s\n", start.elapsed().as_secs_f64());
    Ok(())
}
