use core::array::from_fn;

use msa_abi::{BLOCK, IndexParams};

use crate::fragment::Part;
use crate::index_prefill::{FRAGMENTS, join, join_seen, pair};
use crate::pair_tile::PairTile;

/// What makes a lane's products with the keys of a block scores of its pairs.
#[derive(Clone, Copy)]
pub(super) struct Scores {
    scale: f32,
    /// What all pairs of the warp see.
    shortest: u32,
    /// `[fragment][half of it]`
    horizons: [[u32; 2]; FRAGMENTS],
    part: Part,
}

impl Scores {
    /// A lane: of the pairs of its warp, of which this is the first.
    #[inline(always)]
    pub(super) fn new(params: &IndexParams, tile: PairTile, first_pair: u32, part: Part) -> Self {
        Self {
            scale: params.scale,
            shortest: tile.horizon(first_pair),
            horizons: from_fn(|fragment| {
                from_fn(|half| tile.horizon(first_pair + pair(fragment, half, part)))
            }),
            part,
        }
    }

    /// A lane: the largest scores of a fragment's two pairs, of the lane's keys of a block.
    #[inline(always)]
    pub(super) fn maxima(
        &self,
        block: u32,
        fragment: usize,
        products: &[[f32; 4]; BLOCK / 8],
    ) -> [f32; 2] {
        let mut maxima = [f32::NEG_INFINITY; 2];
        let first_key = block * BLOCK as u32;
        if first_key + BLOCK as u32 <= self.shortest && self.scale > 0.0 {
            // Rounding keeps the order of products, so that the largest one gives the largest score.
            join(&mut maxima, products, |_, _, product| product);
            maxima.map(|max| max * self.scale)
        } else {
            let first_key = first_key + self.part.column;
            join_seen(&mut maxima, products, self.horizons[fragment], first_key, self.scale);
            maxima
        }
    }
}
