use cuda_std::ptx::StartedProduct;

use crate::descriptor;
use crate::row_tile::RowTile;

/// A warpgroup: starts the product of 64 queries, 16 of each warp, and all keys of a block.
///
/// # Safety
///
/// All threads of the group come together; the keys are there, and seen by the asynchronous proxy, and stay until the
/// product is waited for.
#[inline(always)]
pub(super) unsafe fn start<const NTH: u32>(
    product: &mut StartedProduct<NTH>,
    queries: &[[u32; 4]; RowTile::STEPS as usize],
    keys: RowTile,
) {
    // SAFETY: the caller's promise.
    unsafe {
        product.start::<{ descriptor::NEXT_PANEL }>(queries, descriptor::of(keys.chunk(0, 0)))
    }
}
