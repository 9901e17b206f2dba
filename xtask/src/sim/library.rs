use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// Where programs look for a CUDA installation's libraries, under `CUDA_LIBRARY_PATH`.
const STUBS: &str = "lib64/stubs";

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

    /// Where programs with the feature `cuda` are built.
    pub fn programs(&self) -> PathBuf {
        self.root.join("programs")
    }

    /// Where programs find it that load it.
    pub fn folder(&self) -> PathBuf {
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
