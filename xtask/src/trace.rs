use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, Result};
use msa::trace::BlockIds;
use msa::{IdOrder, Selection};
use msa_tests::generate::{Recipe, Request, Values, hostile_ids, with_expected};

#[derive(clap::Args)]
pub struct MakeTrace {
    /// The file to write.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where all random numbers start.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The requests of the batch, each as new tokens + cached tokens.
    #[arg(long, value_name = "NEW+CACHED", value_delimiter = ',', default_value = "1+4096")]
    requests: Vec<Lengths>,
    /// Query heads / KV heads.
    #[arg(long, value_name = "H/HKV", default_value = "16/1")]
    heads: Heads,
    /// Layers in the caches.
    #[arg(long, default_value_t = 1)]
    layers: usize,
    /// The layer that the step is about.
    #[arg(long, default_value_t = 0)]
    layer: u32,
    /// Blocks that each row selects.
    #[arg(long, default_value_t = Selection::MINIMAX_M3.topk)]
    topk: usize,
    /// Blocks forced at the start of each row's horizon.
    #[arg(long, default_value_t = Selection::MINIMAX_M3.init_blocks)]
    init_blocks: usize,
    /// Blocks forced at the end of each row's horizon.
    #[arg(long, default_value_t = Selection::MINIMAX_M3.local_blocks)]
    local_blocks: usize,
    /// List each row's ids in ascending order.
    #[arg(long)]
    ascending: bool,
    /// Small integers instead of normally distributed values: scores are exact, and many tie.
    #[arg(long)]
    exact: bool,
    /// Give the block ids, hostile ones among them, instead of having the indexer select them.
    #[arg(long)]
    given_ids: bool,
}

impl MakeTrace {
    pub fn run(self) -> Result<ExitCode> {
        let recipe = Recipe {
            seed: self.seed,
            requests: self.requests.iter().map(|lengths| lengths.0).collect(),
            heads: self.heads.query,
            kv_heads: self.heads.kv,
            layers: self.layers,
            layer_idx: self.layer,
            selection: Selection {
                topk: self.topk,
                init_blocks: self.init_blocks,
                local_blocks: self.local_blocks,
                id_order: if self.ascending { IdOrder::Ascending } else { IdOrder::Score },
            },
            values: if self.exact { Values::SmallIntegers } else { Values::Normal },
            ..Recipe::default()
        };
        let mut trace = recipe.trace();
        if self.given_ids {
            trace.block_ids = BlockIds::Given(hostile_ids(&trace, self.seed), None);
        }
        // A backend's check of the operands, so that a shape that the contract refuses is told as such.
        trace.run(&msa::Backend::default()).context("no such step")?;
        let file = self.file.display();
        with_expected(trace).write(&self.file).with_context(|| format!("cannot write {file}"))?;
        println!("{file}: written; try `cargo xtask replay --check {file}`");
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Clone, Debug)]
struct Lengths(Request);

impl FromStr for Lengths {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (new, cached) = text.split_once('+').context("expected NEW+CACHED, such as 1+4096")?;
        Ok(Self(Request::new(new.parse()?, cached.parse()?)))
    }
}

#[derive(Clone, Debug)]
struct Heads {
    query: usize,
    kv: usize,
}

impl FromStr for Heads {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (query, kv) = text.split_once('/').context("expected H/HKV, such as 16/1")?;
        Ok(Self { query: query.parse()?, kv: kv.parse()? })
    }
}
