use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum;

use crate::backend::Backend;

/// Options of an example of `msa`, which does the work: users of the library have it too.
#[derive(clap::Args)]
pub struct Example {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTIONS AND FILES")]
    arguments: Vec<OsString>,
}

impl Example {
    pub fn new(arguments: &[&str]) -> Self {
        Self { arguments: arguments.iter().map(OsString::from).collect() }
    }

    /// Builds and runs the example of this name.
    pub fn run(self, name: &str) -> Result<ExitCode> {
        let backend = self.backend();
        let example = ["--package", "msa", "--example", name];
        backend.run(&example, &format!("examples/{name}"), self.arguments)
    }

    /// The backend among the options; the example refuses what is none.
    fn backend(&self) -> Backend {
        let mut arguments = self.arguments.iter().filter_map(|argument| argument.to_str());
        let value = arguments.by_ref().find_map(|argument| {
            if argument == "--backend" { Some("") } else { argument.strip_prefix("--backend=") }
        });
        let value = if value == Some("") { arguments.next() } else { value };
        value.and_then(|name| Backend::from_str(name, false).ok()).unwrap_or_default()
    }
}
