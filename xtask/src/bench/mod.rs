//! Speed, as figures and as ratios to something measured in the same run.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod sim;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use crate::backend::Backend;

#[derive(clap::Args)]
pub struct Bench {
    /// What is measured: the processor beside the f32 matrix product of the crate `gemm` on the same threads; a GPU; or
    /// how fast the simulator executes a kernel.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Which steps a GPU runs.
    #[arg(long, value_enum, default_value_t)]
    suite: Suite,
    /// Only the steps whose name contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Where the peers' kernels and `bench_peers.py` are laid out, to be run on the same GPU.
    #[arg(long, value_name = "DIR")]
    peers: Option<PathBuf>,
    /// Write what a GPU took to this file, a line of JSON for each row.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Steps by the route that they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// One new token of each request.
    Decode,
    /// A few new tokens of each request.
    Speculative,
    /// Many new tokens of a request.
    Prefill,
    /// All of them.
    #[default]
    All,
}

impl Bench {
    pub fn run(self) -> Result<ExitCode> {
        match self.backend {
            Backend::Cpu => cpu::run()?,
            Backend::Sim => sim::run()?,
            Backend::Cuda => {
                if let Some(code) = self.backend.run_elsewhere()? {
                    return Ok(code);
                }
                #[cfg(feature = "cuda")]
                cuda::run(self.suite, &self.only, self.peers.as_deref(), self.json.as_deref())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
