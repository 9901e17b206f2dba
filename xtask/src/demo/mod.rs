//! The product at work: steps of MiniMax-M3's shape, checked and drawn.

mod picture;
mod steps;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use msa::BLOCK;
use msa::trace::{Outcome, Trace};
use msa_tests::check::{Verdict, check_rows};
use msa_tests::generate::Recipe;

use self::picture::Panel;
use crate::backend::Backend;

#[derive(clap::Args)]
pub struct Demo {
    /// What runs the operators.
    #[arg(long, value_enum, default_value_t)]
    backend: Backend,
    /// Where the picture goes.
    #[arg(long, value_name = "FILE", default_value = "target/demo/blocks.svg")]
    picture: PathBuf,
}

/// Rows of a step that are compared with the oracle.
const SAMPLED_ROWS: usize = 8;

impl Demo {
    pub fn run(self) -> Result<ExitCode> {
        if let Some(code) = self.backend.run_elsewhere()? {
            return Ok(code);
        }
        let backend = self.backend.open()?;
        let recipes = steps::recipes();
        // A bar on standard error; hidden by indicatif where that is no terminal.
        let bar = ProgressBar::new(3 * recipes.len() as u64)
            .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}")?);

        println!("{HEADER}");
        let mut panels = Vec::new();
        let mut passed = true;
        for (name, recipe) in &recipes {
            bar.set_message(format!("{name}: making operands"));
            let trace = recipe.trace();
            bar.inc(1);
            bar.set_message(format!("{name}: running"));
            let ran = Ran::new(&trace, &backend)?;
            bar.inc(1);
            bar.set_message(format!("{name}: checking against float64"));
            let verdict = check_rows(&trace, &ran.outcome, sample(trace.q.shape()[0]))?;
            bar.inc(1);
            passed &= verdict.passed();
            bar.suspend(|| println!("{}", line(name, recipe, &trace, &ran, &verdict)));
            panels.push(Panel::new(name, &trace, &ran.outcome));
        }
        bar.finish_and_clear();

        if let Some(folder) = self.picture.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        std::fs::write(&self.picture, picture::svg(&panels))
            .with_context(|| format!("cannot write {}", self.picture.display()))?;
        println!("\nWhich blocks each row chose: {}", self.picture.display());
        println!(
            "Errors are those of {SAMPLED_ROWS} rows of each step against float64: {}.",
            if passed { "all within the contract's tolerances" } else { "OUT OF TOLERANCE" }
        );
        Ok(ExitCode::from(u8::from(!passed)))
    }
}

/// A step that was run, and how long each operator took.
struct Ran {
    outcome: Outcome,
    indexer: Duration,
    attention: Duration,
}

impl Ran {
    fn new(trace: &Trace, backend: &msa::Backend) -> Result<Self> {
        let mut outcome = trace.run(backend)?; // also brings operands into the caches
        let indexer = trace.indexer_operands().context("a step of the demo runs the indexer")?;
        let start = Instant::now();
        backend.indexer(&indexer, outcome.block_ids.data_mut())?;
        let indexer = start.elapsed();
        let attention = trace.attention_operands(outcome.block_ids.view());
        let result = msa::AttentionResult {
            output: outcome.output.data_mut(),
            lse: Some(outcome.lse.data_mut()),
        };
        let start = Instant::now();
        backend.attention(&attention, result)?;
        Ok(Self { outcome, indexer, attention: start.elapsed() })
    }
}

/// Rows spread over a step, its first and last among them.
fn sample(rows: usize) -> Vec<usize> {
    let mut sampled: Vec<usize> =
        (0..SAMPLED_ROWS).map(|i| i * (rows - 1) / (SAMPLED_ROWS - 1)).collect();
    sampled.dedup();
    sampled
}

const HEADER: &str = "\
step                  backend, tier, route      rows  context  heads   indexer  attention  max error  rel. norm  blocks read of there";

fn line(name: &str, recipe: &Recipe, trace: &Trace, ran: &Ran, verdict: &Verdict) -> String {
    let context = recipe.requests.iter().map(|r| r.cached + r.new_tokens).max().unwrap_or(0);
    let read = ran.outcome.block_ids.data().iter().filter(|&&id| id >= 0).count();
    format!(
        "{name:<21} {:<24} {:>5} {context:>8} {:>6} {:>6.2} ms {:>7.2} ms {:>10.1e} {:>10.1e} {:>12} of {}",
        ran.outcome.dispatch.to_string(),
        trace.q.shape()[0],
        format!("{}/{}", recipe.heads, recipe.kv_heads),
        ran.indexer.as_secs_f64() * 1e3,
        ran.attention.as_secs_f64() * 1e3,
        verdict.max_error,
        verdict.relative_norm,
        read,
        blocks_there(recipe),
    )
}

/// Blocks in the horizons of a step's rows, over all KV heads.
fn blocks_there(recipe: &Recipe) -> usize {
    let of_request = |request: &msa_tests::generate::Request| -> usize {
        (0..request.new_tokens).map(|token| (request.cached + token) / BLOCK + 1).sum()
    };
    recipe.kv_heads * recipe.requests.iter().map(of_request).sum::<usize>()
}
