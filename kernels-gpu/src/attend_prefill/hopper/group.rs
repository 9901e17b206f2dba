use super::{GROUP_WARPS, GROUPS};
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

/// Where a row of a tile is: in which group, and in which of its warps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) group: u32,
    pub(super) warp: u32,
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
}

impl Place {
    /// Of a row of a tile with room for `tile_rows` rows.
    #[inline(always)]
    pub(super) const fn new(row: u32, tile_rows: u32) -> Self {
        let (group, warp) = div_rem(row, tile_rows.div_ceil(GROUPS));
        Self { group, warp }
    }
}

// A warpgroup has a warp for each of its rows.
const _: () = assert!(super::ROWS == GROUPS * GROUP_WARPS);

#[cfg(test)]
mod tests {
    use super::super::{GROUP_WARPS, GROUPS, ROWS};
    use super::{Group, Place};

    #[test]
    fn each_row_of_a_tile_has_one_warp() {
        for tile_rows in 1..=ROWS {
            for rows in 1..=tile_rows {
                let of_group = |group| {
                    let warps = (0..GROUP_WARPS).map(move |warp| Place { group, warp });
                    warps.filter(move |of| Group::new(group, tile_rows).has_row(of.warp, rows))
                };
                let warps: Vec<Place> = (0..GROUPS).flat_map(of_group).collect();
                let places: Vec<Place> = (0..rows).map(|row| Place::new(row, tile_rows)).collect();
                assert_eq!(warps, places);
                let row = |of: &Place| Group::new(of.group, tile_rows).first + of.warp;
                assert!(places.iter().map(row).eq(0..rows));
            }
        }
    }
}
