//! The project's chores: `cargo xtask --help`.

mod bench;
mod cuda_sim;
mod demo;
mod replay;
mod test;
mod trace;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of MiniMax-M3 block-sparse attention for Rust")]
enum Task {
    /// Run MiniMax-M3-shaped steps, check them against float64, and draw which blocks rows chose.
    Demo(demo::Demo),
    /// Run everything that a machine without a GPU can test.
    Test(test::Test),
    /// Build the simulated driver for programs to link and load, and run its tests through `cust`.
    CudaSim(cuda_sim::CudaSim),
    /// Run recorded steps (the example `replay`; its options are shown by `replay --help`).
    #[command(disable_help_flag = true)]
    Replay(replay::Replay),
    /// Make a trace of any shape from a seed, with its expected values.
    Trace(trace::MakeTrace),
    /// Measure the operators.
    Bench(bench::Bench),
}

fn main() -> anyhow::Result<ExitCode> {
    match Task::parse() {
        Task::Demo(demo) => demo.run(),
        Task::Test(test) => test.run(),
        Task::CudaSim(cuda_sim) => cuda_sim.run(),
        Task::Replay(replay) => replay.run(),
        Task::Trace(trace) => trace.run(),
        Task::Bench(bench) => bench.run(),
    }
}
