use super::{GROUP_WARPS, GROUPS};

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

    /// A bit for each of its rows, also of those that the tile has not.
    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        ((1 << self.rows) - 1) << self.first
    }

    /// The row of one of its warps, and the row's bit; none is set where the warp has no row.
    #[inline(always)]
    pub(super) const fn row(self, warp: u32) -> (u32, u32) {
        let row = self.first + warp % GROUP_WARPS;
        (row, self.bits() & 1 << row)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{GROUP_WARPS, GROUPS};
    use super::Group;

    #[test]
    fn each_row_of_a_tile_is_of_one_warp() {
        for tile_rows in 1..=8 {
            let warps = 0..GROUPS * GROUP_WARPS;
            let bits = warps.map(|warp| Group::new(warp / GROUP_WARPS, tile_rows).row(warp).1);
            let bits: Vec<u32> = bits.filter(|bit| *bit != 0).collect();
            assert_eq!(bits.iter().sum::<u32>(), bits.iter().fold(0, |all, bit| all | bit));
            assert_eq!(bits.iter().sum::<u32>() & ((1 << tile_rows) - 1), (1 << tile_rows) - 1);
        }
    }
}
