//! The kernels `attend_decode` and `attend_combine` on a simulated device.

use cuda_sim::counters::Counters;
use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Order};
use half::bf16;
use msa::trace::{Tensor, Trace};
use msa::{HEAD_DIM, Selection};
use msa_abi::{AttendParams, DevicePtr};

use super::step::Step;

/// How the work is split.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// Parts that each tile's blocks are split into.
    pub splits: u32,
    /// Most rows of a tile.
    pub tile_rows: u32,
    /// Planes in shared memory.
    pub stages: u32,
}

/// What the launches gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Attended {
    /// bf16 `[rows, heads, 128]`
    pub output: Tensor<bf16, 3>,
    /// f32 `[rows, heads]`
    pub lse: Tensor<f32, 2>,
    /// What each launch cost.
    pub counters: Vec<Counters>,
}

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
    (file, device): (&str, &str),
    split: Split,
    order: Order,
) -> Result<Attended, Fault> {
    let step = Step::new(file, device, trace, 0);
    let ([rows, heads, _], [kv_heads, _, topk]) = (trace.q.shape(), ids.shape());
    let group = heads / kv_heads;
    let slots = rows * kv_heads * topk * group;
    let longest = trace.row_offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    let row_tiles = longest.div_ceil(split.tile_rows);
    let lse = step.upload(&vec![-7.0_f32; rows * heads]);
    let params = AttendParams {
        batch: step.batch,
        cache: step.cache,
        q: step.q,
        q_row_stride: (heads * HEAD_DIM) as u64,
        q_head_stride: HEAD_DIM as u64,
        block_ids: step.upload(ids.data()),
        ids_head_stride: (rows * topk) as u64,
        ids_row_stride: topk as u64,
        output: step.upload(&vec![7_u16; rows * heads * HEAD_DIM]),
        lse: DevicePtr::from_address(lse.address()),
        partial_values: step.allocate(slots * HEAD_DIM),
        partial_sums: step.allocate(slots * 4),
        scale_log2: trace.scale * std::f32::consts::LOG2_E,
        kv_heads: kv_heads as u32,
        group: group as u32,
        topk: topk as u32,
        splits: split.splits,
        tile_rows: split.tile_rows,
        row_tiles,
        stages: split.stages,
    };
    let launch = Launch {
        grid: [split.splits, kv_heads as u32, step.batch.batch * row_tiles],
        block: [AttendParams::THREADS, 1, 1],
        dynamic_shared: AttendParams::shared_bytes(split.tile_rows, topk as u32, split.stages),
        ..Launch::default()
    };
    let mut counters = vec![step.launch("attend_decode", &launch, order, &params)?];
    if split.splits > 1 {
        let launch = Launch {
            grid: [rows as u32, (heads as u32).div_ceil(4), 1],
            block: [AttendParams::COMBINE_THREADS, 1, 1],
            ..Launch::default()
        };
        counters.push(step.launch("attend_combine", &launch, order, &params)?);
    }
    let output = step.download(params.output, rows * heads * HEAD_DIM);
    let output = output.into_iter().map(bf16::from_bits).collect();
    Ok(Attended {
        output: Tensor::new([rows, heads, HEAD_DIM], output),
        lse: Tensor::new([rows, heads], step.download(lse, rows * heads)),
        counters,
    })
}

/// A selection of so many ids.
pub fn topk(topk: usize) -> Selection {
    Selection { topk, ..Selection::MINIMAX_M3 }
}
