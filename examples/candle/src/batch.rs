use candle_core::{Result, Tensor, bail};

use crate::view::with_storage;

/// The ragged batch of a step.
#[derive(Clone, Debug)]
pub struct Batch {
    /// u32 `[batch + 1]`: request `b` owns rows `row_offsets[b] .. row_offsets[b + 1]`, perhaps none.
    pub row_offsets: Tensor,
    /// u32 `[batch]`: keys cached before this step. The step's own keys are in the pages already.
    pub cache_lengths: Tensor,
}

impl Batch {
    /// Lends it to an operator.
    pub(crate) fn with<R>(&self, run: impl FnOnce(msa::Batch<'_>) -> Result<R>) -> Result<R> {
        with_numbers("row_offsets", &self.row_offsets, |row_offsets| {
            with_numbers("cache_lengths", &self.cache_lengths, |cache_lengths| {
                run(msa::Batch { row_offsets, cache_lengths })
            })
        })
    }
}

/// Lends a list of numbers, which msa takes as a slice.
fn with_numbers<R>(
    operand: &'static str,
    tensor: &Tensor,
    run: impl FnOnce(&[u32]) -> Result<R>,
) -> Result<R> {
    with_storage(operand, tensor, |storage, layout| {
        let &[len] = layout.dims() else {
            bail!("{operand} has {} axes, expected 1", layout.dims().len());
        };
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("{operand} of {len} is not contiguous, expected a stride of 1");
        };
        let numbers = storage.as_slice::<u32>().map_err(|error| error.context(operand))?;
        run(&numbers[start..end])
    })
}
