//! `cargo xtask sim-report`: what the kernels cost, counted by the simulator. The same on every run, but for
//! some instructions in a thousand where warps poll barriers: how often depends on when the host runs them.

mod model;
mod steps;

use std::process::ExitCode;

use anyhow::{Context, Result};
use cuda_sim::device::Device;
use msa::gpu::{Kernel, Params};
use msa_tests::costs::Cost;

use self::model::Chip;
use self::steps::{Operator, Step};

#[derive(clap::Args)]
pub struct Report {
    /// The device that the launches are planned for: sm_80, sm_90, sm_100, sm_103 or sm_120.
    #[arg(long, default_value = "sm_90")]
    device: String,
    /// Run one operator alone.
    #[arg(long, value_enum)]
    operator: Option<Operator>,
    /// Report one kernel alone, such as index_decode.
    #[arg(long, value_parser = kernel, conflicts_with = "operator")]
    kernel: Option<Kernel>,
}

impl Report {
    pub fn run(self) -> Result<ExitCode> {
        let device = Device::named(&self.device);
        let device = device.with_context(|| format!("{} is not simulated", self.device))?;
        let is_asked_for = |step: &Step| {
            self.operator.is_none_or(|operator| operator == step.operator)
                && self.kernel.is_none_or(|kernel| step.may_run(kernel))
        };
        println!("{HEADER}");
        let mut expected = Vec::new();
        for step in steps::all().filter(is_asked_for) {
            let costs = step.costs(&device)?;
            for cost in &costs {
                if self.kernel.is_none_or(|one| one == cost.launch.kernel) {
                    println!("{}", line(step, cost));
                }
            }
            if let Some(chip) = Chip::of(&self.device) {
                expected.push(model::row(step, &costs, &chip, device.multiprocessors));
            }
        }
        println!("\n{FOOTER}");
        if !expected.is_empty() {
            println!("\n{}\n{}\n\n{}", model::HEADER, expected.join("\n"), model::FOOTER);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn kernel(name: &str) -> Result<Kernel, String> {
    let names = || Kernel::ALL.map(Kernel::name).join(", ");
    let kernel = Kernel::ALL.into_iter().find(|kernel| kernel.name() == name);
    kernel.ok_or_else(|| format!("the kernels are {}", names()))
}

const HEADER: &str = "\
kernel                   step                  heads   keep  part         grid  splits  instructions  KiB moved  \
of fewest  by request  by tile  useful  powers  conflicts  diverged";

const FOOTER: &str = "\
step: requests x keys, or new tokens after cached keys; q: new tokens of each request. heads: query heads/KV heads.
keep: how probable it is that a row attends to a block that the row before attends to.
part: of the step, what is simulated and counted: some of its requests or rows, on as few of the multiprocessors.
grid, splits: as the library plans it; the parts that each tile's blocks are split into.
instructions: of warps. KiB moved: of global memory, loaded and stored, in sectors of 32 bytes, once for each
    instruction that touches one.
of fewest: over the bytes of the part's operands and results, each once; of the cache what the rows of each request need, once for
    each request and KV head. What the parts of split work leave for the next kernel is a result, and its operand.
by request: index keys, or K and V, that were read, over what the rows of each request need. by tile: over what those
    rows need that a block of threads has. A prefill's tiles read the same blocks, through the second-level cache.
useful: of the floating-point operations of matrix multiplications those with keys that a row sees in blocks that are
    scored for it or in its list. Decode fills 16 rows of a fragment with what there is.
powers: exponentials, of all lanes of a warp, over scores of rows with the keys that they see in their lists.
conflicts: turns of the banks beyond the fewest, for each access to shared memory.
diverged: of the instructions those that only some of a warp's live lanes execute.";

fn line(step: Step, cost: &Cost) -> String {
    let launch = &cost.launch;
    let grid = launch.grid.map(|extent| extent.to_string()).join(" x ");
    let splits = match launch.params {
        Params::Index(params) => params.splits.to_string(),
        Params::Attend(params) => params.splits.to_string(),
        _ => "-".to_owned(),
    };
    let ratio = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
    let left =
        format!("{:<25}{:<22}{:<6}{:>6}", launch.kernel, step.name(), step.heads(), step.keep());
    let part = format!("1/{}", step.parts);
    format!(
        "{left}{part:>6}{grid:>13}{splits:>8}{:>14}{:>11}{:>11.2}{:>12}{:>9}{:>8}{:>8}{:>11.3}{:>9.1}%",
        cost.instructions(),
        cost.moved() / 1024,
        cost.moved_of_fewest(),
        ratio(cost.cache_of_requests()),
        ratio(cost.cache_of_tiles()),
        ratio(cost.useful_of_issued()),
        ratio(cost.exponentials_of_scores()),
        cost.conflicts_per_access(),
        100.0 * cost.diverged(),
    )
}
