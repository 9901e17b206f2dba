use msa_abi::BatchParams;

use super::DeviceTensor;
use crate::problem::check_axis;
use crate::{Error, Route};

/// The ragged batch of a step whose lengths live on the device, with bounds that the host knows.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// u32 `[batch + 1]`: request `b` owns rows `row_offsets[b] .. row_offsets[b + 1]`, perhaps none.
    pub row_offsets: DeviceTensor<u32, 1>,
    /// u32 `[batch]`: keys cached before this step. The step's own keys are in the pages already.
    pub cache_lengths: DeviceTensor<u32, 1>,
    /// Rows of the operands and results: those of all requests, and after them padding of a captured bucket. At most
    /// `batch * max_seq_length`.
    pub rows: usize,
    /// At least the largest number of new tokens of any request: it chooses the [`Route`].
    pub max_seq_length: usize,
}

impl Batch {
    /// The number of requests.
    pub fn len(&self) -> usize {
        self.cache_lengths.shape()[0]
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The route that this batch takes.
    pub fn route(&self) -> Route {
        Route::for_max_seq_length(self.max_seq_length)
    }

    pub(super) fn check(&self) -> Result<BatchParams, Error> {
        let [offsets] = self.row_offsets.shape();
        check_axis("row_offsets", "batch + 1", offsets, self.len().saturating_add(1))?;
        self.row_offsets.check("row_offsets")?;
        self.cache_lengths.check("cache_lengths")?;
        narrow("max_seq_length", self.max_seq_length)?;
        if self.rows > self.len().saturating_mul(self.max_seq_length) {
            return Err(Error::Value {
                operand: "rows",
                expected: "at most batch * max_seq_length",
                got: format!("{} of {} * {}", self.rows, self.len(), self.max_seq_length),
            });
        }
        Ok(BatchParams {
            row_offsets: self.row_offsets.pointer(),
            cache_lengths: self.cache_lengths.pointer(),
            batch: narrow("batch", self.len())?,
            rows: narrow("rows", self.rows)?,
        })
    }
}

/// Refuses a number that kernels cannot take.
pub(super) fn narrow(operand: &'static str, number: usize) -> Result<u32, Error> {
    u32::try_from(number).map_err(|_| Error::Value {
        operand,
        expected: "at most 2^32 - 1",
        got: number.to_string(),
    })
}
