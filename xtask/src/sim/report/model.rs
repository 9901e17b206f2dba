//! What a step would take if the busiest thing on the chip were all that it waits for: a model, not a measurement.
//!
//! Each launch is divided by the rates of the chip, one after another, and the longest time counts, after a launch's own
//! latency. What the model leaves out (what waits for what within a block of threads) makes kernels slower than it says.

use msa_tests::costs::Cost;

use super::steps::{Operator, Step};

/// What a chip can do at most, in a second.
pub(super) struct Chip {
    /// Bytes that a copy reads and writes.
    memory: f64,
    /// Bytes that the second-level cache gives.
    l2: f64,
    /// Operations of `wgmma` or `tcgen05.mma`.
    products: f64,
    /// Operations of `mma.sync`.
    small_products: f64,
    /// Cycles.
    clock: f64,
}

impl Chip {
    /// The chip whose kernels a simulated device runs, if its rates are known: the rows of the table in
    /// `docs/performance/blackwell.md`, which tells where they are from.
    pub(super) fn of(device: &str) -> Option<Self> {
        let h200 = Self {
            memory: 4.23e12,
            l2: 6.6e12,
            products: 947e12,
            small_products: 568e12,
            clock: 1.75e9,
        };
        let b200 = Self {
            memory: 7.05e12,
            l2: 7.85e12,
            products: 2.15e15,
            small_products: 675e12,
            clock: 1.855e9,
        };
        match device {
            "sm_90" => Some(h200),
            "sm_100" => Some(b200),
            _ => None,
        }
    }
}

/// From a launch to its first copy's arrival, in us: as stages of one request's attention were measured on an H100
/// (`docs/performance/log.md`).
const LATENCY: f64 = 3.8;

/// What of that is spared to a launch that begins before the one before it has ended.
const EARLY: f64 = 1.0;

/// Of a multiprocessor in a cycle: exponentials, bytes of shared memory, instructions of warps.
const EXPONENTIALS: f64 = 16.0;
const SHARED: f64 = 128.0;
const ISSUED: f64 = 4.0;

/// What a launch does.
#[derive(Clone, Copy, Debug, Default)]
struct Work {
    memory_bytes: f64,
    l2_bytes: f64,
    flops: f64,
    small_flops: f64,
    exponentials: f64,
    shared_bytes: f64,
    instructions: f64,
    /// Blocks of threads.
    blocks: u64,
    begins_early: bool,
}

impl Work {
    /// Of all parts of a step.
    fn of(step: Step, cost: &Cost) -> Self {
        let all = |of_part: u64| (step.parts as u64 * of_part) as f64;
        let small = cost.counters.mma_flops.iter().filter(|(shape, _)| shape.starts_with("m16n8"));
        let small = small.map(|(_, flops)| flops).sum();
        let grid = cost.launch.grid.map(u64::from);
        Self {
            memory_bytes: step.memory_bytes(&cost.least) as f64,
            l2_bytes: all(cost.moved()),
            flops: all(cost.issued() - small),
            small_flops: all(small),
            exponentials: all(cost.exponentials()),
            shared_bytes: all(cost.shared_bytes()),
            instructions: all(cost.instructions()),
            blocks: step.parts as u64 * grid.iter().product::<u64>(),
            begins_early: cost.launch.programmatic_stream_serialization,
        }
    }

    /// What the busiest multiprocessor has to do, over the mean.
    fn tail(&self, multiprocessors: u32) -> f64 {
        let multiprocessors = u64::from(multiprocessors);
        (self.blocks.div_ceil(multiprocessors) * multiprocessors) as f64 / self.blocks as f64
    }

    /// The time by each resource, in us, in the order of [`RESOURCES`].
    fn times(&self, chip: &Chip, multiprocessors: u32) -> [f64; 6] {
        let cycles = chip.clock * f64::from(multiprocessors);
        let products = self.flops / chip.products + self.small_flops / chip.small_products;
        let of_multiprocessors = [
            products,
            self.exponentials / (EXPONENTIALS * cycles),
            self.shared_bytes / (SHARED * cycles),
            self.instructions / (ISSUED * cycles),
        ];
        let tail = self.tail(multiprocessors);
        let [products, exponentials, shared, issue] = of_multiprocessors.map(|time| time * tail);
        let (memory, l2) = (self.memory_bytes / chip.memory, self.l2_bytes / chip.l2);
        [memory, l2, products, exponentials, shared, issue].map(|seconds| seconds * 1e6)
    }

    fn latency(&self) -> f64 {
        if self.begins_early { LATENCY - EARLY } else { LATENCY }
    }
}

const RESOURCES: [&str; 6] =
    ["memory", "L2", "products", "exponentials", "shared memory", "instructions"];

pub(super) const HEADER: &str = "\
| step | operator | memory | L2 | products | exponentials | shared memory | instructions | tail | expected, us | limit |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |";

pub(super) const FOOTER: &str = "\
A model, in us, of whole steps: counts over the chip's rates, summed over a step's launches.
tail: how much more than the mean the busiest multiprocessor has of the longest launch. It is in all columns but the first two,
    whose rates all multiprocessors share.
expected: of each launch the longest of these times, and its latency.";

/// The row of a step.
pub(super) fn row(step: Step, costs: &[Cost], chip: &Chip, multiprocessors: u32) -> String {
    let mut sums = [0.0; 6];
    let (mut expected, mut longest) = (0.0, (0.0, "-", 1.0));
    for work in costs.iter().map(|cost| Work::of(step, cost)) {
        let times = work.times(chip, multiprocessors);
        for (sum, time) in sums.iter_mut().zip(times) {
            *sum += time;
        }
        let (time, resource) = limit(times);
        expected += work.latency() + time;
        if time > longest.0 {
            longest = (time, resource, work.tail(multiprocessors));
        }
    }
    let (_, resource, tail) = longest;
    let operator = match step.operator {
        Operator::Indexer => "index".to_owned(),
        Operator::Attention if step.keep() == "-" => "attend".to_owned(),
        Operator::Attention => format!("attend, keep {}", step.keep()),
    };
    let sums = sums.map(|sum| format!("{sum:.1}")).join(" | ");
    format!(
        "| {} {} | {operator} | {sums} | {tail:.2} | {expected:.1} | {resource} |",
        step.heads(),
        step.name(),
    )
}

/// The longest time, and whose it is.
fn limit(times: [f64; 6]) -> (f64, &'static str) {
    let longest =
        times.into_iter().zip(RESOURCES).max_by(|(one, _), (other, _)| one.total_cmp(other));
    longest.expect("there are resources")
}

#[cfg(test)]
mod tests {
    use super::{Chip, Work, limit};

    #[test]
    fn a_launch_takes_as_long_as_its_busiest_resource() {
        // Rates at which everything below takes whole microseconds: 10 multiprocessors of 1 GHz.
        let chip =
            Chip { memory: 1e12, l2: 2e12, products: 4e12, small_products: 1e12, clock: 1e9 };
        let work = Work {
            memory_bytes: 3e6,
            l2_bytes: 8e6,
            flops: 4e6,
            small_flops: 1e6,
            exponentials: 160e3,
            shared_bytes: 6.4e6,
            instructions: 120e3,
            // Two rounds of 10 multiprocessors for one and a half.
            blocks: 15,
            begins_early: false,
        };
        let times = work.times(&chip, 10);
        let of_mean = [3.0, 4.0, 2.0, 1.0, 5.0, 3.0];
        let tail = [1.0, 1.0, 4.0 / 3.0, 4.0 / 3.0, 4.0 / 3.0, 4.0 / 3.0];
        for ((time, mean), tail) in times.into_iter().zip(of_mean).zip(tail) {
            assert!((time - mean * tail).abs() < 1e-9, "{times:?}");
        }
        assert_eq!(limit(times).1, "shared memory");
        assert_eq!(work.latency(), 3.8);
        assert_eq!(Work { begins_early: true, ..work }.latency(), 2.8);
    }
}
