use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use msa::Route;
use serde::Deserialize;

use crate::bench::case::Case;
use crate::bench::report::{Row, Time, What};

/// What the peers' kernels took on the same GPU, as `bench_peers.py` tells it.
#[derive(Default)]
pub struct Peers(Vec<Line>);

/// A line of `bench_peers.py bench`, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    /// The card: the first line has it.
    gpu: Option<String>,
    #[serde(default)]
    peer: String,
    #[serde(default)]
    op: String,
    #[serde(rename = "hq", default)]
    heads: usize,
    #[serde(rename = "hkv", default)]
    kv_heads: usize,
    #[serde(rename = "b", default)]
    batch: usize,
    #[serde(rename = "q", default)]
    new_tokens: usize,
    /// Decode: keys of a request.
    ctx: Option<usize>,
    /// Prefill: the same without the new ones.
    prefix: Option<usize>,
    overlap: Option<f64>,
    us_graph: Option<f64>,
}

impl Peers {
    /// Runs those that are laid out in a folder on the cases' shapes, on this device.
    pub fn measure(folder: &Path, cases: &[Case], device: &str) -> Result<Self> {
        // Should the largest be too large for one of them, it has nothing left to spoil.
        let mut cases = cases.to_vec();
        cases.sort_by_key(|case| case.batch * case.context());
        let mut lines: Vec<Line> = Vec::new();
        for heads in [(16, 1), (64, 4)] {
            let shapes = |route, shape: fn(&Case) -> String| -> Vec<String> {
                let cases = cases.iter().filter(|case| case.heads == heads);
                cases.filter(|case| case.route() == route).map(shape).collect()
            };
            let decode =
                |case: &Case| format!("{}x{}x{}", case.batch, case.context(), case.new_tokens);
            let prefill = |case: &Case| format!("{}+{}", case.new_tokens, case.cached);
            let mut runs = vec![
                ("--decode", shapes(Route::Decode, decode).join(",")),
                ("--prefill", shapes(Route::Prefill, prefill).join(",")),
            ];
            // Each by itself: with several new tokens the script has all its lines written, and then fails.
            runs.extend(shapes(Route::Speculative, decode).into_iter().map(|s| ("--decode", s)));
            for (kind, shapes) in runs.into_iter().filter(|(_, shapes)| !shapes.is_empty()) {
                let heads = format!("{}/{}", heads.0, heads.1);
                let output = Command::new("python3")
                    .arg(folder.join("bench_peers.py"))
                    .args(["bench", "--heads", &heads, kind, &shapes])
                    .env("PYTHONPATH", folder)
                    .output()
                    .context("cannot run python3")?;
                let said = String::from_utf8_lossy(&output.stdout);
                for line in said.lines() {
                    lines.push(serde_json::from_str(line).with_context(|| line.to_owned())?);
                }
                let complaint = String::from_utf8_lossy(&output.stderr);
                ensure!(!said.is_empty(), "the peers do not run on {shapes}: {complaint}");
            }
        }
        for gpu in lines.iter().filter_map(|line| line.gpu.as_deref()) {
            ensure!(gpu == device, "the peers ran on {gpu}");
        }
        Ok(Self(lines))
    }

    /// What a row is to be compared with.
    pub fn fastest(&self, row: &Row) -> Option<Time> {
        let (index, attend) = (|| self.index(&row.case), |keep| self.attend(&row.case, keep));
        match row.what {
            What::Index => index(),
            What::Attend => attend(row.keep?),
            // The indexer selects from random keys.
            What::Both => {
                let (index, attend) = (index()?, attend(0.0)?);
                Some((format!("{}, {}", index.0, attend.0), index.1 + attend.1))
            }
        }
    }

    /// The fastest peer's indexer, scores and selection together.
    fn index(&self, case: &Case) -> Option<Time> {
        let lines = || self.of(case);
        let whole = lines().filter(|line| line.op.ends_with("score+topk"));
        let whole = whole.filter_map(Line::time);
        // In prefill vLLM's are two calls.
        let part = |op| lines().find(|line| line.op == op).and_then(Line::time);
        let two = match (part("score"), part("topk")) {
            (Some((peer, score)), Some((_, topk))) => Some((peer, score + topk)),
            _ => None,
        };
        fastest(whole.chain(two))
    }

    /// The fastest peer's attention, to lists with this overlap in prefill. No peer is faster where drafts share blocks.
    fn attend(&self, case: &Case, keep: f64) -> Option<Time> {
        let lines = self.of(case).filter(|line| line.op.starts_with("attend"));
        let lines = lines.filter(|line| line.prefix.is_none() || line.overlap == Some(keep));
        fastest(lines.filter_map(Line::time))
    }

    fn of(&self, case: &Case) -> impl Iterator<Item = &Line> {
        self.0.iter().filter(|line| {
            let shape = (line.heads, line.kv_heads, line.batch, line.new_tokens);
            let context = line.ctx.or(line.prefix.map(|prefix| prefix + line.new_tokens));
            shape == (case.heads.0, case.heads.1, case.batch, case.new_tokens)
                && context == Some(case.context())
                && line.prefix.is_some() == (case.route() == Route::Prefill)
        })
    }
}

impl Line {
    fn time(&self) -> Option<Time> {
        Some((self.peer.clone(), self.us_graph?))
    }
}

fn fastest(times: impl Iterator<Item = Time>) -> Option<Time> {
    times.min_by(|(_, a), (_, b)| a.total_cmp(b))
}
