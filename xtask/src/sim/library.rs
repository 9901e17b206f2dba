use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::workspace;

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
        let library = Library::lay_out()?;
        println!("CUDA_LIBRARY_PATH={}", library.root.display());
        println!("LD_LIBRARY_PATH={}", library.folder().display());
        let run = |command: &mut Command| -> Result<bool> {
            let status = library.load(library.link(command))?.status();
            let program = command.get_program();
            Ok(status.with_context(|| format!("cannot run {}", program.display()))?.success())
        };
        let Some((program, arguments)) = self.command.split_first() else {
            test_driver()?;
            for (manifest, target) in APPS {
                let mut command = Command::new(env!("CARGO"));
                command.args(["test", "--manifest-path", manifest, "--target-dir"]);
                if !run(command.arg(library.root.join(target)))? {
                    return Ok(ExitCode::FAILURE);
                }
            }
            return Ok(ExitCode::SUCCESS);
        };
        let passed = run(Command::new(program).args(arguments))?;
        Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Runs the operators' tests on the GPU of this machine's driver.
pub fn test_on_gpu() -> Result<ExitCode> {
    let library = Library::lay_out()?;
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--manifest-path", "tests/gpu/Cargo.toml", "--target-dir"]);
    // Linked with the simulator, which needs no CUDA, but nothing has it loaded.
    let status = library.link(command.arg(library.root.join("gpu"))).status();
    let passed = status.context("cannot run cargo")?.success();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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

/// The simulated driver, laid out as a CUDA installation lays out its own.
pub struct Library {
    root: PathBuf,
}

impl Library {
    /// Builds the driver and lays it out.
    pub fn lay_out() -> Result<Self> {
        let built = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--release",
                "--package",
                "cuda-sim",
                "--features",
                "driver",
            ])
            .status()
            .context("cannot run cargo")?;
        if !built.success() {
            bail!("cuda-sim does not build");
        }
        let target = workspace::root().join("target");
        let library = Self { root: target.join("cuda-sim") };
        let stubs = library.folder();
        fs::create_dir_all(&stubs)?;
        // Where the linker looks, and where programs look that were linked.
        let (link, load) = (stubs.join("libcuda.so"), stubs.join("libcuda.so.1"));
        // In one step, for programs that run with the one of before.
        let new = stubs.join("libcuda.so.new");
        fs::copy(target.join("release/libcuda_sim.so"), &new).context("cannot copy the library")?;
        fs::rename(&new, &load)?;
        if !link.exists() {
            symlink(Path::new("libcuda.so.1"), &link)?;
        }
        Ok(library)
    }

    /// The folder that is laid out, and where more may be built.
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn folder(&self) -> PathBuf {
        self.root.join(STUBS)
    }

    /// Has a command link with it what it builds.
    pub fn link<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("CUDA_LIBRARY_PATH", &self.root)
    }

    /// Has a command's programs load it, and not this machine's own driver.
    pub fn load<'a>(&self, command: &'a mut Command) -> Result<&'a mut Command> {
        let mut libraries = vec![self.folder()];
        libraries.extend(env::var_os("LD_LIBRARY_PATH").iter().flat_map(env::split_paths));
        Ok(command.env("LD_LIBRARY_PATH", env::join_paths(libraries)?))
    }
}
