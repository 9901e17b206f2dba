//! `cargo xtask sim-report`: what the kernels cost, counted by the simulator. The same on every run.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use cuda_sim::Order;
use cuda_sim::counters::Counters;
use msa_tests::kernels::block_topk::Case;

#[derive(clap::Args)]
pub struct Report {
    /// The file of `host/ptx` whose kernels are run.
    #[arg(long, default_value = "msa_sm_90a.ptx")]
    file: String,
    /// The device that runs them.
    #[arg(long, default_value = "sm_90")]
    device: String,
}

/// Bytes of a sector, the least that global memory moves.
const SECTOR: u64 = 32;

impl Report {
    pub fn run(self) -> Result<ExitCode> {
        println!(
            "{:<12}{:<32}{:>14}{:>12}{:>11}{:>12}{:>10}",
            "kernel", "shape", "instructions", "moved", "of fewest", "conflicts", "diverged"
        );
        for (shape, case) in shapes() {
            let selected = case.run(&self.file, &self.device, Order::InTurn);
            let counters = selected.map_err(|fault| anyhow!("{fault}"))?.counters;
            println!("{}", line("block_topk", shape, &counters, fewest(&case)));
        }
        println!(
            "\nmoved: bytes of global memory, in sectors; of fewest: over the bytes of operands and result.\n\
             conflicts: extra turns of the banks for each access to shared memory."
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn shapes() -> Vec<(&'static str, Case)> {
    let of = |count, new, cached| Case { requests: vec![(new, cached); count], ..Case::default() };
    vec![
        ("1 x 131072", of(1, 1, 131_071)),
        ("1 x 1048576", of(1, 1, 1_048_575)),
        ("8 x 131072", of(8, 1, 131_071)),
        ("64 x 32768", of(64, 1, 32_767)),
        ("64 x 32768, q = 4", of(64, 4, 32_764)),
        ("512 after 32768", Case { threads: 64, ..of(1, 512, 32_768) }),
        ("512 after 32768, 4 heads", Case { threads: 64, index_heads: 4, ..of(1, 512, 32_768) }),
    ]
}

/// Bytes that cannot be avoided: each score of a horizon once, and each id.
fn fewest(case: &Case) -> u64 {
    let scores: u64 = case.horizons().into_iter().map(u64::from).sum();
    let ids = u64::from(case.rows()) * case.selection.topk as u64;
    4 * u64::from(case.index_heads) * (scores + ids)
}

fn line(kernel: &str, shape: &str, counters: &Counters, fewest: u64) -> String {
    let totals = &counters.totals;
    let moved = SECTOR * (totals.global_loads.sectors + totals.global_stores.sectors);
    let issued: u64 = counters.instructions.values().sum();
    let shared = &totals.shared;
    format!(
        "{kernel:<12}{shape:<32}{issued:>14}{:>9} KiB{:>11.2}{:>12.3}{:>9.1}%",
        moved / 1024,
        moved as f64 / fewest as f64,
        shared.conflicts as f64 / shared.accesses.max(1) as f64,
        100.0 * totals.divergent as f64 / issued.max(1) as f64,
    )
}
