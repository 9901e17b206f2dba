use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Options of the example `replay`, which does the work: users of the library have it too.
#[derive(clap::Args)]
pub struct Replay {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS AND FILES")]
    arguments: Vec<OsString>,
}

impl Replay {
    pub fn run(self) -> Result<ExitCode> {
        let status = Command::new(env!("CARGO"))
            .args(["run", "--quiet", "--release", "--package", "msa", "--example", "replay", "--"])
            .args(self.arguments)
            .status()
            .context("cannot run cargo")?;
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        code.map(ExitCode::from).context("replay was stopped by a signal")
    }
}
