use cuda_std::ptr::GlobalPtr;
use msa_abi::{BLOCK, BatchParams};

/// One request of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// Its place in the batch.
    pub(crate) index: u32,
    /// The first of the rows that it owns.
    pub(crate) first_row: u32,
    /// How many it owns.
    pub(crate) rows: u32,
    /// Keys cached before this step.
    pub(crate) cached: u32,
}

impl Request {
    /// One thread: the request of this index.
    ///
    /// # Safety
    ///
    /// `batch` is the kernel's, and has the request.
    #[inline(always)]
    pub(crate) unsafe fn load(batch: &BatchParams, index: u32) -> Self {
        let row_offsets = GlobalPtr::<u32>::from_address(batch.row_offsets.address());
        let cache_lengths = GlobalPtr::<u32>::from_address(batch.cache_lengths.address());
        let at = u64::from(index);
        // SAFETY: `row_offsets` holds one more number than there are requests.
        let [first_row, end, cached] = unsafe {
            [
                row_offsets.add(at).read_constant(),
                row_offsets.add(at + 1).read_constant(),
                cache_lengths.add(at).read_constant(),
            ]
        };
        Self { index, first_row, rows: end - first_row, cached }
    }

    /// The position of its `nth` row, which is also the last key that the row may see.
    #[inline(always)]
    pub(crate) const fn position(self, nth: u32) -> u32 {
        self.cached + nth
    }

    /// Its keys in a block, this step's included.
    #[inline(always)]
    pub(crate) const fn keys_in(self, block: u32) -> u32 {
        keys_before(self.cached + self.rows, block)
    }
}

/// How many keys of a block come before position `end`.
#[inline(always)]
pub(crate) const fn keys_before(end: u32, block: u32) -> u32 {
    let keys = end.saturating_sub(block * BLOCK as u32);
    if keys < BLOCK as u32 { keys } else { BLOCK as u32 }
}

#[cfg(test)]
mod tests {
    use super::{Request, keys_before};

    #[test]
    fn keys_are_those_of_the_block_before_the_end() {
        assert_eq!([127, 128, 129, 300].map(|end| keys_before(end, 0)), [127, 128, 128, 128]);
        assert_eq!([127, 128, 129, 300].map(|end| keys_before(end, 1)), [0, 0, 1, 128]);
        let request = Request { index: 0, first_row: 7, rows: 3, cached: 126 };
        assert_eq!([0, 1, 2].map(|block| request.keys_in(block)), [128, 1, 0]);
        assert_eq!(request.position(2), 128);
    }
}
