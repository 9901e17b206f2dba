use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use half::bf16;
use msa::trace::Trace;
use msa::{AttentionResult, BLOCK, Backend, HEAD_DIM};
use msa_tests::generate::{Recipe, Request};

/// Rounds of which the median counts. Each round measures everything once, so that all figures see
/// the machine in the same moods.
const ROUNDS: usize = 7;

/// Extent of the square matrices of the product that operators are compared with.
const GEMM: usize = 2048;

pub fn run() -> Result<()> {
    let backend = Backend::default();
    let mut product = Product::new();
    let mut operators = Vec::new();
    for (name, recipe) in cases() {
        operators.extend(Operator::both(name, &recipe, &backend)?);
    }

    let mut product_times = Vec::new();
    for _ in 0..ROUNDS {
        product_times.push(product.time());
        for operator in &mut operators {
            operator.time(&backend)?;
        }
    }

    let gemm = product.flops() / median(&mut product_times).as_secs_f64();
    println!(
        "{} threads; f32 product of {GEMM} x {GEMM} matrices by the crate gemm: {:.0} GFLOP/s\n",
        rayon::current_num_threads(),
        gemm / 1e9
    );
    println!(
        "{:<35} {:<25} {:>9} {:>9} {:>8}",
        "operator", "backend, tier, route", "time", "GFLOP/s", "of gemm"
    );
    for operator in &mut operators {
        let seconds = median(&mut operator.times).as_secs_f64();
        let rate = operator.flops / seconds;
        println!(
            "{:<35} {:<25} {:>6.2} ms {:>9.0} {:>7.0}%",
            operator.name,
            operator.dispatch,
            seconds * 1e3,
            rate / 1e9,
            100.0 * rate / gemm
        );
    }
    Ok(())
}

fn cases() -> Vec<(&'static str, Recipe)> {
    let of = |count, new_tokens, cached| Recipe {
        requests: vec![Request::new(new_tokens, cached); count],
        ..Recipe::default()
    };
    vec![
        ("2048 rows after 8192, 16/1", of(1, 2048, 8192)),
        ("8 x 4 rows after 8192, 16/1", of(8, 4, 8192)),
        ("8 x 1 row after 32767, 16/1", of(8, 1, 32_767)),
        ("1 x 1 row after 32767, 16/1", of(1, 1, 32_767)),
    ]
}

/// The yardstick: a matrix product in f32 on all threads.
struct Product {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

impl Product {
    fn new() -> Self {
        let matrix = |value| vec![value; GEMM * GEMM];
        Self { a: matrix(0.5), b: matrix(0.25), c: matrix(0.0) }
    }

    fn flops(&self) -> f64 {
        2.0 * (GEMM as f64).powi(3)
    }

    fn time(&mut self) -> Duration {
        let (rows, columns) = (GEMM as isize, 1);
        let start = Instant::now();
        // SAFETY: the three matrices hold GEMM x GEMM elements each, row-major as the strides say, and
        // `c` overlaps neither `a` nor `b`.
        unsafe {
            gemm::gemm(
                GEMM,
                GEMM,
                GEMM,
                self.c.as_mut_ptr(),
                columns,
                rows,
                false,
                self.a.as_ptr(),
                columns,
                rows,
                self.b.as_ptr(),
                columns,
                rows,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::Rayon(0),
            );
        }
        start.elapsed()
    }
}

/// An operator on one step.
struct Operator {
    name: String,
    kind: Kind,
    trace: std::rc::Rc<Trace>,
    /// i32 `[kv_heads, rows, topk]`: what the indexer selects, and attention attends to.
    block_ids: msa::trace::Tensor<i32, 3>,
    output: Vec<bf16>,
    flops: f64,
    dispatch: String,
    times: Vec<Duration>,
}

enum Kind {
    Indexer,
    Attention,
}

impl Operator {
    fn both(name: &str, recipe: &Recipe, backend: &Backend) -> Result<[Self; 2]> {
        let trace = std::rc::Rc::new(recipe.trace());
        let outcome = trace.run(backend)?;
        let operator = |kind, label, flops| Self {
            name: format!("{label} {name}"),
            kind,
            trace: trace.clone(),
            block_ids: outcome.block_ids.clone(),
            output: outcome.output.data().to_vec(),
            flops,
            dispatch: outcome.dispatch.to_string(),
            times: Vec::new(),
        };
        Ok([
            operator(Kind::Indexer, "index ", indexer_flops(recipe)),
            operator(Kind::Attention, "attend", attention_flops(recipe, outcome.block_ids.data())),
        ])
    }

    fn time(&mut self, backend: &Backend) -> Result<()> {
        let start;
        match self.kind {
            Kind::Indexer => {
                let operands = self.trace.indexer_operands().context("the step has an indexer")?;
                start = Instant::now();
                backend.indexer(&operands, self.block_ids.data_mut())?;
            }
            Kind::Attention => {
                let operands = self.trace.attention_operands(self.block_ids.view());
                start = Instant::now();
                let result = AttentionResult { output: &mut self.output, lse: None };
                backend.attention(&operands, result)?;
            }
        }
        self.times.push(start.elapsed());
        Ok(())
    }
}

/// The position of each row of a step.
fn positions(recipe: &Recipe) -> impl Iterator<Item = usize> {
    recipe.requests.iter().flat_map(|r| (0..r.new_tokens).map(|token| r.cached + token))
}

/// A multiplication and an addition for each dim of each visible key.
fn indexer_flops(recipe: &Recipe) -> f64 {
    let keys: usize = positions(recipe).map(|position| position + 1).sum();
    (2 * HEAD_DIM * recipe.kv_heads * keys) as f64
}

/// The same for each visible key of the selected blocks, and again for its value.
fn attention_flops(recipe: &Recipe, block_ids: &[i32]) -> f64 {
    let positions: Vec<usize> = positions(recipe).collect();
    let lists = block_ids.chunks(recipe.selection.topk).zip(positions.iter().cycle());
    let keys: usize = lists
        .flat_map(|(ids, position)| {
            ids.iter()
                .filter_map(|&id| usize::try_from(id).ok())
                .map(move |block| (position + 1).saturating_sub(block * BLOCK).min(BLOCK))
        })
        .sum();
    (4 * HEAD_DIM * recipe.heads / recipe.kv_heads * keys) as f64
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}
