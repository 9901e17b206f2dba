//! From a checked problem to launches. Pure arithmetic, and every number that was chosen rather than derived stands in
//! [`tuning`].
//!
//! What a split changes is who works on what, never the result: kernels merge in an order that the row alone fixes.

pub(super) mod attention;
pub(super) mod clusters;
mod fit;
pub(super) mod indexer;
mod merge_states;
mod prefill_tile;
pub(super) mod tuning;

/// A product that ends at the largest number instead of overflowing: no device has so much of anything.
pub(super) fn product<const N: usize>(factors: [u32; N]) -> u64 {
    factors.into_iter().fold(1, |product, factor| product.saturating_mul(factor.into()))
}

/// Extents of a grid; what is beyond any device's is refused by [`Launch::check`](super::Launch::check).
fn grid(extents: [u64; 3]) -> [u32; 3] {
    extents.map(|extent| u32::try_from(extent).unwrap_or(u32::MAX))
}
