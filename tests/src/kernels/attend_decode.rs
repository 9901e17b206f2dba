//! The kernels `attend_decode` and `attend_combine`, and `attend_decode_cluster`, on a simulated device.

use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Order};
use msa::Selection;
use msa::trace::{Tensor, Trace};
use msa_abi::AttendParams;

use super::attention::{Attended, Attention, Split};

/// Attends to given ids, i32 `[kv_heads, rows, topk]`, on a device with one file of `host/ptx`.
///
/// # Errors
/// If a kernel does what it must not do.
///
/// # Panics
/// If there is no such file or device.
pub fn attend(
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    target: (&str, &str),
    split: Split,
    order: Order,
) -> Result<Attended, Fault> {
    let mut attention = Attention::new(trace, ids, target, split);
    let (step, params) = (&mut attention.step, &attention.params);
    let launch = Launch {
        grid: [params.batch.batch * params.row_tiles, params.kv_heads, split.splits],
        block: [AttendParams::THREADS, 1, 1],
        dynamic_shared: AttendParams::shared_bytes(split.tile_rows, params.topk, split.stages),
        ..Launch::default()
    };
    let mut counters = vec![step.launch("attend_decode", &launch, order, params)?];
    if split.splits > 1 {
        let launch = Launch {
            grid: [params.batch.rows, (params.kv_heads * params.group).div_ceil(4), 1],
            block: [AttendParams::COMBINE_THREADS, 1, 1],
            early: true,
            ..Launch::default()
        };
        counters.push(step.launch("attend_combine", &launch, order, params)?);
    }
    Ok(attention.attended(counters))
}

/// As [`attend`], by the kernel `attend_decode_cluster`, in clusters of `split.splits` blocks.
///
/// # Errors
/// As there.
///
/// # Panics
/// As there, or if `split.tile_rows` is not 1.
pub fn attend_by_cluster(
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    target: (&str, &str),
    split: Split,
    order: Order,
) -> Result<Attended, Fault> {
    assert_eq!(split.tile_rows, 1, "a cluster has a row");
    let mut attention = Attention::new(trace, ids, target, split);
    let (step, params) = (&mut attention.step, &attention.params);
    let launch = Launch {
        grid: [params.batch.batch * params.row_tiles, params.kv_heads, split.splits],
        cluster: [1, 1, split.splits],
        block: [AttendParams::THREADS, 1, 1],
        dynamic_shared: AttendParams::cluster_shared_bytes(split.splits, params.topk, split.stages),
        ..Launch::default()
    };
    let counters = vec![step.launch("attend_decode_cluster", &launch, order, params)?];
    Ok(attention.attended(counters))
}

/// A selection of so many ids.
pub fn topk(topk: usize) -> Selection {
    Selection { topk, ..Selection::MINIMAX_M3 }
}
