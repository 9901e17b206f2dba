//! Where D, and A if it is there too, are in the lanes of tensor memory: the manual's "Data Path Layout
//! Organization".

use std::ops::Range;

use super::Group;
use super::instruction::Instruction;
use crate::memory::Strip;

/// 16 rows of a block's share of D, and some of its columns, which lie in one strip of as many columns of tensor
/// memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// The number of the strip.
    pub(super) strip: u32,
    /// Which 16 rows of the block's share.
    pub(super) rows: usize,
    /// Columns of D, of which the first is in the first column of tensor memory.
    pub(super) columns: Range<u32>,
}

/// The parts of each block's share, and how many columns of tensor memory they take. `lane` is that of the
/// address: where only half of the lanes are used, it says which.
pub(super) fn parts(
    instruction: &Instruction,
    group: Group,
    lane: u32,
) -> Result<(Vec<Part>, u32), &'static str> {
    let Instruction { rows, columns, .. } = *instruction;
    if lane != 0 && !((group, rows) == (Group::One, 64) && lane == Strip::LANES) {
        return Err("a matrix in tensor memory starts at lane 0, or at 16 if it has 64 rows");
    }
    let part = |strip: u32, rows: u32, columns| Part { strip, rows: rows as usize, columns };
    Ok(match (group, rows) {
        // Layout F: the upper or the lower half of each warp's lanes.
        (Group::One, 64) => {
            let half = lane / Strip::LANES;
            ((0..4).map(|i| part(2 * i + half, i, 0..columns)).collect(), columns)
        }
        // Layout B: 64 rows, the first half of the columns beside the second.
        (Group::Two, 128) => {
            let half = columns / 2;
            let beside = |i| part(i, i % 4, i / 4 * half..(i / 4 + 1) * half);
            ((0..8).map(beside).collect(), half)
        }
        // Layouts A and D: 128 rows.
        _ => ((0..8).map(|i| part(i, i, 0..columns)).collect(), columns),
    })
}
