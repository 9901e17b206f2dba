//! The CPU backend: the embedded default, and what every other backend is compared with.
//!
//! One arithmetic for all routes: a dot product is summed over the head dim in order, a block's
//! weighted values over its keys in order, each by fused multiply-adds, and a row's blocks are merged
//! in ascending order. Vector lanes and threads split work only where sums do not cross, so a row's
//! result has the same bits in any batch, on any number of threads and with any vector width.

mod attention;
mod indexer;
mod matrix;
mod merge_states;
mod product;
mod softmax;
mod tile;
mod topk;

use std::ops::Range;

use pulp::Arch;

use crate::problem::{AttentionProblem, IndexerProblem, MergeStatesProblem};
use crate::{AttentionResult, Error, IndexerOperands};

/// The processor's vector instructions, found when the value is made.
///
/// Work is spread over the rayon pool in which an operator is called: the global one, or that of a
/// surrounding [`rayon::ThreadPool::install`](https://docs.rs/rayon/latest/rayon/struct.ThreadPool.html).
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    arch: Arch,
}

impl Cpu {
    /// The backend with the widest vector instructions that this processor has.
    pub fn new() -> Self {
        let cpu = Self { arch: Arch::new() };
        #[cfg(feature = "tracing")]
        tracing::debug!(tier = cpu.tier(), "cpu backend");
        cpu
    }

    /// The backend without vector instructions: slow, and the same numbers.
    pub fn scalar() -> Self {
        Self { arch: Arch::Scalar }
    }

    /// The vector instructions in use.
    pub fn tier(&self) -> &'static str {
        match self.arch {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Arch::Neon(_) => "neon",
            Arch::Scalar => "scalar",
            _ => "simd",
        }
    }

    /// The scores that the indexer selects some rows' blocks by, before initial and local blocks are forced: to see by
    /// how much a block was chosen. For each row and, within it, each index head, f32 `[blocks in the row's horizon]`;
    /// -inf is a block that is never chosen. Rows past the batch's last have none.
    ///
    /// # Errors
    /// Whatever the contract refuses.
    pub fn block_scores(
        &self,
        operands: &IndexerOperands,
        rows: Range<usize>,
    ) -> Result<Vec<Vec<f32>>, Error> {
        let problem = operands.check(operands.block_ids_len())?;
        Ok(indexer::scores(self.arch, &problem, rows))
    }

    pub(crate) fn indexer(&self, problem: &IndexerProblem, block_ids: &mut [i32]) {
        indexer::run(self.arch, problem, block_ids);
    }

    pub(crate) fn attention(&self, problem: &AttentionProblem, result: AttentionResult) {
        attention::run(self.arch, problem, result);
    }

    pub(crate) fn merge_states(&self, problem: &MergeStatesProblem, result: AttentionResult) {
        merge_states::run(self.arch, problem, result);
    }
}

impl Default for Cpu {
    fn default() -> Self {
        Self::new()
    }
}
