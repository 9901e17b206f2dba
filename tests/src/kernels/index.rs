//! The indexer's kernels on a simulated device.

use cuda_sim::counters::Counters;
use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Order};
use msa::HEAD_DIM;
use msa::trace::{Tensor, Trace};
use msa_abi::{BlockTopkParams, DevicePtr, IndexParams};

use super::step::Step;
use crate::oracle;

/// A kernel that selects on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// `index_prefill`, of every file.
    Portable,
    /// `index_prefill_hopper`, of `msa_sm_90a.ptx`.
    Hopper,
    /// `index_prefill_blackwell`, of `msa_sm_100f.ptx`.
    Blackwell,
}

/// How the work is split.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// Parts that each tile's blocks are split into.
    pub splits: u32,
    /// Blocks or parts of blocks in shared memory.
    pub stages: u32,
}

/// What `index_decode` and `block_topk` gave.
#[derive(Clone, Debug)]
pub struct Scored {
    /// f32 `[index_heads, rows, score_stride]`, [`UNWRITTEN`] where nothing was written
    pub scores: Tensor<f32, 3>,
    /// i32 `[index_heads, rows, topk]`
    pub block_ids: Tensor<i32, 3>,
    /// What each launch cost.
    pub counters: Vec<Counters>,
}

/// What a [`Kernel`] and, where the work is split, `index_merge` gave.
#[derive(Clone, Debug)]
pub struct Selected {
    /// i32 `[index_heads, rows, topk]`
    pub block_ids: Tensor<i32, 3>,
    /// u64 `[splits * index_heads, rows, topk]`, what each part has selected, by ascending key; not of padding, and not where
    /// the work is not split
    pub partial_keys: Tensor<u64, 3>,
    /// What each launch cost.
    pub counters: Vec<Counters>,
}

/// A number that no score is.
pub const UNWRITTEN: f32 = -7e33;

/// Scores the blocks of a step with some rows of padding, and selects from the scores.
///
/// # Errors
/// If a kernel does what it must not do.
///
/// # Panics
/// If there is no such file or device, or the trace has no indexer's operands.
pub fn decode(
    trace: &Trace,
    padding: u32,
    target: (&str, &str),
    split: Split,
    order: Order,
) -> Result<Scored, Fault> {
    let mut step = Step::indexer(target, trace, padding);
    let params = params(&step, trace, split, IndexParams::DECODE_PAIRS);
    let rows = step.batch.rows;
    let lines = (params.index_heads * rows) as usize;
    let floats = lines * params.score_stride as usize;
    let scores = step.upload(&vec![UNWRITTEN; floats]);
    let params = IndexParams { scores, ..params };
    let launch = Launch {
        dynamic_shared: IndexParams::decode_shared_bytes(split.stages),
        ..launch(&params)
    };
    let scoring = step.launch("index_decode", &launch, order, &params)?;
    let max_blocks = params.score_stride - 1;
    let topk = BlockTopkParams {
        scores,
        row_offsets: step.batch.row_offsets,
        cache_lengths: step.batch.cache_lengths,
        block_ids: params.block_ids,
        rows,
        batch: step.batch.batch,
        score_stride: params.score_stride,
        topk: params.topk,
        init_blocks: params.init_blocks,
        local_blocks: params.local_blocks,
        id_order: params.id_order,
        max_blocks,
    };
    let launch = Launch {
        grid: [rows, params.index_heads, 1],
        block: [64, 1, 1],
        dynamic_shared: BlockTopkParams::shared_bytes(max_blocks, 64),
        early: true,
        ..Launch::default()
    };
    let selecting = step.launch("block_topk", &launch, order, &topk)?;
    let shape = [params.index_heads, rows, params.score_stride].map(|extent| extent as usize);
    Ok(Scored {
        scores: Tensor::new(shape, step.download(scores, floats)),
        block_ids: ids(&step, &params),
        counters: vec![scoring, selecting],
    })
}

/// Selects the blocks of a step with some rows of padding.
///
/// # Errors
/// If a kernel does what it must not do.
///
/// # Panics
/// If there is no such file or device, or the trace has no indexer's operands.
pub fn prefill(
    kernel: Kernel,
    trace: &Trace,
    padding: u32,
    target: (&str, &str),
    split: Split,
    order: Order,
) -> Result<Selected, Fault> {
    let mut step = Step::indexer(target, trace, padding);
    type Shared = fn(u32, u32) -> u32;
    let (name, pairs, threads, shared): (_, _, _, Shared) = match kernel {
        Kernel::Portable => (
            "index_prefill",
            IndexParams::PREFILL_PAIRS,
            IndexParams::THREADS,
            IndexParams::prefill_shared_bytes,
        ),
        Kernel::Hopper => (
            "index_prefill_hopper",
            IndexParams::HOPPER_PREFILL_PAIRS,
            IndexParams::HOPPER_PREFILL_THREADS,
            IndexParams::hopper_prefill_shared_bytes,
        ),
        Kernel::Blackwell => (
            "index_prefill_blackwell",
            IndexParams::BLACKWELL_PREFILL_PAIRS,
            IndexParams::BLACKWELL_PREFILL_THREADS,
            IndexParams::blackwell_prefill_shared_bytes,
        ),
    };
    let params = params(&step, trace, split, pairs);
    let launch = Launch {
        block: [threads, 1, 1],
        dynamic_shared: shared(params.topk, split.stages),
        ..launch(&params)
    };
    let mut counters = vec![step.launch(name, &launch, order, &params)?];
    if split.splits > 1 {
        let launch = Launch {
            grid: [params.batch.rows, params.index_heads, 1],
            block: [IndexParams::MERGE_THREADS, 1, 1],
            early: true,
            ..Launch::default()
        };
        counters.push(step.launch("index_merge", &launch, order, &params)?);
    }
    let partial_keys = partial_keys(&step, &params);
    Ok(Selected { block_ids: ids(&step, &params), partial_keys, counters })
}

fn partial_keys(step: &Step, params: &IndexParams) -> Tensor<u64, 3> {
    let [lines, rows, topk] =
        [params.splits * params.index_heads, params.batch.rows, params.topk].map(|n| n as usize);
    let mut keys = step.download(params.partial_keys, lines * rows * topk);
    keys.chunks_mut(topk).for_each(<[u64]>::sort_unstable);
    Tensor::new([lines, rows, topk], keys)
}

/// What all kernels are given; the scores are missing.
fn params(step: &Step, trace: &Trace, split: Split, pairs: u32) -> IndexParams {
    let inputs = oracle::indexer_inputs(trace);
    let index_heads = inputs.index_q.shape()[1];
    let requests = || trace.row_offsets.windows(2).map(|pair| pair[1] - pair[0]);
    let longest = requests().max().unwrap_or(0) * index_heads as u32;
    let horizon =
        requests().zip(&trace.cache_lengths).map(|(new, cached)| new + cached).max().unwrap_or(1);
    let slots = index_heads * step.batch.rows as usize * trace.selection.topk;
    IndexParams {
        batch: step.batch,
        cache: step.cache,
        index_q: step.q,
        q_row_stride: (index_heads * HEAD_DIM) as u64,
        q_head_stride: HEAD_DIM as u64,
        scores: DevicePtr::from_address(0),
        block_ids: step.upload(&vec![-2_i32; slots]),
        partial_keys: step.allocate(split.splits as usize * slots),
        scale: inputs.index_scale,
        index_heads: index_heads as u32,
        // One more than there are blocks.
        score_stride: horizon.div_ceil(128).max(1) + 1,
        splits: split.splits,
        // A launch is for as many rows as there may be, also where there are none.
        pair_tiles: longest.div_ceil(pairs).max(1),
        stages: split.stages,
        topk: trace.selection.topk as u32,
        init_blocks: trace.selection.init_blocks as u32,
        local_blocks: trace.selection.local_blocks as u32,
        id_order: trace.selection.id_order,
    }
}

fn launch(params: &IndexParams) -> Launch {
    Launch {
        grid: [params.batch.batch * params.pair_tiles, params.splits, 1],
        block: [IndexParams::THREADS, 1, 1],
        ..Launch::default()
    }
}

fn ids(step: &Step, params: &IndexParams) -> Tensor<i32, 3> {
    let shape = [params.index_heads, params.batch.rows, params.topk].map(|extent| extent as usize);
    Tensor::new(shape, step.download(params.block_ids, shape.iter().product()))
}
