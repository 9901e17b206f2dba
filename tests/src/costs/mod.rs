//! What the operators' launches cost on a simulated device, and what they would cost at the least.
//!
//! The launches are those of the library's own plans, so that a cost is that of the splits and tiles which the device
//! would be given. `cargo xtask sim-report` prints them for steps of real size; the tests hold small steps to bounds.

mod gpu;
mod least;

pub use least::Least;

use cuda_sim::counters::Counters;
use cuda_sim::device::Device;
use cuda_sim::fault::Fault;
use msa::gpu::{AttentionOperands, AttentionResult, IndexerOperands, Launch};
use msa::trace::{Tensor, Trace};

use self::gpu::Gpu;
use crate::oracle;

/// A launch, and what it cost.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The launch, as it was planned.
    pub launch: Launch,
    /// What was counted.
    pub counters: Counters,
    /// What it needs.
    pub least: Least,
}

/// Why there is no cost.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// The operands are refused.
    #[error(transparent)]
    Plan(#[from] msa::Error),
    /// A kernel does what it must not do.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Bytes of a sector, the least that global memory moves.
const SECTOR: u64 = 32;

/// Bytes that the banks of shared memory give in one turn.
const BANKS: u64 = 128;

/// Lanes of a warp.
const LANES: u64 = 32;

/// What the launches of the indexer cost for a step on a device, or on a part of one: with fewer multiprocessors.
///
/// # Errors
/// If the step is refused, or a kernel does what it must not do.
///
/// # Panics
/// If the trace has no indexer's operands.
pub fn indexer(trace: &Trace, device: &Device) -> Result<Vec<Cost>, CostError> {
    let gpu = Gpu::new(device);
    let inputs = oracle::indexer_inputs(trace);
    let [rows, heads, _] = inputs.index_q.shape();
    let operands = IndexerOperands {
        batch: gpu.batch(trace),
        index_q: gpu.upload(&inputs.index_q),
        index_k_pages: gpu.upload(&inputs.index_k_pages),
        index_page_table: gpu.upload(&inputs.index_page_table),
        layer_idx: trace.layer_idx,
        selection: trace.selection,
        scale: inputs.index_scale,
    };
    let block_ids = gpu.allocate([heads, rows, trace.selection.topk]);
    gpu.run(
        |device, workspace| operands.plan(&block_ids, device, workspace),
        |launch| Least::of_indexer(launch, trace),
    )
}

/// The same of attention to given ids, i32 `[kv_heads, rows, topk]`.
///
/// # Errors
/// If the step is refused, or a kernel does what it must not do.
pub fn attention(
    trace: &Trace,
    ids: &Tensor<i32, 3>,
    device: &Device,
) -> Result<Vec<Cost>, CostError> {
    let gpu = Gpu::new(device);
    let operands = AttentionOperands {
        batch: gpu.batch(trace),
        q: gpu.upload(&trace.q),
        kv_pages: gpu.upload(&trace.kv_pages),
        kv_page_table: gpu.upload(&trace.kv_page_table),
        layer_idx: trace.layer_idx,
        block_ids: gpu.upload(ids),
        scale: trace.scale,
    };
    let [rows, heads, dim] = trace.q.shape();
    let result = AttentionResult {
        output: gpu.allocate([rows, heads, dim]),
        lse: Some(gpu.allocate([rows, heads])),
    };
    gpu.run(
        |device, workspace| operands.plan(&result, device, workspace),
        |launch| Least::of_attention(launch, trace, ids),
    )
}

impl Cost {
    /// Instructions, one of a warp once.
    pub fn instructions(&self) -> u64 {
        self.counters.instructions.values().sum()
    }

    /// Bytes of global memory that were loaded and stored, in whole sectors.
    pub fn moved(&self) -> u64 {
        let totals = &self.counters.totals;
        SECTOR * (totals.global_loads.sectors + totals.global_stores.sectors)
    }

    /// Those over the fewest bytes possible.
    pub fn moved_of_fewest(&self) -> f64 {
        ratio(self.moved(), self.least.bytes)
    }

    /// Bytes of the cache that were read, over those that the rows of each request need, once for the request.
    pub fn cache_of_requests(&self) -> Option<f64> {
        self.cache_of(self.least.cache_of_requests)
    }

    /// The same over what the rows of each tile need, once for the tile.
    pub fn cache_of_tiles(&self) -> Option<f64> {
        self.cache_of(self.least.cache_of_tiles)
    }

    /// Everything that is copied to shared memory asynchronously is of the cache, but for attention's queries.
    fn cache_of(&self, fewest: u64) -> Option<f64> {
        let copied = SECTOR * self.counters.totals.global_copies.sectors;
        let copied = copied.saturating_sub(self.least.copied_queries);
        (fewest > 0).then(|| ratio(copied, fewest))
    }

    /// Useful floating-point operations over those of the matrix multiplications that were issued.
    pub fn useful_of_issued(&self) -> Option<f64> {
        (self.issued() > 0).then(|| ratio(self.least.flops, self.issued()))
    }

    /// Floating-point operations of matrix multiplications that were issued.
    pub fn issued(&self) -> u64 {
        self.counters.mma_flops.values().sum()
    }

    /// Powers of two that the unit of exponentials computes: of all lanes of a warp, as idle ones take its time, too.
    pub fn exponentials(&self) -> u64 {
        LANES * self.counters.instructions.get("ex2").copied().unwrap_or(0)
    }

    /// Those over the scores of attention: one for each query head and each key that it sees of a block in its row's list.
    pub fn exponentials_of_scores(&self) -> Option<f64> {
        (self.least.scores > 0).then(|| ratio(self.exponentials(), self.least.scores))
    }

    /// Bytes that shared memory gives and takes: turns of its banks for warps, operands that products read, and planes that
    /// a tensor map brings.
    pub fn shared_bytes(&self) -> u64 {
        let totals = &self.counters.totals;
        let mapped = if self.launch.planes.is_some() { totals.global_copies.bytes } else { 0 };
        BANKS * totals.shared.wavefronts + totals.operands + mapped
    }

    /// Turns that the banks of shared memory took in vain for each access.
    pub fn conflicts_per_access(&self) -> f64 {
        let shared = &self.counters.totals.shared;
        ratio(shared.conflicts, shared.accesses.max(1))
    }

    /// The part of the instructions that only some of a warp's live lanes executed.
    pub fn diverged(&self) -> f64 {
        ratio(self.counters.totals.divergent, self.instructions())
    }
}

fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}
