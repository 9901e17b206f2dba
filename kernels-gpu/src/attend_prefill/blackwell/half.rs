use super::BLOCKS;

/// Which rows of a tile a block of the pair has: each of the two has half of them, so that a tile of few rows occupies both.
#[derive(Clone, Copy)]
pub(super) struct Half {
    /// The first of them in the tile.
    pub(super) first: u32,
    /// Rows that there are.
    pub(super) rows: u32,
}

impl Half {
    /// That of the block of a rank, of a tile with `rows` rows and room for `tile_rows`.
    #[inline(always)]
    pub(super) const fn new(rank: u32, tile_rows: u32, rows: u32) -> Self {
        let room = tile_rows.div_ceil(BLOCKS);
        let first = rank * room;
        let left = rows.saturating_sub(first);
        Self { first, rows: if left < room { left } else { room } }
    }

    /// The place of a row of the tile among them, if it is one of them.
    #[inline(always)]
    pub(super) const fn place(self, row: u32) -> Option<u32> {
        let place = row.wrapping_sub(self.first);
        if place < self.rows { Some(place) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::Half;

    #[test]
    fn each_row_of_a_tile_has_one_place() {
        for (tile_rows, rows) in (1..=16).flat_map(|most| (1..=most).map(move |rows| (most, rows)))
        {
            let halves = [0, 1].map(|rank| Half::new(rank, tile_rows, rows));
            assert_eq!(halves[0].rows + halves[1].rows, rows);
            for row in 0..rows {
                let places = halves.map(|half| half.place(row).map(|place| half.first + place));
                assert_eq!(places.into_iter().flatten().collect::<Vec<_>>(), [row]);
            }
        }
    }
}
