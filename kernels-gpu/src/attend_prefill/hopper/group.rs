use super::{GROUP_WARPS, GROUPS};
use crate::attend_prefill::tile_blocks::TileBlock;
use crate::div_rem::div_rem;

/// Which rows of a tile a warpgroup has: each of the two has half of them, one for each of its first warps. So a tile of
/// few rows occupies both groups, and neither goes through blocks that the other's rows alone have chosen.
#[derive(Clone, Copy)]
pub(super) struct Group {
    /// Which group of the tile's.
    pub(super) nth: u32,
    /// The first of its rows in the tile.
    pub(super) first: u32,
    rows: u32,
}

impl Group {
    /// The `nth` group of a tile with room for `tile_rows` rows.
    #[inline(always)]
    pub(super) const fn new(nth: u32, tile_rows: u32) -> Self {
        let rows = tile_rows.div_ceil(GROUPS);
        Self { nth, first: nth * rows, rows }
    }

    /// Whether one of its warps has a row, where the tile has `rows`.
    #[inline(always)]
    pub(super) const fn has_row(self, warp: u32, rows: u32) -> bool {
        warp < self.rows && self.first + warp < rows
    }

    /// The place of the row of one of its warps among those of a tile.
    #[inline(always)]
    pub(super) const fn place(self, warp: u32) -> u32 {
        self.nth * GROUP_WARPS + warp
    }
}

/// The place of a row of a tile with room for `tile_rows` rows: that of its warp in the two groups.
#[inline(always)]
pub(super) const fn place(row: u32, tile_rows: u32) -> u32 {
    let (group, warp) = div_rem(row, tile_rows.div_ceil(GROUPS));
    group * GROUP_WARPS + warp
}

/// Whether a row of the `group`-th group has chosen a block: then the group uses it.
#[inline(always)]
pub(super) const fn is_used_by(block: TileBlock, group: u32) -> bool {
    block.of_four(group) != 0
}

/// Warps of groups that do not use a block.
#[inline(always)]
pub(super) fn others(block: TileBlock) -> u32 {
    (0..GROUPS).map(|group| if is_used_by(block, group) { 0 } else { GROUP_WARPS }).sum()
}

// A warpgroup has a warp for each of its rows, and their places are four that follow one another.
const _: () = assert!(super::ROWS == GROUPS * GROUP_WARPS && GROUP_WARPS == 4);

#[cfg(test)]
mod tests {
    use super::super::{GROUP_WARPS, GROUPS, ROWS};
    use super::{Group, place};

    #[test]
    fn each_row_of_a_tile_has_one_warp() {
        for tile_rows in 1..=ROWS {
            for rows in 1..=tile_rows {
                let groups = (0..GROUPS).map(|nth| Group::new(nth, tile_rows));
                let warps = groups.flat_map(|group| {
                    let warps = (0..GROUP_WARPS).filter(move |warp| group.has_row(*warp, rows));
                    warps.map(move |warp| (group.first + warp, group.place(warp)))
                });
                assert!(warps.eq((0..rows).map(|row| (row, place(row, tile_rows)))));
            }
        }
    }
}
