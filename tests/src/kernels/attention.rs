//! What the kernels of attention have in common: operands, results.

use cuda_sim::counters::Counters;
use half::bf16;
use msa::HEAD_DIM;
use msa::trace::{Tensor, Trace};
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

/// A step on a simulated device, ready to be launched.
pub(super) struct Attention {
    pub(super) step: Step,
    pub(super) params: AttendParams,
}

impl Attention {
    /// Attention to given ids, i32 `[kv_heads, rows, topk]`, on a device with one file of `host/ptx`.
    pub(super) fn new(
        trace: &Trace,
        ids: &Tensor<i32, 3>,
        target: (&str, &str),
        split: Split,
    ) -> Self {
        let step = Step::attention(target, trace, 0);
        let ([rows, heads, _], [kv_heads, _, topk]) = (trace.q.shape(), ids.shape());
        let group = heads / kv_heads;
        let slots = if split.splits > 1 { rows * kv_heads * topk * group } else { 0 };
        let longest = trace.row_offsets.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
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
            lse: step.upload(&vec![-7.0_f32; rows * heads]),
            partial_values: step.allocate(slots * HEAD_DIM),
            partial_sums: step.allocate(slots * 2),
            scale_log2: trace.scale * std::f32::consts::LOG2_E,
            kv_heads: kv_heads as u32,
            group: group as u32,
            topk: topk as u32,
            splits: split.splits,
            tile_rows: split.tile_rows,
            row_tiles: longest.div_ceil(split.tile_rows),
            stages: split.stages,
        };
        Self { step, params }
    }

    /// What has come out.
    pub(super) fn attended(&self, counters: Vec<Counters>) -> Attended {
        let (step, params) = (&self.step, &self.params);
        let (rows, heads) = (params.batch.rows as usize, (params.kv_heads * params.group) as usize);
        let output = step.download(params.output, rows * heads * HEAD_DIM);
        let output = output.into_iter().map(bf16::from_bits).collect();
        let lse = step.download(DevicePtr::from_address(params.lse.address()), rows * heads);
        Attended {
            output: Tensor::new([rows, heads, HEAD_DIM], output),
            lse: Tensor::new([rows, heads], lse),
            counters,
        }
    }
}
