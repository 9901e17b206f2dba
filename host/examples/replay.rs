//! Runs traces: recorded steps of one layer, with all their operands, as safetensors files.
//!
//!     cargo run --release --example replay -- --check --out results step.safetensors
//!
//! With the feature `cuda` it also runs them on a GPU: `--backend cuda`.
//!
//! Prints one line a file. Exits with 1 if a result is off, and with 2 if a file is unusable.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, ValueEnum};
use msa::trace::{Outcome, Trace};
use msa_tests::check::{Verdict, check};
use serde_json::json;

/// Run trace files, and compare what they give with what they say they must give.
#[derive(Parser)]
struct Arguments {
    /// What runs the operators.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Write `block_ids`, `output` and `lse` to a file of the same name in this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Compare with the trace's `expected.*` tensors.
    #[arg(long)]
    check: bool,
    /// Print a JSON object a line instead of text.
    #[arg(long)]
    json: bool,
    /// The traces.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum Backend {
    /// The processor.
    #[default]
    Cpu,
    /// The first GPU of the driver that is loaded.
    #[cfg(feature = "cuda")]
    Cuda,
    /// The same, if the simulator is that driver.
    #[cfg(feature = "cuda")]
    Sim,
}

/// What runs the traces.
struct Runner {
    backend: msa::Backend,
    /// The device, where there is more than one kind.
    device: Option<String>,
}

impl Backend {
    fn open(self) -> Result<Runner> {
        match self {
            Self::Cpu => Ok(Runner { backend: msa::Backend::Cpu(msa::Cpu::new()), device: None }),
            #[cfg(feature = "cuda")]
            Self::Cuda | Self::Sim => {
                let cuda = msa::cuda::Cuda::new()?;
                let name = cuda.kernels().device_name().to_owned();
                let is_simulated = name.starts_with("Simulated");
                ensure!(is_simulated || matches!(self, Self::Cuda), "{name} is a real GPU");
                Ok(Runner { backend: msa::Backend::Cuda(cuda), device: Some(name) })
            }
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runner = match arguments.backend.open() {
        Ok(runner) => runner,
        Err(error) => {
            eprintln!("this backend does not run here: {error}");
            return ExitCode::from(2);
        }
    };
    let mut worst = 0;
    for file in &arguments.files {
        let code = match replay(&arguments, &runner, file) {
            Ok(report) => {
                println!("{}", if arguments.json { report.json(file) } else { report.text(file) });
                u8::from(!report.passed())
            }
            Err(error) if arguments.json => {
                let error = format!("{error:#}");
                println!("{}", json!({ "file": file, "status": "unusable", "error": error }));
                2
            }
            Err(error) => {
                eprintln!("{}: {error:#}", file.display());
                2
            }
        };
        worst = worst.max(code);
    }
    ExitCode::from(worst)
}

/// What came of one trace.
struct Report<'r> {
    device: Option<&'r str>,
    outcome: Outcome,
    verdict: Option<Verdict>,
}

/// Runs one trace. A file is written only once everything else has gone well.
fn replay<'r>(arguments: &Arguments, runner: &'r Runner, file: &Path) -> Result<Report<'r>> {
    let trace = Trace::read(file)?;
    let outcome = trace.run(&runner.backend)?;
    let verdict = arguments.check.then(|| check(&trace, &outcome)).transpose()?;
    if let Some(folder) = &arguments.out {
        let name = file.file_name().context("not a file's name")?;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        let path = folder.join(name);
        ensure!(
            !path
                .canonicalize()
                .is_ok_and(|path| file.canonicalize().is_ok_and(|file| path == file)),
            "the result would overwrite the trace"
        );
        outcome.write(&path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(Report { device: runner.device.as_deref(), outcome, verdict })
}

impl Report<'_> {
    fn passed(&self) -> bool {
        self.verdict.as_ref().is_none_or(Verdict::passed)
    }

    fn status(&self) -> &'static str {
        match &self.verdict {
            None => "ran",
            Some(verdict) if verdict.passed() => "ok",
            Some(_) => "off",
        }
    }

    fn text(&self, file: &Path) -> String {
        let [rows, heads, _] = self.outcome.output.shape();
        let mut line = format!(
            "{}: {}: {}{}, {rows} rows, {heads} heads",
            file.display(),
            self.status(),
            self.device.map(|device| format!("{device}, ")).unwrap_or_default(),
            self.outcome.dispatch
        );
        if let Some(verdict) = &self.verdict {
            line += &format!(
                ": max error {:.2e}, relative norm {:.2e}, lse error {:.2e}, ids {}",
                verdict.max_error,
                verdict.relative_norm,
                verdict.lse_error,
                match verdict.wrong_lists {
                    0 => "right".to_owned(),
                    wrong => format!("wrong in {wrong} lists"),
                },
            );
        }
        line
    }

    fn json(&self, file: &Path) -> String {
        let [rows, heads, _] = self.outcome.output.shape();
        let dispatch = self.outcome.dispatch;
        let mut report = json!({
            "file": file,
            "status": self.status(),
            "backend": dispatch.backend,
            "tier": dispatch.tier,
            "route": dispatch.route.to_string(),
            "rows": rows,
            "heads": heads,
        });
        if let Some(device) = self.device {
            report["device"] = json!(device);
        }
        if let Some(verdict) = &self.verdict {
            report["max_error"] = json!(verdict.max_error);
            report["relative_norm"] = json!(verdict.relative_norm);
            report["lse_error"] = json!(verdict.lse_error);
            report["ids_right"] = json!(verdict.wrong_lists == 0);
            report["wrong_lists"] = json!(verdict.wrong_lists);
            report["wrong_outputs"] = json!(verdict.wrong_outputs);
            report["wrong_lses"] = json!(verdict.wrong_lses);
        }
        report.to_string()
    }
}
