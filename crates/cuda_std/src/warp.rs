//! The 32 threads that run together: their lanes, and what they tell each other without memory.
//!
//! Every collective takes the mask of the lanes that take part, [`u32::MAX`] for all of them.

use crate::{gpu_only, ptx};

/// Threads in a warp, on every architecture.
pub const WARP_SIZE: u32 = 32;

#[cfg(target_arch = "nvptx64")]
unsafe extern "C" {
    #[link_name = "llvm.nvvm.read.ptx.sreg.laneid"]
    safe fn sreg_laneid() -> u32;
}

/// The thread's place in its warp, `0 .. 32`.
#[gpu_only]
#[inline(always)]
pub fn lane_id() -> u32 {
    sreg_laneid()
}

/// The lanes that happen to run together now. Not the lanes that took the same branch: never make it
/// the mask of a collective.
#[inline(always)]
pub fn activemask() -> u32 {
    ptx::activemask()
}

/// The lanes of `mask`: waits until each of them has come here; orders their accesses to memory.
///
/// # Safety
///
/// The thread is in `mask`, and every thread in `mask` comes to this call with the same mask.
#[inline(always)]
pub unsafe fn sync_warp(mask: u32) {
    // SAFETY: the caller's promise is the instruction's.
    unsafe { ptx::bar_warp_sync(mask) }
}

/// The lanes of `mask`: whether the predicate holds in all of them.
///
/// # Safety
///
/// As [`sync_warp`].
#[inline(always)]
pub unsafe fn warp_vote_all(mask: u32, predicate: bool) -> bool {
    // SAFETY: the caller's promise is the instruction's.
    unsafe { ptx::vote_sync_all(mask, predicate) }
}

/// The lanes of `mask`: whether the predicate holds in any of them.
///
/// # Safety
///
/// As [`sync_warp`].
#[inline(always)]
pub unsafe fn warp_vote_any(mask: u32, predicate: bool) -> bool {
    // SAFETY: the caller's promise is the instruction's.
    unsafe { ptx::vote_sync_any(mask, predicate) }
}

/// The lanes of `mask`: a bit for each lane, set where the predicate holds.
///
/// # Safety
///
/// As [`sync_warp`].
#[inline(always)]
pub unsafe fn warp_vote_ballot(mask: u32, predicate: bool) -> u32 {
    // SAFETY: the caller's promise is the instruction's.
    unsafe { ptx::vote_sync_ballot(mask, predicate) }
}

/// The lanes of `mask`: the value that lane `lane` gives, counted within each part of `width` lanes.
/// The flag says whether such a lane is there.
///
/// # Safety
///
/// As [`sync_warp`]; `width` is a power of two up to 32; the lane read from is in `mask`.
#[inline(always)]
pub unsafe fn warp_shuffle_idx<T: WarpShuffleValue>(
    mask: u32,
    value: T,
    lane: u32,
    width: u32,
) -> (T, bool) {
    // SAFETY: the caller's promise is the shuffle's.
    value.shuffle(|word| unsafe { ptx::shfl_sync_idx(mask, word, lane, clamp(width, 31)) })
}

/// The lanes of `mask`: the value of the lane `delta` below; its own, and `false`, where that would be
/// outside the part of `width` lanes.
///
/// # Safety
///
/// As [`warp_shuffle_idx`].
#[inline(always)]
pub unsafe fn warp_shuffle_up<T: WarpShuffleValue>(
    mask: u32,
    value: T,
    delta: u32,
    width: u32,
) -> (T, bool) {
    // SAFETY: the caller's promise is the shuffle's.
    value.shuffle(|word| unsafe { ptx::shfl_sync_up(mask, word, delta, clamp(width, 0)) })
}

/// The lanes of `mask`: the value of the lane `delta` above; its own, and `false`, where that would be
/// outside the part of `width` lanes.
///
/// # Safety
///
/// As [`warp_shuffle_idx`].
#[inline(always)]
pub unsafe fn warp_shuffle_down<T: WarpShuffleValue>(
    mask: u32,
    value: T,
    delta: u32,
    width: u32,
) -> (T, bool) {
    // SAFETY: the caller's promise is the shuffle's.
    value.shuffle(|word| unsafe { ptx::shfl_sync_down(mask, word, delta, clamp(width, 31)) })
}

/// The lanes of `mask`: the value of the lane whose number differs in the bits of `lane_mask`.
///
/// # Safety
///
/// As [`warp_shuffle_idx`].
#[inline(always)]
pub unsafe fn warp_shuffle_xor<T: WarpShuffleValue>(
    mask: u32,
    value: T,
    lane_mask: u32,
    width: u32,
) -> (T, bool) {
    // SAFETY: the caller's promise is the shuffle's.
    value.shuffle(|word| unsafe { ptx::shfl_sync_bfly(mask, word, lane_mask, clamp(width, 31)) })
}

/// The shuffles' last operand: in bits 8 and up the part of a lane's number that a shuffle keeps, in
/// the low bits the last lane of a part.
const fn clamp(width: u32, last: u32) -> u32 {
    WARP_SIZE.wrapping_sub(width) << 8 | last
}

/// What a warp can shuffle: values of one or two 32-bit words.
pub trait WarpShuffleValue: Sized {
    /// The value whose words `exchange` returns for this one's; the flag is that of any word.
    fn shuffle(self, exchange: impl Fn(u32) -> (u32, bool)) -> (Self, bool);
}

impl WarpShuffleValue for u32 {
    #[inline(always)]
    fn shuffle(self, exchange: impl Fn(u32) -> (u32, bool)) -> (Self, bool) {
        exchange(self)
    }
}

impl WarpShuffleValue for i32 {
    #[inline(always)]
    fn shuffle(self, exchange: impl Fn(u32) -> (u32, bool)) -> (Self, bool) {
        let (word, there) = exchange(self.cast_unsigned());
        (word.cast_signed(), there)
    }
}

impl WarpShuffleValue for f32 {
    #[inline(always)]
    fn shuffle(self, exchange: impl Fn(u32) -> (u32, bool)) -> (Self, bool) {
        let (word, there) = exchange(self.to_bits());
        (f32::from_bits(word), there)
    }
}

impl WarpShuffleValue for u64 {
    #[inline(always)]
    fn shuffle(self, exchange: impl Fn(u32) -> (u32, bool)) -> (Self, bool) {
        let (low, _) = exchange(self as u32);
        let (high, there) = exchange((self >> 32) as u32);
        (u64::from(high) << 32 | u64::from(low), there)
    }
}

#[cfg(test)]
mod tests {
    use super::{WarpShuffleValue, clamp};

    #[test]
    fn the_clamp_keeps_a_shuffle_within_its_part() {
        assert_eq!(clamp(32, 31), 0x001f);
        assert_eq!(clamp(16, 31), 0x101f);
        assert_eq!(clamp(1, 0), 0x1f00);
    }

    #[test]
    fn values_are_shuffled_word_by_word() {
        let swap_halves = |word: u32| (word.rotate_left(16), true);
        assert_eq!(0x1122_3344_5566_7788_u64.shuffle(swap_halves), (0x3344_1122_7788_5566, true));
        assert_eq!((-2_i32).shuffle(|word| (word + 1, false)), (-1, false));
        assert_eq!(1.5_f32.shuffle(|word| (word | 1 << 31, true)), (-1.5, true));
    }
}
