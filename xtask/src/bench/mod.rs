//! Speed, as figures and as ratios to something measured in the same run.

mod cpu;
mod sim;

use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

#[derive(clap::Args)]
pub struct Bench {
    /// What runs the operators.
    #[arg(long, value_enum, default_value_t)]
    backend: BenchBackend,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum BenchBackend {
    /// The processor, beside the f32 matrix product of the crate `gemm` on the same threads.
    #[default]
    Cpu,
    /// The simulator, which executes the kernels.
    Sim,
}

impl Bench {
    pub fn run(self) -> Result<ExitCode> {
        match self.backend {
            BenchBackend::Cpu => cpu::run()?,
            BenchBackend::Sim => sim::run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
