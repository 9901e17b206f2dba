use super::super::tile::Tile;
use crate::problem::{AttentionProblem, visible_keys};

/// A block that a row of a tile attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pick {
    pub(super) block: usize,
    /// The row's place in the tile.
    pub(super) slot: usize,
    /// How many of the block's keys the row sees, at least one.
    pub(super) visible: usize,
    /// How often the row lists the block.
    pub(super) times: u32,
}

/// What the rows of a tile attend to under one KV head, by ascending block and then row.
pub(super) fn picks(problem: &AttentionProblem, tile: &Tile, kv_head: usize) -> Vec<Pick> {
    let mut picks = Vec::new();
    for (slot, row) in tile.rows.clone().enumerate() {
        let position = tile.request.position(row);
        picks.extend(problem.selected(&tile.request, row, kv_head).map(|block| Pick {
            block,
            slot,
            visible: visible_keys(position, block),
            times: 1,
        }));
    }
    picks.sort_unstable();
    picks.dedup_by(|next, kept| {
        let same = (next.block, next.slot) == (kept.block, kept.slot);
        kept.times += u32::from(same);
        same
    });
    picks
}
