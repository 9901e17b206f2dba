//! Speed, as figures and as ratios to something measured in the same run.

mod case;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(any(feature = "cuda", test))]
mod matrix;
mod plot;
mod report;
mod sim;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use self::report::Row;
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
    /// Draw what a GPU took: scaling, overlap and a roofline, as SVG files in this folder.
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,
    /// Measure nothing: print and draw what `--json` wrote to this file. It takes no GPU.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["backend", "suite", "only", "peers", "json"])]
    from: Option<PathBuf>,
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
    /// Decode of 1 and 8 requests of 4096 to 1048576 tokens, and of 1 to 256 requests of 32768.
    Scaling,
    /// All of them.
    #[default]
    All,
}

impl Bench {
    pub fn run(self) -> Result<ExitCode> {
        if let Some(file) = &self.from {
            let rows = report::read(file)?;
            report::print(&rows);
            self.plot(&rows)?;
            return Ok(ExitCode::SUCCESS);
        }
        match self.backend {
            Backend::Cpu => cpu::run()?,
            Backend::Sim => sim::run()?,
            Backend::Cuda => {
                if let Some(code) = self.backend.run_elsewhere()? {
                    return Ok(code);
                }
                #[cfg(feature = "cuda")]
                self.plot(&cuda::run(
                    self.suite,
                    &self.only,
                    self.peers.as_deref(),
                    self.json.as_deref(),
                )?)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn plot(&self, rows: &[Row]) -> Result<()> {
        self.plot.as_deref().map_or(Ok(()), |folder| plot::draw(rows, folder))
    }
}
