//! From operands to checked problems.
//!
//! This is the only place that refuses operands. What comes out of a `check` holds by construction,
//! so nothing below it (plans, backends, kernels) looks at an operand's shape again.

mod attention;
mod batch;
mod cache;
mod indexer;
mod merge_states;

pub use attention::{AttentionOperands, AttentionResult};
pub use batch::Batch;
pub use indexer::{IndexerOperands, Selection};
pub use merge_states::MergeStatesOperands;

pub(crate) use attention::{AttentionProblem, check_group};
pub(crate) use batch::{Request, visible_keys};
pub(crate) use cache::{BlockRows, CacheNames, check_pages};
pub(crate) use indexer::{IndexerProblem, horizon_blocks};
pub(crate) use merge_states::MergeStatesProblem;

use crate::Error;

/// Refuses an axis that has not the extent that the contract or another operand gives it.
pub(crate) fn check_axis(
    operand: &'static str,
    axis: &'static str,
    got: usize,
    expected: usize,
) -> Result<(), Error> {
    if got == expected { Ok(()) } else { Err(Error::Shape { operand, axis, expected, got }) }
}

/// Refuses a scale that is not finite.
pub(crate) fn check_scale(operand: &'static str, scale: f32) -> Result<(), Error> {
    if scale.is_finite() {
        return Ok(());
    }
    Err(Error::Value { operand, expected: "a finite number", got: scale.to_string() })
}

/// Refuses a result buffer that is too small.
fn check_result(operand: &'static str, got: usize, needed: usize) -> Result<(), Error> {
    if got >= needed { Ok(()) } else { Err(Error::BufferTooSmall { operand, needed, got }) }
}

/// Refuses a number of selected blocks that no operator takes.
pub(crate) fn check_topk(topk: usize) -> Result<(), Error> {
    if (1..=msa_abi::MAX_TOPK).contains(&topk) {
        return Ok(());
    }
    Err(Error::Value { operand: "topk", expected: "1 to 64", got: topk.to_string() })
}

/// Refuses a merge of nothing.
pub(crate) fn check_shards(shards: usize) -> Result<(), Error> {
    if shards > 0 {
        return Ok(());
    }
    Err(Error::Value { operand: "shards", expected: "at least 1", got: "0".to_owned() })
}
