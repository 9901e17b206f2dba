use cuda_std::ptx::StartedProduct;
use msa_abi::BLOCK;

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
    const NEXT_PANEL: u64 = (BLOCK as u64 * PANEL_ROW) >> 4;
    // SAFETY: the caller's promise.
    unsafe { product.start::<NEXT_PANEL>(queries, descriptor(keys)) }
}

/// Bytes of a row of a panel.
const PANEL_ROW: u64 = 128;

/// Of a tile whose rows are the columns of a product: a swizzle of 128 bytes, and eight rows are 1024 bytes from the next.
#[inline(always)]
const fn descriptor(tile: RowTile) -> u64 {
    const SWIZZLE_128: u64 = 1 << 62;
    const EIGHT_ROWS: u64 = ((8 * PANEL_ROW) >> 4) << 32;
    SWIZZLE_128 | EIGHT_ROWS | (tile.chunk(0, 0).address() >> 4) as u64
}
