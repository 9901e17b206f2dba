use cuda_std::ptx::StartedProduct;

use super::group::Group;
use crate::attend_prefill::weights::Weights;
use crate::descriptor;
use crate::queries::HEADS;
use crate::row_tile::RowTile;

/// A warpgroup: starts the products of its rows' queries with all keys of a block. Each warp gets its row's; one that has
/// none gets those of some other row's queries, or zeros.
///
/// # Safety
///
/// All threads of the group come together; queries and keys are there, seen by the asynchronous proxy, and stay until the
/// products are waited for.
#[inline(always)]
pub(super) unsafe fn start_scores(
    scores: &mut StartedProduct<0>,
    queries: RowTile,
    group: Group,
    keys: RowTile,
) {
    let queries = queries.chunk(group.first * HEADS, 0);
    let (a, b) = (descriptor::of(queries), descriptor::of(keys.chunk(0, 0)));
    // SAFETY: the caller's promise. Both tiles have as many rows, so that their panels are as far from each other.
    unsafe { scores.start_of_shared::<{ descriptor::NEXT_PANEL }>(a, b) }
}

/// A warpgroup: starts the weighted sums of all values of a block. Each warp gives its row's weights, and gets its row's sums.
///
/// # Safety
///
/// All threads of the group come together; the values are there, seen by the asynchronous proxy, and stay until the sums are
/// waited for, as the weights do.
#[inline(always)]
pub(super) unsafe fn start_weighted(
    sums: &mut StartedProduct<1>,
    weights: &Weights,
    values: RowTile,
) {
    let values = descriptor::of(values.chunk(0, 0));
    // SAFETY: the caller's promise.
    unsafe { sums.start_with_rows(&weights.rounded, values) }
}
