//! How Hopper's and Blackwell's matrix instructions are told of a tile in shared memory.

use cuda_std::prelude::*;
use msa_abi::BLOCK;

use crate::row_tile::Chunk;

/// From a panel of a tile of a block's rows to the next, in units of 16 bytes.
pub(crate) const NEXT_PANEL: u64 = (BLOCK as u64 * 128) >> 4;

/// The descriptor of a tile of a block's rows from one of them on, a multiple of 8, whose first chunk is given: a swizzle of
/// 128 bytes, and eight rows are 1024 bytes from the next. Where rows are those of the product (`k`), elements of a panel
/// run along the other dimension, and the next panel goes on there; where they are not, it is not asked for the panels.
#[inline(always)]
pub(crate) const fn of(row: SharedPtr<Chunk>) -> u64 {
    const SWIZZLE_128: u64 = 1 << 62;
    const EIGHT_ROWS: u64 = (1024 >> 4) << 32;
    SWIZZLE_128 | EIGHT_ROWS | NEXT_PANEL << 16 | (row.address() >> 4) as u64
}

/// The same for Blackwell's instructions.
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_100a"))]
#[inline(always)]
pub(crate) const fn of_blackwell(row: SharedPtr<Chunk>) -> u64 {
    const VERSION: u64 = 1 << 46;
    of(row) | VERSION
}

/// From the first 16 elements of a tile's rows to those of the `step`-th step of a product over rows, of which the tile has so
/// many.
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_100a"))]
#[inline(always)]
pub(crate) const fn elements_on(step: u32, rows: u32) -> u64 {
    const NEXT: u64 = 32 >> 4;
    let panel = (rows as u64 * 128) >> 4;
    (step / 4) as u64 * panel + (step % 4) as u64 * NEXT
}

/// What Blackwell's instructions are told of their product: bfloat16 with sums in f32, of so many rows of A with the rows of a
/// block.
#[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_100a"))]
pub(crate) const fn product_of_rows(rows: u32) -> u32 {
    1 << 4 | 1 << 7 | 1 << 10 | (BLOCK as u32 / 8) << 17 | (rows / 16) << 24
}
