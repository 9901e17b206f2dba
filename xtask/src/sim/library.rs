use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, fmt, fs};

use anyhow::{Context, Result, bail};

/// A package that runs `cust` on the simulator; not of the workspace, as it cannot link without it.
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

const APPS: [App; 2] = [
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
            in_order("sm_100"),
            at_random("sm_100", 3),
            at_random("sm_120", 4),
        ],
    },
];

const fn in_order(device: &'static str) -> Pass {
    Pass { device, seed: None }
}

const fn at_random(device: &'static str, seed: u32) -> Pass {
    Pass { device, seed: Some(seed) }
}

/// Where programs look for a CUDA installation's libraries, under `CUDA_LIBRARY_PATH`.
const STUBS: &str = "lib64/stubs";

#[derive(clap::Args)]
pub struct CudaSim {
    /// Run this on the simulator, rather than the driver's tests and the operators'
    #[arg(trailing_var_arg = true)]
    command: Vec<OsString>,
}

impl CudaSim {
    /// The driver's tests, and the operators'.
    pub fn tests() -> Self {
        Self { command: Vec::new() }
    }

    pub fn run(self) -> Result<ExitCode> {
        let root = lay_out()?;
        println!("CUDA_LIBRARY_PATH={}", root.display());
        println!("LD_LIBRARY_PATH={}", root.join(STUBS).display());
        let Some((program, arguments)) = self.command.split_first() else {
            test_driver()?;
            APPS.iter().try_for_each(|app| app.test(&root))?;
            return Ok(ExitCode::SUCCESS);
        };
        let passed = run_on(&root, Command::new(program).args(arguments))?;
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl App {
    /// Holds the package to format and lints, and runs its tests in every pass.
    fn test(&self, root: &Path) -> Result<()> {
        self.cargo(root, "fmt", &["--check"])?;
        let target = root.join(self.target);
        let target = target.to_str().context("a path in UTF-8")?;
        let lints = ["--all-targets", "--target-dir", target, "--", "--deny", "warnings"];
        self.cargo(root, "clippy", &lints)?;
        for pass in self.passes {
            println!("-- {} on {pass}", self.manifest);
            let start = Instant::now();
            let mut test = self.command("test", &["--tests", "--target-dir", target]);
            pass.choose(&mut test);
            if !run_on(root, &mut test)? {
                bail!("the tests of {} fail on {pass}", self.manifest);
            }
            println!("-- passed on {pass} in {:.0} s", start.elapsed().as_secs_f64());
        }
        Ok(())
    }

    fn cargo(&self, root: &Path, command: &str, arguments: &[&str]) -> Result<()> {
        if !run_on(root, &mut self.command(command, arguments))? {
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

/// Runs a program that links and loads the driver that is laid out there, and tells whether it succeeded.
fn run_on(root: &Path, command: &mut Command) -> Result<bool> {
    let mut libraries = vec![root.join(STUBS)];
    libraries.extend(env::var_os("LD_LIBRARY_PATH").iter().flat_map(env::split_paths));
    let status = command
        .env("CUDA_LIBRARY_PATH", root)
        .env("LD_LIBRARY_PATH", env::join_paths(libraries)?)
        .status()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    Ok(status.success())
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

/// Builds the driver, and lays it out as a CUDA installation lays out its own; returns where.
fn lay_out() -> Result<PathBuf> {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--release", "--package", "cuda-sim", "--features", "driver"])
        .status()
        .context("cannot run cargo")?;
    if !built.success() {
        bail!("cuda-sim does not build");
    }
    // This program is `target/release/xtask`, and the library stands beside it.
    let program = env::current_exe()?;
    let release = program.parent().context("a program stands in a folder")?;
    let root = release.with_file_name("cuda-sim");
    let stubs = root.join(STUBS);
    fs::create_dir_all(&stubs)?;
    // Where the linker looks, and where programs look that were linked.
    let (link, load) = (stubs.join("libcuda.so"), stubs.join("libcuda.so.1"));
    // In one step, for programs that run with the one of before.
    let new = stubs.join("libcuda.so.new");
    fs::copy(release.join("libcuda_sim.so"), &new).context("cannot copy the library")?;
    fs::rename(&new, &load)?;
    if !link.exists() {
        symlink(Path::new("libcuda.so.1"), &link)?;
    }
    Ok(root)
}
