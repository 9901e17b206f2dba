//! Matrices: those that are spread over the lanes of a warp, their multiplication and their way there; and those
//! in shared memory, where descriptors tell their elements' places to the instructions that read them there.
//!
//! The PTX manual's fragments: of a matrix with rows of 16-bit elements, lane `4 g + t` holds elements
//! `2 t` and `2 t + 1` of row `g` in one register, the first in the low half. Larger matrices are
//! several of these of 8 by 8.

pub(super) mod descriptor;
mod multiply;
pub(super) mod operand;
pub(super) mod product;
mod transfer;

pub(super) use descriptor::{Descriptor, Major};
pub(super) use multiply::Multiply;
pub(super) use transfer::Transfer;

use crate::exec::{Cx, Stop};
use crate::fault::FaultKind;

/// Refuses to let part of a warp alone do what takes all of its lanes.
pub(super) fn whole_warp(mask: u32) -> Result<(), Stop> {
    if mask == u32::MAX {
        return Ok(());
    }
    let kind = FaultKind::Divergent { lanes: mask, expected: u32::MAX };
    Err(Stop { lane: mask.trailing_zeros(), kind })
}

/// Words of a warp's lanes, as rows of an 8 by 8 matrix of 16-bit elements.
fn rows(words: &crate::exec::Lanes<u32>) -> [[u16; 8]; 8] {
    std::array::from_fn(|row| {
        std::array::from_fn(|column| (words[4 * row + column / 2] >> (16 * (column % 2))) as u16)
    })
}

/// The reverse of [`rows`].
fn words(rows: &[[u16; 8]; 8]) -> crate::exec::Lanes<u32> {
    std::array::from_fn(|lane| {
        let pair = &rows[lane / 4][lane % 4 * 2..];
        u32::from(pair[1]) << 16 | u32::from(pair[0])
    })
}

fn transposed(rows: &[[u16; 8]; 8]) -> [[u16; 8]; 8] {
    std::array::from_fn(|row| std::array::from_fn(|column| rows[column][row]))
}

/// Counts what a multiplication did, and the bytes of shared memory that it read itself.
pub(super) fn count(cx: &mut Cx, shape: &'static str, products: usize, bytes: usize) {
    let tally = &mut cx.block.tally;
    tally.count_mma(shape, 2 * products as u64);
    tally.totals.operands += bytes as u64;
}
