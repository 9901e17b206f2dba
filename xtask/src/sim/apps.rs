//! Packages and programs that link `libcuda`, held to lints and tested on the simulated driver.

use std::ffi::OsString;
use std::fmt;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::cpp;
use super::library::Library;
use crate::example::Example;

/// A package that runs on the simulator; not of the workspace, as it cannot link without it.
struct App {
    manifest: &'static str,
    /// The folder for what is built of it.
    target: &'static str,
    /// On what its tests are run, each in turn.
    passes: &'static [Pass],
}

/// What the simulator is told.
#[derive(Clone, Copy)]
struct Pass {
    device: &'static str,
    /// Warps take turns at random, as it says, or in order.
    seed: Option<u32>,
}

const APPS: [App; 3] = [
    App {
        manifest: "crates/cuda-sim/tests/cust-app/Cargo.toml",
        target: "cust-app",
        passes: &[in_order("sm_90")],
    },
    // Devices of every architecture that there are kernels for. A result that depends on the order of warps is wrong in
    // one of them.
    App {
        manifest: "tests/gpu/Cargo.toml",
        target: "gpu",
        passes: &[
            in_order("sm_80"),
            at_random("sm_80", 1),
            in_order("sm_90"),
            at_random("sm_90", 2),
            in_order("sm_103"),
            at_random("sm_100", 3),
            at_random("sm_120", 4),
        ],
    },
    // Another library's memory, stream and graphs: a device of each sort of kernels.
    App {
        manifest: "examples/cudarc/Cargo.toml",
        target: "cudarc",
        passes: &[in_order("sm_80"), in_order("sm_90"), in_order("sm_100")],
    },
];

const fn in_order(device: &'static str) -> Pass {
    Pass { device, seed: None }
}

const fn at_random(device: &'static str, seed: u32) -> Pass {
    Pass { device, seed: Some(seed) }
}

#[derive(clap::Args)]
pub struct CudaSim {
    /// Run this on the simulator, rather than the driver's tests and the operators'
    #[arg(trailing_var_arg = true)]
    command: Vec<OsString>,
}

impl CudaSim {
    /// The driver's tests, the operators', and the engine's run.
    pub fn tests() -> Self {
        Self { command: Vec::new() }
    }

    pub fn run(self) -> Result<ExitCode> {
        let library = Library::lay_out()?;
        println!("CUDA_LIBRARY_PATH={}", library.root().display());
        println!("LD_LIBRARY_PATH={}", library.folder().display());
        let Some((program, arguments)) = self.command.split_first() else {
            test_driver()?;
            lint_programs(&library)?;
            APPS.iter().try_for_each(|app| app.test(&library))?;
            cpp::test(&library)?;
            run_engine()?;
            return Ok(ExitCode::SUCCESS);
        };
        let passed = run_on(&library, Command::new(program).args(arguments))?;
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Runs the operators' tests on the GPU of this machine's driver.
pub fn test_on_gpu() -> Result<ExitCode> {
    let library = Library::lay_out()?;
    let [_, of_operators @ ..] = &APPS;
    for app in of_operators {
        let target = library.root().join(app.target);
        let mut test = app.command("test", &["--tests"]);
        // Linked with the simulator, which needs no CUDA, but nothing has it loaded.
        let status = library.link(test.arg("--target-dir").arg(target)).status();
        if !status.context("cannot run cargo")?.success() {
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs a program that links and loads the driver that is laid out, and tells whether it succeeded.
fn run_on(library: &Library, command: &mut Command) -> Result<bool> {
    let status = library.load(library.link(command))?.status();
    let program = command.get_program();
    Ok(status.with_context(|| format!("cannot run {}", program.display()))?.success())
}

/// Holds to lints what is compiled with the feature `cuda` alone.
fn lint_programs(library: &Library) -> Result<()> {
    let mut clippy = Command::new(env!("CARGO"));
    clippy.args(["clippy", "--quiet", "--package", "xtask", "--package", "msa", "--all-targets"]);
    clippy.args(["--features", "cuda", "--target-dir"]).arg(library.programs());
    if !run_on(library, clippy.args(["--", "--deny", "warnings"]))? {
        bail!("`cargo clippy --features cuda` fails");
    }
    Ok(())
}

/// Has the worked engine serve a few short requests, by graphs too, and check every answer.
fn run_engine() -> Result<()> {
    println!("-- the example engine");
    let start = Instant::now();
    // A seed of which pages are shared, copied and evicted, and a request is preempted.
    let options = Example::new(&["--backend", "sim", "--small", "--seed", "3"]);
    if options.run("engine")? != ExitCode::SUCCESS {
        bail!("the example `engine` fails on the simulator");
    }
    println!("-- passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

impl App {
    /// Holds the package to format and lints, and runs its tests in every pass.
    fn test(&self, library: &Library) -> Result<()> {
        self.cargo(library, "fmt", &["--check"])?;
        let target = library.root().join(self.target);
        let target = target.to_str().context("a path in UTF-8")?;
        let lints = ["--all-targets", "--target-dir", target, "--", "--deny", "warnings"];
        self.cargo(library, "clippy", &lints)?;
        for pass in self.passes {
            println!("-- {} on {pass}", self.manifest);
            let start = Instant::now();
            let mut test = self.command("test", &["--tests", "--target-dir", target]);
            pass.choose(&mut test);
            if !run_on(library, &mut test)? {
                bail!("the tests of {} fail on {pass}", self.manifest);
            }
            println!("-- passed on {pass} in {:.0} s", start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn cargo(&self, library: &Library, command: &str, arguments: &[&str]) -> Result<()> {
        if !run_on(library, &mut self.command(command, arguments))? {
            bail!("`cargo {command}` of {} fails", self.manifest);
        }
        Ok(())
    }

    fn command(&self, command: &str, arguments: &[&str]) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args([command, "--manifest-path", self.manifest]).args(arguments);
        cargo
    }
}

impl Pass {
    /// Tells the simulator, whatever the environment says.
    fn choose(self, command: &mut Command) {
        command.env("CUDA_SIM_DEVICE", self.device);
        match self.seed {
            None => command.env_remove("CUDA_SIM_SEED"),
            Some(seed) => command.env("CUDA_SIM_SEED", seed.to_string()),
        };
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.seed {
            None => write!(f, "{}, warps in order", self.device),
            Some(seed) => write!(f, "{}, warps at random by seed {seed}", self.device),
        }
    }
}

/// Runs the tests of the driver API that call it without a program between.
fn test_driver() -> Result<()> {
    let status = Command::new(env!("CARGO"))
        .args(["test", "--package", "cuda-sim", "--features", "driver", "--test", "driver"])
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("the driver API's tests fail");
    }
    Ok(())
}
