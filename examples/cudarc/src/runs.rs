//! A step enqueued, and a step captured and replayed, each compared with the CPU backend.

use std::sync::Arc;

use anyhow::{Context, Result};
use cudarc::driver::CudaStream;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use msa::Dispatch;
use msa::cuda::Kernels;
use msa::trace::Trace;
use msa_tests::generate::{Recipe, Request, Values};

use crate::compare;
use crate::step::Step;

/// A step of MiniMax-M3 on one GPU of four, of requests with so many new and cached tokens. All scores are exact.
pub fn trace(requests: &[(usize, usize)]) -> Trace {
    let requests = requests.iter().map(|&(new, cached)| Request::new(new, cached)).collect();
    Recipe { requests, values: Values::SmallIntegers, ..Recipe::default() }.trace()
}

/// Enqueues a step, and tells what ran it and its largest error.
pub fn once(kernels: &Kernels, stream: &Arc<CudaStream>, trace: &Trace) -> Result<(Dispatch, f32)> {
    let mut step = Step::new(kernels, stream, trace)?;
    // What is lent is given back at the end of this statement: the launches are enqueued then.
    let dispatch = step.lend(stream).enqueue(kernels)?;
    let error = compare::with_cpu(trace, &step.outcome(stream, dispatch)?)?;
    Ok((dispatch, error))
}

/// Captures a step and replays it with other cached lengths, which launches read on the device; tells the largest error of
/// all replays.
pub fn replayed(
    kernels: &Kernels,
    stream: &Arc<CudaStream>,
    mut trace: Trace,
    replays: &[&[u32]],
) -> Result<f32> {
    let mut step = Step::new(kernels, stream, &trace)?;
    // Lent before the capture begins and given back after it has ended: waiting for an upload of before, and recording a
    // use, are no part of the graph.
    let lent = step.lend(stream);
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
    let enqueued = lent.enqueue(kernels);
    let graph = stream.end_capture(CUgraphInstantiate_flags(0))?;
    drop(lent);
    let (dispatch, graph) = (enqueued?, graph.context("nothing was captured")?);

    let mut largest = 0_f32;
    for lengths in replays {
        trace.cache_lengths = lengths.to_vec();
        step.set_cache_lengths(stream, lengths)?;
        let lent = step.lend(stream);
        graph.launch()?;
        drop(lent);
        largest = largest.max(compare::with_cpu(&trace, &step.outcome(stream, dispatch)?)?);
    }
    Ok(largest)
}
