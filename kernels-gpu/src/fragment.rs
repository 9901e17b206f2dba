//! Where a warp's lanes hold the elements of a matrix: the fragments of `mma.m16n8k16`.

use cuda_std::prelude::*;

/// A lane's part in fragments: it holds elements of rows `row` and `row + 8`, and of each 8 columns those
/// at `column` and `column + 1`.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    /// 0 to 7
    pub(crate) row: u32,
    /// 0, 2, 4 or 6
    pub(crate) column: u32,
}

impl Part {
    /// This lane's.
    #[inline(always)]
    pub(crate) fn of_lane() -> Self {
        let lane = warp::lane_id();
        Self { row: lane / 4, column: lane % 4 * 2 }
    }

    /// Whether it is the first of the four lanes that hold the same rows.
    #[inline(always)]
    pub(crate) const fn is_first(self) -> bool {
        self.column == 0
    }

    /// What of a word of operand B is left of its rows `first + column` and `first + column + 1`, if those
    /// from `end` on are not to take part.
    #[inline(always)]
    pub(crate) const fn rows_before(self, first: u32, end: u32) -> u32 {
        let end = end.saturating_sub(self.column);
        (if first < end { 0xffff } else { 0 }) | (if first + 1 < end { 0xffff_0000 } else { 0 })
    }
}

/// A warp: of each row the largest of what its four lanes have.
///
/// # Safety
///
/// All lanes come together.
#[inline(always)]
pub(crate) unsafe fn row_max(value: f32) -> f32 {
    // SAFETY: the caller brings all lanes together.
    unsafe {
        let value = value.max(other_lane(value, 1));
        value.max(other_lane(value, 2))
    }
}

/// A warp: of each row the sum of what its four lanes have.
///
/// # Safety
///
/// All lanes come together.
#[inline(always)]
pub(crate) unsafe fn row_sum(value: f32) -> f32 {
    // SAFETY: the caller brings all lanes together.
    unsafe {
        let value = value + other_lane(value, 1);
        value + other_lane(value, 2)
    }
}

/// A warp: what the lane gives whose number differs in these bits.
///
/// # Safety
///
/// All lanes come together.
#[inline(always)]
unsafe fn other_lane(value: f32, bits: u32) -> f32 {
    // SAFETY: the caller brings all lanes together.
    unsafe { warp::warp_shuffle_xor(u32::MAX, value, bits, warp::WARP_SIZE).0 }
}

#[cfg(test)]
mod tests {
    use super::Part;

    #[test]
    fn rows_before_the_end_are_kept() {
        let part = Part { row: 0, column: 2 };
        let kept = |end| part.rows_before(16, end);
        assert_eq!([17, 18, 19, 20].map(kept), [0, 0, 0xffff, u32::MAX]);
    }
}
