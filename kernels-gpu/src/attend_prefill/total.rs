use core::array::from_fn;

use msa_abi::HEAD_DIM;

use super::values::Values;
use crate::attended::Attended;
use crate::fragment::Part;
use crate::softmax::Sums;

/// What a warp has found in a row's blocks so far.
#[derive(Clone, Copy)]
pub(super) struct Total {
    /// Of the lane's two heads.
    sums: [Sums; 2],
    values: Values,
}

impl Total {
    /// Of no block.
    pub(super) const NONE: Self = Self { sums: [Sums::NONE; 2], values: [[0.0; 4]; HEAD_DIM / 8] };

    /// Takes in a block's sums.
    #[inline(always)]
    pub(super) fn join(&mut self, found: [Sums; 2], weighted: &Values) {
        let joined: [_; 2] = from_fn(|half| self.sums[half].join(found[half]));
        self.sums = joined.map(|(sums, _)| sums);
        for (kept, added) in self.values.iter_mut().zip(weighted) {
            for (at, (kept, added)) in kept.iter_mut().zip(added).enumerate() {
                *kept = joined[at / 2].1.join(*kept, *added);
            }
        }
    }

    /// A warp: the means of a row's `group` heads from `first_head` on.
    ///
    /// # Safety
    ///
    /// The row and its heads are the warp's.
    #[inline(always)]
    pub(super) unsafe fn write(self, attended: Attended, row: u32, first_head: u32, group: u32) {
        let part = Part::of_lane();
        for half in 0..2 {
            let head = part.row + 8 * half as u32;
            if head < group {
                let (line, sums) = (attended.line(row, first_head + head), self.sums[half]);
                for (tile, values) in (0..).zip(&self.values) {
                    let pair = [values[2 * half], values[2 * half + 1]];
                    // SAFETY: the caller promises the row; of it each lane has its own dims, and one the sums.
                    unsafe { line.write(8 * tile + part.column, pair, sums) };
                }
                if part.is_first() {
                    // SAFETY: as above.
                    unsafe { line.write_lse(sums) };
                }
            }
        }
    }
}
