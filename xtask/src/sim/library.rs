use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result, bail};

/// The package that runs `cust` on the simulator; not of the workspace, as it cannot link without it.
const CUST_APP: &str = "crates/cuda-sim/tests/cust-app/Cargo.toml";

/// Where programs look for a CUDA installation's libraries, under `CUDA_LIBRARY_PATH`.
const STUBS: &str = "lib64/stubs";

#[derive(clap::Args)]
pub struct CudaSim {
    /// Run this on the simulator, rather than the driver's tests
    #[arg(trailing_var_arg = true)]
    command: Vec<OsString>,
}

impl CudaSim {
    /// The driver's tests.
    pub fn tests() -> Self {
        Self { command: Vec::new() }
    }

    pub fn run(self) -> Result<ExitCode> {
        let root = lay_out()?;
        println!("CUDA_LIBRARY_PATH={}", root.display());
        println!("LD_LIBRARY_PATH={}", root.join(STUBS).display());
        let mut command = match self.command.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            None => {
                test_driver()?;
                let mut command = Command::new(env!("CARGO"));
                command.args(["test", "--manifest-path", CUST_APP, "--target-dir"]);
                command.arg(root.join("cust-app"));
                command
            }
        };
        let mut libraries = vec![root.join(STUBS)];
        libraries.extend(env::var_os("LD_LIBRARY_PATH").iter().flat_map(env::split_paths));
        let status = command
            .env("CUDA_LIBRARY_PATH", &root)
            .env("LD_LIBRARY_PATH", env::join_paths(libraries)?)
            .status()
            .with_context(|| format!("cannot run {}", command.get_program().display()))?;
        Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
