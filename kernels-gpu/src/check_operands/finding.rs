use cuda_std::prelude::*;
use msa_abi::{CheckReport, Violation};

/// The first thing that a thread has found wrong.
#[derive(Clone, Copy)]
pub(super) struct Finding {
    /// What and where: the smaller one is reported. The upper 6 bits are the [`Violation`], the next 32 the index, and
    /// the lower 26 the block: a request's keys, of which there are less than 2^33, have no more.
    place: u64,
    bound: u32,
    got: u32,
}

/// Bits of a place that hold the block.
const BLOCK_BITS: u32 = 26;

impl Finding {
    /// Nothing is wrong: it comes after every other.
    pub(super) const NONE: Self = Self { place: u64::MAX, bound: 0, got: 0 };

    /// What it is, of which offset or request, and of which of its blocks; what was expected, and what came.
    #[inline(always)]
    pub(super) const fn new(
        violation: Violation,
        [index, block]: [u32; 2],
        bound: u32,
        got: u32,
    ) -> Self {
        let upper = (violation as u64) << u32::BITS | index as u64;
        Self { place: upper << BLOCK_BITS | block as u64, bound, got }
    }

    /// The one that comes first.
    #[inline(always)]
    pub(super) const fn or(self, other: Self) -> Self {
        if other.place < self.place { other } else { self }
    }

    /// All threads of the block: writes the first of what they have found, each of them something else, or that nothing
    /// is wrong.
    ///
    /// # Safety
    ///
    /// The report is the block's, which has `WARPS` warps, and all threads come together. `places` is shared memory that
    /// nobody else touches.
    #[inline(always)]
    pub(super) unsafe fn report<const WARPS: usize>(
        self,
        places: SharedPtr<[u64; WARPS]>,
        to: GlobalPtr<CheckReport>,
    ) {
        let places = places.cast::<u64>();
        let mut first = self.place;
        // SAFETY: the caller brings all threads together. Each warp has its own place, and a barrier lies before all are
        // read.
        unsafe {
            for bit in 0..warp::WARP_SIZE.ilog2() {
                let (other, _) = warp::warp_shuffle_xor(u32::MAX, first, 1 << bit, 32);
                first = first.min(other);
            }
            if warp::lane_id() == 0 {
                places.add(thread::thread_idx_x() / warp::WARP_SIZE).write(first);
            }
            thread::sync_threads();
            for warp in 0..WARPS as u32 {
                first = first.min(places.add(warp).read());
            }
        }
        let reports = match first == Self::NONE.place {
            true => thread::thread_idx_x() == 0,
            false => first == self.place,
        };
        if reports {
            for (nth, number) in self.numbers().iter().enumerate() {
                // SAFETY: it is a field of the report, and this thread alone has found what is reported.
                unsafe { to.cast::<u32>().add(nth as u64).write(*number) }
            }
        }
    }

    /// The fields of a [`CheckReport`], in order.
    #[inline(always)]
    const fn numbers(self) -> [u32; 5] {
        if self.place == Self::NONE.place {
            return [0; 5];
        }
        let (upper, block) = (self.place >> BLOCK_BITS, self.place as u32 % (1 << BLOCK_BITS));
        [(upper >> u32::BITS) as u32, upper as u32, block, self.bound, self.got]
    }
}

const _: () = assert!(size_of::<CheckReport>() == size_of::<[u32; 5]>());

#[cfg(test)]
mod tests {
    use msa_abi::Violation;

    use super::Finding;

    #[test]
    fn what_comes_first_is_reported_with_all_of_its_numbers() {
        let page = |request, block| Finding::new(Violation::NoSuchPage, [request, block], 7, 9);
        let last_block = (1 << 26) - 1;
        let first = Finding::NONE.or(page(u32::MAX, last_block)).or(page(5, 3)).or(page(5, 4));
        assert_eq!(first.numbers(), [6, 5, 3, 7, 9]);
        assert_eq!(page(u32::MAX, last_block).numbers(), [6, u32::MAX, last_block, 7, 9]);
        let table = Finding::new(Violation::NarrowTable, [6, 0], 2, 1);
        assert_eq!(first.or(table).or(first).numbers(), [5, 6, 0, 2, 1]);
        assert_eq!(Finding::NONE.numbers(), [0; 5]);
    }
}
