//! The kernel `attend_prefill` on a simulated device.

use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Order};
use msa::trace::{Tensor, Trace};
use msa_abi::AttendParams;

use super::attention::{Attended, Attention, Split};

/// Attends to given ids, i32 `[kv_heads, rows, topk]`, on a device with one file of `host/ptx`, with so many planes in
/// shared memory.
///
/// # Errors
/// If the kernel does what it must not do.
///
/// # Panics
/// If there is no such file or device.
pub fn attend(
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    target: (&str, &str),
    stages: u32,
    order: Order,
) -> Result<Attended, Fault> {
    let split = Split { splits: 1, tile_rows: AttendParams::PREFILL_ROWS, stages };
    let mut attention = Attention::new(trace, ids, target, split);
    let params = &attention.params;
    let launch = Launch {
        grid: [params.batch.batch * params.row_tiles, params.kv_heads, 1],
        block: [AttendParams::PREFILL_THREADS, 1, 1],
        dynamic_shared: AttendParams::prefill_shared_bytes(params.topk, stages),
        ..Launch::default()
    };
    let counters = attention.step.launch("attend_prefill", &launch, order, params)?;
    Ok(attention.attended(vec![counters]))
}
