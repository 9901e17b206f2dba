use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result, bail};

/// The packages that run `cust` on the simulator; not of the workspace, as they cannot link without it. Each has a
/// folder for what is built of it.
const APPS: [(&str, &str); 2] =
    [("crates/cuda-sim/tests/cust-app/Cargo.toml", "cust-app"), ("tests/gpu/Cargo.toml", "gpu")];

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
            for (manifest, target) in APPS {
                let mut command = Command::new(env!("CARGO"));
                command.args(["test", "--manifest-path", manifest, "--target-dir"]);
                if !run_on(&root, command.arg(root.join(target)))? {
                    return Ok(ExitCode::FAILURE);
                }
            }
            return Ok(ExitCode::SUCCESS);
        };
        let passed = run_on(&root, Command::new(program).args(arguments))?;
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
