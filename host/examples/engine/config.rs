//! The command line, and the one place that refuses it.

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};
use msa::{BLOCK, MAX_GROUP, MAX_TOPK, Selection};

use crate::model::{Model, Shape};

/// Serve made-up requests by both operators, and compare each answer with that of the same request alone.
#[derive(Debug, Parser)]
#[command(name = "engine")]
pub struct Arguments {
    /// What runs the operators.
    #[arg(long, value_enum, default_value_t)]
    pub backend: Backend,
    /// Few short requests: a minute or two in the simulator. Other options come before its numbers.
    #[arg(long)]
    pub small: bool,
    /// Where all that is made up starts.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Requests.
    #[arg(long)]
    pub requests: Option<usize>,
    /// Tokens of the longest prompt.
    #[arg(long)]
    pub prompt: Option<usize>,
    /// Tokens with which most prompts begin alike.
    #[arg(long)]
    pub shared: Option<usize>,
    /// Tokens that each request asks for.
    #[arg(long)]
    pub new_tokens: Option<usize>,
    /// Pages of the cache, of 128 tokens each.
    #[arg(long)]
    pub pages: Option<usize>,
    /// Requests that run at a time.
    #[arg(long)]
    pub batch: Option<usize>,
    /// Rows of prompts in a step.
    #[arg(long)]
    pub chunk: Option<usize>,
    /// Sparse layers; MiniMax-M3 has 57.
    #[arg(long)]
    pub layers: Option<usize>,
    /// Query heads: MiniMax-M3 has 64, and 16 on each of four GPUs.
    #[arg(long, default_value_t = 16)]
    pub heads: usize,
    /// KV heads: MiniMax-M3 has 4, and 1 on each of four GPUs.
    #[arg(long, default_value_t = 1)]
    pub kv_heads: usize,
    /// Blocks that each row selects.
    #[arg(long, default_value_t = 16)]
    pub topk: usize,
    /// Tokens that the draft model is ahead; 0 for none.
    #[arg(long, default_value_t = 3)]
    pub drafts: usize,
    /// In how many of a hundred cases a draft is right.
    #[arg(long, default_value_t = 70)]
    pub agreement: u32,
    /// How many of a hundred requests are cancelled.
    #[arg(long, default_value_t = 15)]
    pub cancel: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Backend {
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

/// A configuration that was checked.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub backend: Backend,
    pub model: Model,
    pub selection: Selection,
    pub requests: usize,
    pub prompt: usize,
    pub shared: usize,
    pub new_tokens: usize,
    pub cancel: u32,
    /// Pages of the cache.
    pub pages: usize,
    /// Blocks of the longest request: the width of page tables.
    pub width: usize,
    /// Requests that run at a time.
    pub batch: usize,
    /// Rows of prompts in a step.
    pub chunk: usize,
    /// Tokens that the draft model is ahead.
    pub drafts: usize,
}

/// Most drafts: with the token before them they are the new tokens of a request that the route speculative takes.
const MAX_DRAFTS: usize = 7;

impl Config {
    /// # Errors
    /// If there is no engine of these sizes; the error names the option.
    pub fn new(arguments: &Arguments) -> Result<Self> {
        let a = arguments;
        let size = |given: Option<usize>, small, usual| {
            given.unwrap_or(if a.small { small } else { usual })
        };
        let (requests, prompt) = (size(a.requests, 4, 12), size(a.prompt, 200, 2500));
        let (shared, new_tokens) = (size(a.shared, 140, 1000), size(a.new_tokens, 5, 48));
        let (pages, batch) = (size(a.pages, 5, 64), size(a.batch, 3, 8));
        let (chunk, layers) = (size(a.chunk, 96, 512), size(a.layers, 2, 3));
        let &Arguments { heads, kv_heads, topk, drafts, agreement, cancel, seed, .. } = a;

        for (option, value, most) in [
            ("requests", requests, 1 << 20),
            ("prompt", prompt, MAX_TOKENS),
            ("new-tokens", new_tokens, MAX_TOKENS),
            ("pages", pages, 1 << 24),
            ("batch", batch, 1 << 12),
            ("chunk", chunk, MAX_TOKENS),
            ("layers", layers, 1 << 10),
            ("heads", heads, 1 << 10),
            ("kv-heads", kv_heads, 1 << 10),
            ("topk", topk, MAX_TOPK),
        ] {
            ensure!((1..=most).contains(&value), "--{option} is {value}, expected 1 to {most}");
        }
        ensure!(
            heads.is_multiple_of(kv_heads),
            "--heads is {heads}, expected a multiple of --kv-heads, which is {kv_heads}"
        );
        let group = heads / kv_heads;
        ensure!(
            group <= MAX_GROUP,
            "--heads is {heads}, expected at most {MAX_GROUP} for each of {kv_heads} KV heads"
        );
        ensure!(drafts <= MAX_DRAFTS, "--drafts is {drafts}, expected at most {MAX_DRAFTS}");
        ensure!(
            shared <= prompt,
            "--shared is {shared}, expected at most --prompt, which is {prompt}"
        );
        for (option, percent) in [("agreement", agreement), ("cancel", cancel)] {
            ensure!(percent <= 100, "--{option} is {percent}, expected at most 100");
        }
        let width = (prompt + new_tokens + drafts).div_ceil(BLOCK);
        // One more for a copy of the page that a request writes, while it holds the original.
        ensure!(
            pages > width,
            "--pages is {pages}, expected at least {} for one request of {} tokens",
            width + 1,
            prompt + new_tokens
        );

        Ok(Self {
            backend: a.backend,
            model: Model { seed, shape: Shape { layers, heads, kv_heads }, agreement },
            selection: Selection { topk, ..Selection::MINIMAX_M3 },
            requests,
            prompt,
            shared,
            new_tokens,
            cancel,
            pages,
            width,
            batch,
            chunk,
            drafts,
        })
    }
}

/// Most tokens of a prompt, and of an answer: MiniMax-M3 reads a million.
const MAX_TOKENS: usize = 1 << 19;
