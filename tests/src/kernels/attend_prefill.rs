//! The kernels `attend_prefill`, `attend_prefill_hopper` and `attend_prefill_blackwell` on a simulated device.

use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Order};
use msa::trace::{Tensor, Trace};
use msa_abi::AttendParams;

use super::attention::{Attended, Attention, Split};

/// One of the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// `attend_prefill`, of every file.
    Portable,
    /// `attend_prefill_hopper`, of `msa_sm_90a.ptx`, by tiles of so many rows.
    Hopper {
        /// 1 to [`PREFILL_ROWS`](AttendParams::PREFILL_ROWS)
        tile_rows: u32,
    },
    /// `attend_prefill_blackwell`, of `msa_sm_100f.ptx`, by tiles of so many rows.
    Blackwell {
        /// 1 to [`BLACKWELL_PREFILL_ROWS`](AttendParams::BLACKWELL_PREFILL_ROWS)
        tile_rows: u32,
    },
}

/// Attends to given ids, i32 `[kv_heads, rows, topk]`, on a device with one file of `host/ptx`, with so many planes in
/// shared memory.
///
/// # Errors
/// If the kernel does what it must not do.
///
/// # Panics
/// If there is no such file or device.
pub fn attend(
    kernel: Kernel,
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    target: (&str, &str),
    stages: u32,
    order: Order,
) -> Result<Attended, Fault> {
    let tile_rows = match kernel {
        Kernel::Portable => AttendParams::PREFILL_ROWS,
        Kernel::Hopper { tile_rows } | Kernel::Blackwell { tile_rows } => tile_rows,
    };
    let split = Split { splits: 1, tile_rows, stages };
    let mut attention = Attention::new(trace, ids, target, split);
    let params = &attention.params;
    let (name, threads, dynamic_shared) = match kernel {
        Kernel::Portable => (
            "attend_prefill",
            AttendParams::PREFILL_THREADS,
            AttendParams::prefill_shared_bytes(params.topk, stages),
        ),
        Kernel::Hopper { .. } => (
            "attend_prefill_hopper",
            AttendParams::HOPPER_PREFILL_THREADS,
            AttendParams::hopper_prefill_shared_bytes(params.topk, stages),
        ),
        Kernel::Blackwell { .. } => (
            "attend_prefill_blackwell",
            AttendParams::BLACKWELL_PREFILL_THREADS,
            AttendParams::blackwell_prefill_shared_bytes(params.topk, stages),
        ),
    };
    let cluster = if let Kernel::Blackwell { .. } = kernel { 2 } else { 1 };
    let launch = Launch {
        grid: [params.batch.batch * params.row_tiles, params.kv_heads, cluster],
        cluster: [1, 1, cluster],
        block: [threads, 1, 1],
        dynamic_shared,
        ..Launch::default()
    };
    let counters = attention.step.launch(name, &launch, order, params)?;
    Ok(attention.attended(vec![counters]))
}
