use cuda_std::ptx;

use super::group::Group;
use crate::attend_prefill::values::Values;
use crate::attend_prefill::weights::{Products, Weights};
use crate::descriptor;
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
    let queries = queries.chunk(group.first * HEADS, 0);
    let (a, b) = (descriptor::of(queries), descriptor::of(keys.chunk(0, 0)));
    // SAFETY: the caller's promise. Both tiles have as many rows, so that their panels are as far from each other.
    unsafe { ptx::wgmma_m64n128k128_of_shared::<{ descriptor::NEXT_PANEL }>(a, b) }
}

/// A warpgroup: the weighted sums of all values of a block. Each warp gives its row's weights, and gets its row's sums.
///
/// # Safety
///
/// All threads of the group come together; the values are there, and seen by the asynchronous proxy.
#[inline(always)]
pub(super) unsafe fn weighted_by_group(weights: &Weights, values: RowTile) -> Values {
    let values = descriptor::of(values.chunk(0, 0));
    // SAFETY: the caller's promise.
    unsafe { ptx::wgmma_m64n128k128_of_registers(&weights.rounded, values) }
}
