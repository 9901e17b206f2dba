use anyhow::Result;
use cust::event::{Event, EventFlags};
use cust::launch;
use cust::memory::{AsyncCopyDestination, DeviceBuffer};
use cust::module::Module;
use cust::stream::Stream;
use msa::cuda::Kernels;

use crate::bench::matrix::MatrixLoop;
use crate::bench::report::Card;

/// Bytes of the copy that gives the card's own rate.
const COPIED: usize = 1 << 30;

/// How often matrices are multiplied in a launch: for a millisecond or some.
const REPETITIONS: u32 = 4096;

/// Times of which the median counts.
const ROUNDS: usize = 20;

/// Measures what the card is able to.
pub fn card(kernels: &Kernels, stream: &Stream) -> Result<Card> {
    let device = kernels.device();
    let matrix = MatrixLoop::for_capability(device.capability);
    Ok(Card {
        device: kernels.device_name().to_owned(),
        copy_rate: copy_rate(stream)?,
        matrix_rate: matrix_rate(matrix, device.multiprocessors, stream)?,
        matrix_instruction: matrix.instruction.to_owned(),
    })
}

/// Bytes a second that a copy within the card's memory reads and writes.
fn copy_rate(stream: &Stream) -> Result<f64> {
    let from = DeviceBuffer::from_slice(&vec![1_u8; COPIED])?;
    // SAFETY: nothing reads it.
    let mut to = unsafe { DeviceBuffer::<u8>::uninitialized(COPIED)? };
    let seconds = median(stream, || {
        // SAFETY: both buffers outlive the copy: it is waited for.
        unsafe { to.async_copy_from(&from, stream)? };
        Ok(())
    })?;
    Ok(2.0 * COPIED as f64 / seconds)
}

/// Operations a second of a loop on all multiprocessors.
fn matrix_rate(matrix: &MatrixLoop, multiprocessors: u32, stream: &Stream) -> Result<f64> {
    let module = Module::from_ptx(matrix.ptx, &[])?;
    let function = module.get_function("matrix_rate")?;
    let blocks = multiprocessors * matrix.blocks_per_multiprocessor;
    let result = DeviceBuffer::from_slice(&vec![0_f32; (blocks * MatrixLoop::THREADS) as usize])?;
    let seconds = median(stream, || {
        let to = result.as_device_ptr();
        // SAFETY: its parameters are an address and a number. Each thread writes its float of the result, which outlives
        // the launch: it is waited for.
        unsafe { launch!(function<<<blocks, MatrixLoop::THREADS, 0, stream>>>(to, REPETITIONS))? };
        Ok(())
    })?;
    Ok(matrix.flops(blocks, REPETITIONS) as f64 / seconds)
}

/// Seconds that the card takes for what is enqueued: the median of some times.
fn median(stream: &Stream, mut enqueue: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut time = || -> Result<f64> {
        let (start, end) = (Event::new(EventFlags::DEFAULT)?, Event::new(EventFlags::DEFAULT)?);
        start.record(stream)?;
        enqueue()?;
        end.record(stream)?;
        end.synchronize()?;
        Ok(f64::from(end.elapsed_time_f32(&start)?) * 1e-3)
    };
    let mut times = (0..ROUNDS).map(|_| time()).collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[ROUNDS / 2])
}
