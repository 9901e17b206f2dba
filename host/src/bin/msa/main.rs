//! `msa`: what a recorded step of a layer did, and what looks like a mistake in it.
//!
//!     cargo run --release --features inspect --bin msa -- inspect --html step.html step.safetensors

mod inspect;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "msa", version, about = "Tools for MiniMax-M3 block-sparse attention")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show which blocks a recorded step chose, and what looks like a mistake in it.
    Inspect(inspect::Inspect),
}

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Inspect(inspect) => inspect.run(),
    }
}
