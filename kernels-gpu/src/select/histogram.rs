use cuda_std::prelude::*;

use super::cut::{Cut, Share};

/// How many undecided keys have each digit, in the block's shared memory.
#[derive(Clone, Copy)]
pub(crate) struct Histogram(SharedPtr<u32>);

/// Digits that a lane looks at.
const PER_LANE: usize = (Cut::DIGITS / warp::WARP_SIZE) as usize;

impl Histogram {
    /// The histogram at this place.
    ///
    /// # Safety
    ///
    /// It has room for [`Cut::DIGITS`] counts, and nothing else is there. At the next barrier they are 0.
    pub(crate) const unsafe fn at(counts: SharedPtr<u32>) -> Self {
        Self(counts)
    }

    /// One thread: counts one key.
    ///
    /// # Safety
    ///
    /// The digit is below [`Cut::DIGITS`]. A barrier lies before this, and between this and the
    /// [`share`](Self::share).
    #[inline(always)]
    pub(crate) unsafe fn count(self, digit: u32) {
        // SAFETY: the count of that digit is in the histogram.
        unsafe { self.0.add(digit).atomic_add(1) };
    }

    /// All lanes of a warp: the smallest digit up to which `missing` keys are counted; the largest digit
    /// where there are fewer.
    ///
    /// # Safety
    ///
    /// A barrier lies between this and every [`count`](Self::count).
    #[inline]
    pub(crate) unsafe fn share(self, missing: u32) -> Share {
        let lane = warp::lane_id();
        // SAFETY: the lane's counts are in the histogram, and nobody changes them any more.
        let counts: [[u32; 4]; PER_LANE / 4] = core::array::from_fn(|half| unsafe {
            self.0.cast::<[u32; 4]>().add(lane * (PER_LANE / 4) as u32 + half as u32).read()
        });
        let counts = counts.as_flattened();
        let sum = counts.iter().sum();
        // SAFETY: all lanes are here.
        let up_to_lane = unsafe { prefix_sum(sum) };
        // Every lane looks among its own digits. The first one to reach the number has the answer.
        let first =
            Share { digit: lane * PER_LANE as u32, before: up_to_lane - sum, within: counts[0] };
        let share = first.advance(counts, missing);
        // SAFETY: all lanes are here.
        let reached = unsafe { warp::warp_vote_ballot(u32::MAX, up_to_lane >= missing) };
        let lane = reached.trailing_zeros().min(warp::WARP_SIZE - 1);
        // SAFETY: all lanes are here.
        let broadcast = |value: u32| unsafe { warp::warp_shuffle_idx(u32::MAX, value, lane, 32) }.0;
        Share {
            digit: broadcast(share.digit),
            before: broadcast(share.before),
            within: broadcast(share.within),
        }
    }
}

/// All lanes of a warp: the sum of the values of this lane and those below it.
///
/// # Safety
///
/// All lanes come to this call.
#[inline(always)]
unsafe fn prefix_sum(value: u32) -> u32 {
    let mut sum = value;
    for bit in 0..u32::ilog2(warp::WARP_SIZE) {
        // SAFETY: all lanes are here.
        let (below, is_there) = unsafe { warp::warp_shuffle_up(u32::MAX, sum, 1 << bit, 32) };
        if is_there {
            sum += below;
        }
    }
    sum
}
