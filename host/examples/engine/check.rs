//! Is every answer that of the same request alone?
//!
//! Alone means: nothing shared, no other request beside it, no drafts, the caches full of what others left there. The
//! operators give the same bits for a row whatever company it keeps and whichever route it takes, on every backend
//! (`docs/architecture.md`; `tests/gpu/tests/bits.rs` holds GPUs to it), so tokens and outputs must agree bit for bit, and not only within a tolerance.

use std::collections::BTreeMap;

use anyhow::{Context, Result};

use crate::config::Config;
use crate::device::Device;
use crate::engine::serve;
use crate::request::{Done, End, Request};
use crate::workload::Arrival;

/// The first way in which a request's answer differs from the one that it gets alone, in words. A request that was
/// cancelled is compared as far as it came.
///
/// # Errors
/// If the device fails.
pub fn difference(config: &Config, device: &mut dyn Device, done: &Done) -> Result<Option<String>> {
    let (got, asked) = (done.generated.len(), done.request.new_tokens);
    if done.end == End::Finished && got != asked {
        return Ok(Some(format!("finished with {got} tokens, and asked for {asked}")));
    }
    if done.digests.is_empty() {
        return Ok(None);
    }
    // One token at the least, so that all of the prompt is read.
    let new_tokens = done.generated.len().max(1);
    let request = Request { new_tokens, ..done.request.clone() };
    let arrivals = [Arrival { step: 0, request, cancel: None }];
    let alone_config = Config { batch: 1, drafts: 0, ..*config };
    let served = serve(&alone_config, device, &arrivals, |_| {})?;
    let alone = served.done.into_iter().next().context("a request alone is done in the end")?;

    let tokens = done.generated.iter().zip(&alone.generated);
    if let Some((index, (got, expected))) = tokens.enumerate().find(|(_, (a, b))| a != b) {
        return Ok(Some(format!("token {index} is {got}, and {expected} alone")));
    }
    let expected: BTreeMap<usize, u64> = alone.digests.into_iter().collect();
    let wrong =
        done.digests.iter().find(|(position, digest)| expected.get(position) != Some(digest));
    Ok(wrong.map(|(position, _)| format!("attention at position {position} has other bits")))
}
