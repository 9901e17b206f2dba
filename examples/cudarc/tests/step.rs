//! Steps on cudarc's stream give what the CPU backend gives, enqueued and replayed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use cudarc::driver::sys::{CUgraphInstantiate_flags, CUstreamCaptureMode};
use cudarc::driver::{CudaContext, CudaStream};
use msa::Route;
use msa::cuda::Kernels;
use msa_cudarc_example::step::Step;
use msa_cudarc_example::{operands, runs};

/// The GPU, for one test at a time: a thread has kernels and a stream of its own, in the context that all share.
fn gpu() -> Result<(MutexGuard<'static, ()>, Kernels, Arc<CudaStream>)> {
    static GPU: Mutex<()> = Mutex::new(());
    let alone = GPU.lock().unwrap_or_else(PoisonError::into_inner);
    let stream = CudaContext::new(0)?.new_stream()?;
    Ok((alone, Kernels::load()?, stream))
}

#[test]
fn decode_is_the_cpu_s() -> Result<()> {
    let (_alone, kernels, stream) = gpu()?;
    let trace = runs::trace(&[(1, 4096), (1, 700), (1, 0)]);
    let (dispatch, _) = runs::once(&kernels, &stream, &trace)?;
    assert_eq!(dispatch.route, Route::Decode);
    Ok(())
}

#[test]
fn prefill_is_the_cpu_s() -> Result<()> {
    let (_alone, kernels, stream) = gpu()?;
    let trace = runs::trace(&[(40, 1000), (9, 130)]);
    let (dispatch, _) = runs::once(&kernels, &stream, &trace)?;
    assert_eq!(dispatch.route, Route::Prefill);
    Ok(())
}

#[test]
fn a_captured_step_is_replayed_with_other_lengths() -> Result<()> {
    let (_alone, kernels, stream) = gpu()?;
    let trace = runs::trace(&[(1, 4096), (1, 700), (1, 0)]);
    let lengths: [&[u32]; 3] = [&[300, 127, 0], &[4096, 700, 0], &[2047, 0, 0]];
    runs::replayed(&kernels, &stream, trace, &lengths)?;
    Ok(())
}

/// Why memory is lent before a capture begins: to lend it is to wait for its upload, which is no part of the graph.
#[test]
fn memory_that_is_lent_while_a_stream_captures_spoils_the_capture() -> Result<()> {
    let (_alone, kernels, stream) = gpu()?;
    let mut step = Step::new(&kernels, &stream, &runs::trace(&[(1, 700)]))?;
    stream.begin_capture(CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_THREAD_LOCAL)?;
    drop(step.lend(&stream));
    // What the driver refused has no result of its own; cudarc keeps it.
    assert!(stream.context().check_err().is_err());
    assert!(stream.end_capture(CUgraphInstantiate_flags(0)).is_err());
    Ok(())
}

/// A part of an allocation is where it is, and has as many elements.
#[test]
fn a_view_is_lent_as_a_slice_is() -> Result<()> {
    let (_alone, _kernels, stream) = gpu()?;
    let memory = stream.clone_htod(&[0_u32; 12])?;
    let all = operands::read(&memory, [12], &stream);
    let part = memory.slice(4..10);
    let part = operands::read(&part, [2, 3], &stream);
    assert_eq!(part.tensor().address(), all.tensor().address() + 16);
    assert_eq!((part.tensor().shape(), part.tensor().strides()), ([2, 3], [3, 1]));
    Ok(())
}
