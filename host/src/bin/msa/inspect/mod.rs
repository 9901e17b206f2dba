//! `msa inspect`: a file is read, analysed as a whole, and shown: file -> [`Step`] -> [`Report`] -> a view.

mod facts;
mod locality;
mod margins;
mod overlap;
mod page;
mod report;
mod scores;
mod selection;
mod step;
mod terminal;
mod warnings;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use msa::trace::Trace;

use self::report::Report;
use self::step::Step;
use self::warnings::Level;

/// Show which blocks a recorded step chose, and what looks like a mistake in it.
///
/// Exits with 0 if nothing is wrong, 1 if something is (`--deny-warnings`: or looks wrong), 2 if the file is unusable.
#[derive(clap::Args)]
pub struct Inspect {
    /// The step: a trace, or a dump of a running step (safetensors).
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Also write a page for a browser: one file, which needs no network.
    #[arg(long, value_name = "PAGE")]
    html: Option<PathBuf>,
    /// Print the whole report as JSON instead of text.
    #[arg(long)]
    json: bool,
    /// Exit with 1 if there is a warning, too.
    #[arg(long)]
    deny_warnings: bool,
}

impl Inspect {
    pub fn run(self) -> ExitCode {
        match self.report() {
            Ok(report) => ExitCode::from(u8::from(report.is_denied(self.deny_warnings))),
            Err(error) => {
                eprintln!("{}: {error:#}", self.file.display());
                ExitCode::from(2)
            }
        }
    }

    fn report(&self) -> Result<Report> {
        let report = inspect(&self.file)?;
        if let Some(page) = &self.html {
            std::fs::write(page, page::html(&report)?)
                .with_context(|| format!("cannot write {}", page.display()))?;
        }
        let text =
            if self.json { serde_json::to_string(&report)? } else { terminal::text(&report) };
        match writeln!(std::io::stdout().lock(), "{}", text.trim_end()) {
            // A pager that was quit has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            written => written.context("cannot write the report")?,
        }
        Ok(report)
    }
}

/// Reads a file and analyses it.
fn inspect(file: &Path) -> Result<Report> {
    let step = Step::new(Trace::read(file)?)?;
    Ok(Report::new(&file.display().to_string(), &step))
}

impl Report {
    fn is_denied(&self, deny_warnings: bool) -> bool {
        let least = if deny_warnings { Level::Warning } else { Level::Error };
        self.warnings.iter().any(|warning| warning.level >= least)
    }
}
