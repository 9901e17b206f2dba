//! What runs the operators. A GPU is reached through `libcuda`, which this program does without unless it is built with
//! the feature `cuda`; so a chore for a GPU is run by another build of this program.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

#[cfg(feature = "cuda")]
use anyhow::ensure;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::sim::library::Library;
use crate::workspace;

/// What runs the operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// The processor.
    #[default]
    Cpu,
    /// The first GPU of this machine's driver.
    Cuda,
    /// A GPU that the simulator plays; `CUDA_SIM_DEVICE` says which.
    Sim,
}

impl Backend {
    /// Has another build of this program run what this one was asked for, if this one has no such backend.
    pub fn run_elsewhere(self) -> Result<Option<ExitCode>> {
        if self == Self::Cpu || cfg!(feature = "cuda") {
            return Ok(None);
        }
        let arguments = std::env::args_os().skip(1);
        self.run(&["--package", "xtask", "--bin", "xtask"], "xtask", arguments).map(Some)
    }

    /// Builds a program of the workspace, and runs it; for a GPU it is built with the feature `cuda`.
    ///
    /// `which` is what cargo calls the program, and `path` where it lies in the folder of the profile.
    pub fn run(
        self,
        which: &[&str],
        path: &str,
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<ExitCode> {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--release"]).args(which);
        let (mut target, mut library) = (workspace::root().join("target"), None);
        if self != Self::Cpu {
            let library = library.insert(Library::lay_out()?);
            target = library.programs();
            library.link(build.args(["--features", "cuda", "--target-dir"]).arg(&target));
        }
        if !build.status().context("cannot run cargo")?.success() {
            bail!("the program does not build");
        }
        let mut program = Command::new(target.join("release").join(path));
        program.args(arguments);
        if let (Self::Sim, Some(library)) = (self, &library) {
            library.load(&mut program)?;
        }
        let status = program.status().context("cannot run the program")?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        code.map(ExitCode::from).context("the program was stopped by a signal")
    }

    /// The backend, which this program has.
    pub fn open(self) -> Result<msa::Backend> {
        match self {
            Self::Cpu => Ok(msa::Backend::Cpu(msa::Cpu::new())),
            #[cfg(not(feature = "cuda"))]
            Self::Cuda | Self::Sim => bail!("this program was built without the feature `cuda`"),
            #[cfg(feature = "cuda")]
            Self::Cuda | Self::Sim => {
                let cuda = msa::cuda::Cuda::new()?;
                let name = cuda.kernels().device_name();
                println!("{name}");
                ensure!(
                    self == Self::Cuda || name.starts_with("Simulated"),
                    "{name} is a real GPU"
                );
                Ok(msa::Backend::Cuda(cuda))
            }
        }
    }
}
