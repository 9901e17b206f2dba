//! What the GPU gave beside what the CPU backend gives.

use anyhow::{Result, ensure};
use msa::Backend;
use msa::trace::{Outcome, Trace};

/// Refuses an outcome that is not the CPU backend's within the contract's tolerances, and tells the largest error of an
/// element of the output. The step's scores are exact, so its ids have to be the same.
pub fn with_cpu(trace: &Trace, outcome: &Outcome) -> Result<f32> {
    let expected = trace.run(&Backend::default())?;
    ensure!(outcome.block_ids == expected.block_ids, "other blocks are selected");
    let lse = outcome.lse.data().iter().zip(expected.lse.data());
    for (at, (got, expected)) in lse.enumerate() {
        let error = (got - expected).abs();
        let is_close = got == expected || error <= 1e-3 + 1e-4 * expected.abs();
        ensure!(is_close, "lse[{at}] is {got}, the CPU's {expected}");
    }
    let mut largest = 0_f32;
    let output = outcome.output.data().iter().zip(expected.output.data());
    for (at, (got, expected)) in output.enumerate() {
        let (got, expected) = (got.to_f32(), expected.to_f32());
        let error = (got - expected).abs();
        ensure!(
            error <= 2e-2 + 2e-2 * expected.abs(),
            "output[{at}] is {got}, the CPU's {expected}"
        );
        largest = largest.max(error);
    }
    Ok(largest)
}
