use cuda_std::ptx;
use msa_abi::BLOCK;

use super::group::Group;
use crate::attend_prefill::values::Values;
use crate::attend_prefill::weights::{Products, Weights};
use crate::queries::HEADS;
use crate::row_tile::RowTile;

/// A warpgroup: the products of its rows' queries with all keys of a block. Each warp gets its row's; one that has none gets
/// those of some other row's queries, or zeros.
///
/// # Safety
///
/// All threads of the group come together; queries and keys are there, and seen by the asynchronous proxy.
#[inline(always)]
pub(super) unsafe fn scores(queries: RowTile, group: Group, keys: RowTile) -> Products {
    const NEXT_PANEL: u64 = (PANEL >> 4) as u64;
    let queries = queries.chunk(group.first * HEADS, 0).address();
    let (a, b) = (descriptor(queries), descriptor(keys.chunk(0, 0).address()));
    // SAFETY: the caller's promise. Both tiles have as many rows, so that their panels are as far from each other.
    unsafe { ptx::wgmma_m64n128k128_of_shared::<NEXT_PANEL>(a, b) }
}

/// A warpgroup: the weighted sums of all values of a block. Each warp gives its row's weights, and gets its row's sums.
///
/// # Safety
///
/// All threads of the group come together; the values are there, and seen by the asynchronous proxy.
#[inline(always)]
pub(super) unsafe fn weighted_by_group(weights: &Weights, values: RowTile) -> Values {
    let values = descriptor(values.chunk(0, 0).address());
    // SAFETY: the caller's promise.
    unsafe { ptx::wgmma_m64n128k128_of_registers(&weights.rounded, values) }
}

/// Bytes of a panel of a tile of a block's rows: 64 elements of each.
const PANEL: u32 = BLOCK as u32 * 128;

/// The descriptor of a tile of that many rows, with a swizzle of 128 bytes: eight rows are 1024 bytes from the next. Where
/// rows are those of the product (`k`), elements of a panel run along the other dimension, and the next panel goes on
/// there; where they are not, it is not asked for the panels.
const fn descriptor(address: u32) -> u64 {
    const SWIZZLE_128: u64 = 1 << 62;
    const EIGHT_ROWS: u64 = (1024 >> 4) << 32;
    const NEXT_PANEL: u64 = ((PANEL >> 4) as u64) << 16;
    SWIZZLE_128 | EIGHT_ROWS | NEXT_PANEL | (address >> 4) as u64
}
