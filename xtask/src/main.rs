//! The project's chores: `cargo xtask --help`.

mod ptx;
mod setup;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The chores of MiniMax-M3 block-sparse attention for Rust")]
enum Task {
    /// Find or install the tools that compile the kernels.
    Setup(setup::Setup),
    /// Rebuild the PTX that is checked in, or check it.
    Ptx(ptx::Ptx),
}

fn main() -> anyhow::Result<ExitCode> {
    match Task::parse() {
        Task::Setup(setup) => setup.run(),
        Task::Ptx(ptx) => ptx.run(),
    }
}
