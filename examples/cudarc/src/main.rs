//! Runs a decode step and a chunk of prefill of MiniMax-M3's shape on cudarc's stream, then decode again from a CUDA graph
//! with other lengths, and compares each with the CPU backend.

use anyhow::Result;
use cudarc::driver::CudaContext;
use msa::cuda::Kernels;
use msa_cudarc_example::runs;

fn main() -> Result<()> {
    // The primary context of the first GPU, which is this thread's from here on: the kernels are loaded into it.
    let context = CudaContext::new(0)?;
    let stream = context.new_stream()?;
    let kernels = Kernels::load()?;
    println!("{}", context.name()?);

    let decode = runs::trace(&[(1, 4096), (1, 700), (1, 0)]);
    let prefill = runs::trace(&[(40, 1000), (9, 130)]);
    for trace in [&decode, &prefill] {
        let (dispatch, error) = runs::once(&kernels, &stream, trace)?;
        println!("{dispatch}: the CPU's ids, and its output within {error:.1e}");
    }
    let lengths: [&[u32]; 3] = [&[300, 127, 0], &[4096, 700, 0], &[2047, 0, 0]];
    let error = runs::replayed(&kernels, &stream, decode, &lengths)?;
    println!("replayed with {} lengths: within {error:.1e}", lengths.len());
    Ok(())
}
