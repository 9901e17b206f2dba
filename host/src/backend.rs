use std::fmt;

use crate::{
    AttentionOperands, AttentionResult, Cpu, Error, IndexerOperands, MergeStatesOperands, Route,
};

/// What runs the operators.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Backend {
    /// The processor that the program runs on, all cores of the current rayon pool.
    Cpu(Cpu),
    /// An NVIDIA GPU, to and from which each call copies all of its operands and results.
    #[cfg(feature = "cuda")]
    Cuda(crate::cuda::Cuda),
}

impl Default for Backend {
    /// The backend that is always there: the CPU.
    fn default() -> Self {
        Self::Cpu(Cpu::new())
    }
}

impl Backend {
    /// Scores blocks and selects each row's: writes i32 `[index_heads, rows, topk]`, -1 where a row
    /// has no more blocks to select.
    ///
    /// # Errors
    /// Whatever the contract refuses, and what a GPU's driver does; `block_ids` is untouched then.
    pub fn indexer(
        &self,
        operands: &IndexerOperands,
        block_ids: &mut [i32],
    ) -> Result<Dispatch, Error> {
        let problem = operands.check(block_ids.len())?;
        match self {
            Self::Cpu(cpu) => cpu.indexer(&problem, block_ids),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.indexer(operands, block_ids)?,
        }
        Ok(self.dispatch(operands.batch.route()))
    }

    /// Attends to each row's selected blocks: writes bf16 `[rows, heads, 128]` and, if asked for,
    /// the f32 `[rows, heads]` log of the softmax denominator.
    ///
    /// # Errors
    /// Whatever the contract refuses, and what a GPU's driver does; the result's buffers are untouched then.
    pub fn attention(
        &self,
        operands: &AttentionOperands,
        result: AttentionResult,
    ) -> Result<Dispatch, Error> {
        let problem = operands.check(&result)?;
        match self {
            Self::Cpu(cpu) => cpu.attention(&problem, result),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.attention(operands, result)?,
        }
        Ok(self.dispatch(operands.batch.route()))
    }

    /// Joins what shards have given of the same queries, each by attention to keys of its own: writes
    /// bf16 `[rows, heads, 128]` and, if asked for, the f32 `[rows, heads]` log of the softmax
    /// denominator of all their keys. Every backend gives the same bits.
    ///
    /// Rows are merged one by one, as in decode; that is the route which is told of them.
    ///
    /// # Errors
    /// Whatever the contract refuses, and what a GPU's driver does; the result's buffers are untouched then.
    pub fn merge_states(
        &self,
        operands: &MergeStatesOperands,
        result: AttentionResult,
    ) -> Result<Dispatch, Error> {
        let problem = operands.check(&result)?;
        match self {
            Self::Cpu(cpu) => cpu.merge_states(&problem, result),
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.merge_states(operands, result)?,
        }
        Ok(self.dispatch(Route::of_rows(operands.partial_output.shape()[1])))
    }

    fn dispatch(&self, route: Route) -> Dispatch {
        match self {
            Self::Cpu(cpu) => Dispatch { backend: "cpu", tier: cpu.tier(), route },
            #[cfg(feature = "cuda")]
            Self::Cuda(cuda) => cuda.kernels().dispatch(route),
        }
    }
}

/// What was chosen to run an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dispatch {
    /// The backend.
    pub backend: &'static str,
    /// The instruction set that the backend's kernels were chosen for.
    pub tier: &'static str,
    /// The route.
    pub route: Route,
}

impl fmt::Display for Dispatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.backend, self.tier, self.route)
    }
}
