use core::array::from_fn;

use cuda_std::prelude::*;

use crate::attended::Attended;
use crate::fragment::Part;
use crate::softmax::Sums;

/// What a warp has found in a block.
pub(super) struct Found {
    /// Of the lane's two heads.
    pub(super) sums: [Sums; 2],
    /// Weighted sums of the warp's 32 dims: `[8 dims][element of a fragment]`, rows are heads, columns are dims.
    pub(super) values: [[f32; 4]; 4],
}

/// What a warp has found in a row's blocks so far.
pub(super) struct Total(Found);

impl Total {
    /// Of no block.
    pub(super) const NONE: Self = Self(Found { sums: [Sums::NONE; 2], values: [[0.0; 4]; 4] });

    /// Takes in the next block.
    #[inline(always)]
    pub(super) fn join(&mut self, found: &Found) {
        let Self(total) = self;
        let joined: [_; 2] = from_fn(|half| total.sums[half].join(found.sums[half]));
        total.sums = joined.map(|(sums, _)| sums);
        for (kept, added) in total.values.iter_mut().zip(&found.values) {
            for (at, (kept, added)) in kept.iter_mut().zip(added).enumerate() {
                *kept = joined[at / 2].1.join(*kept, *added);
            }
        }
    }

    /// A warp: its dims of the means of a row's `group` heads from `first_head` on.
    ///
    /// # Safety
    ///
    /// The row and its heads are the block's.
    #[inline(always)]
    pub(super) unsafe fn write(&self, attended: Attended, row: u32, first_head: u32, group: u32) {
        let Self(total) = self;
        let (warp, part) = (thread::thread_idx_x() / warp::WARP_SIZE, Part::of_lane());
        for half in 0..2 {
            let head = part.row + 8 * half as u32;
            if head < group {
                let (line, sums) = (attended.line(row, first_head + head), total.sums[half]);
                for (tile, values) in (0..).zip(&total.values) {
                    let pair = [values[2 * half], values[2 * half + 1]];
                    // SAFETY: the caller promises the row; of it each lane has its own dims, and one the sums.
                    unsafe { line.write(32 * warp + 8 * tile + part.column, pair, sums) };
                }
                if warp == 0 && part.is_first() {
                    // SAFETY: as above.
                    unsafe { line.write_lse(sums) };
                }
            }
        }
    }
}
