use std::ops::Range;

use msa_abi::BLOCK;

use crate::{Error, Route};

/// The ragged batch of a step: which rows each request owns, and what it has cached before them.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// `[batch + 1]`: request `b` owns rows `row_offsets[b] .. row_offsets[b + 1]`, perhaps none.
    pub row_offsets: &'a [u32],
    /// `[batch]`: keys cached before this step. The step's own keys are in the pages already.
    pub cache_lengths: &'a [u32],
}

impl<'a> Batch<'a> {
    /// The number of requests.
    pub fn len(&self) -> usize {
        self.cache_lengths.len()
    }

    /// Whether there is no request.
    pub fn is_empty(&self) -> bool {
        self.cache_lengths.is_empty()
    }

    /// The largest number of new tokens of any request: it chooses the [`Route`].
    pub fn max_seq_length(&self) -> usize {
        self.requests().map(|request| request.rows.len()).max().unwrap_or(0)
    }

    /// The route that this batch takes.
    pub fn route(&self) -> Route {
        Route::for_max_seq_length(self.max_seq_length())
    }

    /// The requests in order, those without rows among them.
    pub(crate) fn requests(self) -> impl Iterator<Item = Request> + 'a {
        self.row_offsets.windows(2).zip(self.cache_lengths).enumerate().map(
            |(index, (bounds, &cached))| Request {
                index,
                rows: bounds[0] as usize..bounds[1] as usize,
                cached: cached as usize,
            },
        )
    }

    /// Refuses offsets that do not start at 0, decrease, or do not end at `rows`.
    pub(crate) fn check(&self, rows: usize) -> Result<(), Error> {
        let offsets = self.row_offsets;
        super::check_axis("row_offsets", "batch + 1", offsets.len(), self.len() + 1)?;
        let refuse = |index: usize, expected, bound| {
            Err(Error::RowOffsets { index, expected, bound, got: offsets[index] })
        };
        if offsets[0] != 0 {
            return refuse(0, "exactly", 0);
        }
        if let Some(step) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
            return refuse(step + 1, "at least", offsets[step]);
        }
        if offsets[self.len()] as usize != rows {
            return match u32::try_from(rows) {
                Ok(rows) => refuse(self.len(), "exactly", rows),
                Err(_) => Err(Error::Value {
                    operand: "rows",
                    expected: "at most 2^32 - 1",
                    got: rows.to_string(),
                }),
            };
        }
        Ok(())
    }
}

/// One request of a checked batch.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// Its place in the batch.
    pub(crate) index: usize,
    /// The rows that it owns.
    pub(crate) rows: Range<usize>,
    /// Keys cached before this step.
    pub(crate) cached: usize,
}

impl Request {
    /// Blocks that its keys fill or begin, this step's keys included.
    pub(crate) fn blocks(&self) -> usize {
        (self.cached + self.rows.len()).div_ceil(BLOCK)
    }

    /// The position of one of its rows, which is also the last key that the row may see.
    pub(crate) fn position(&self, row: usize) -> usize {
        self.cached + (row - self.rows.start)
    }
}

/// How many keys of a block a row at `position` may see: none where the block starts after it.
pub(crate) fn visible_keys(position: usize, block: usize) -> usize {
    (position + 1).saturating_sub(block * BLOCK).min(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(row_offsets: &[u32], cache_lengths: &[u32], rows: usize) -> Result<(), Error> {
        Batch { row_offsets, cache_lengths }.check(rows)
    }

    #[test]
    fn a_ragged_batch_with_empty_requests_is_accepted() {
        assert_eq!(check(&[0, 3, 3, 10], &[5, 0, 1000], 10), Ok(()));
        assert_eq!(check(&[0], &[], 0), Ok(()));
    }

    #[test]
    fn offsets_that_do_not_describe_the_batch_are_refused() {
        let refused =
            |index, expected, bound, got| Err(Error::RowOffsets { index, expected, bound, got });
        assert_eq!(check(&[1, 3], &[0], 3), refused(0, "exactly", 0, 1));
        assert_eq!(check(&[0, 3, 2], &[0, 0], 2), refused(2, "at least", 3, 2));
        assert_eq!(check(&[0, 3], &[0], 4), refused(1, "exactly", 4, 3));
        assert!(matches!(check(&[0, 3], &[], 3), Err(Error::Shape { .. })));
        assert!(matches!(check(&[], &[], 0), Err(Error::Shape { .. })));
    }

    #[test]
    fn a_row_sees_the_keys_up_to_its_own() {
        assert_eq!([126, 127, 128, 129].map(|p| visible_keys(p, 0)), [127, 128, 128, 128]);
        assert_eq!([126, 127, 128, 129].map(|p| visible_keys(p, 1)), [0, 0, 1, 2]);
    }

    #[test]
    fn the_longest_request_names_the_route() {
        let batch = Batch { row_offsets: &[0, 1, 1, 10], cache_lengths: &[7, 7, 7] };
        assert_eq!((batch.max_seq_length(), batch.route()), (9, Route::Prefill));
        let nobody = Batch { row_offsets: &[0], cache_lengths: &[] };
        assert_eq!(nobody.route(), Route::Empty);
    }
}
