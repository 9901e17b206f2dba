mod browser;
pub mod page;
mod steps;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::backend::Backend;

/// Options of the program `msa inspect`, which does the work: users of the library have it too.
#[derive(clap::Args)]
pub struct Inspect {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS AND FILE")]
    arguments: Vec<OsString>,
}

impl Inspect {
    pub fn run(self) -> Result<ExitCode> {
        let program = ["--package", "msa", "--features", "inspect", "--bin", "msa"];
        let arguments = std::iter::once("inspect".into()).chain(self.arguments);
        Backend::Cpu.run(&program, "msa", arguments)
    }
}
