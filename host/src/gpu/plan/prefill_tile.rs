//! How many rows a tile of `attend_prefill_hopper` or `attend_prefill_blackwell` has.
//!
//! A tile of more rows reads a block once for more of them, but takes longer; and a multiprocessor, or a pair of them, has a
//! tile at a time. So tiles are as large as they may be where they come in many waves, and smaller where these would leave
//! multiprocessors with nothing to do. The time of a launch is reckoned in the time that the copy of a block takes.

use super::tuning::{PREFILL_PREPARATION, PREFILL_STEP, PREFILL_UNSHARED};

/// How a kernel goes through tiles.
pub(super) struct Tiling {
    /// Rows that a tile may have, the most first: of several that take as long, it reads each block the fewest times. One row
    /// takes as long as two, one of each warpgroup, or of each block of threads.
    rows: &'static [u32],
    /// Multiprocessors of a tile.
    multiprocessors: u32,
    /// The time of a tile, from its rows and the slots of a list. Its unit is the kernel's own.
    time: fn(u32, u32) -> u64,
}

impl Tiling {
    /// That of `attend_prefill_hopper`.
    pub(super) const HOPPER: Self =
        Self { rows: &[8, 4, 2], multiprocessors: 1, time: hopper_time };

    /// That of `attend_prefill_blackwell`.
    pub(super) const BLACKWELL: Self =
        Self { rows: &[16, 8, 4, 2], multiprocessors: 2, time: blackwell_time };

    /// The rows with which a launch takes the least time on a device with so many multiprocessors. `tiles` tells how many tiles
    /// there are, from their rows.
    pub(super) fn tile_rows(
        &self,
        multiprocessors: u32,
        topk: u32,
        tiles: impl Fn(u32) -> u64,
    ) -> u32 {
        let at_once = (multiprocessors / self.multiprocessors).max(1);
        let time = |rows: u32| {
            tiles(rows).div_ceil(at_once.into()).saturating_mul((self.time)(rows, topk))
        };
        self.rows.iter().copied().min_by_key(|rows| time(*rows)).unwrap_or(self.rows[0])
    }
}

/// The time of a tile of `attend_prefill_hopper`: until it is ready, and then that of its copies, or of the steps of its two
/// warpgroups, each of which has half of the rows and goes through what these have chosen.
fn hopper_time(rows: u32, topk: u32) -> u64 {
    let (copies, steps) = (different_blocks(rows, topk), different_blocks(rows.div_ceil(2), topk));
    PREFILL_PREPARATION + copies.max(PREFILL_STEP * steps)
}

/// The time of a tile of `attend_prefill_blackwell`, in the time that the copy of half a block takes, which is what a step
/// brings to each multiprocessor: steps have all rows, and take less time than their copies.
fn blackwell_time(rows: u32, topk: u32) -> u64 {
    2 * PREFILL_PREPARATION + different_blocks(rows, topk)
}

/// Blocks that so many neighbouring rows have chosen, each once.
fn different_blocks(rows: u32, topk: u32) -> u64 {
    let topk = u64::from(topk);
    topk + u64::from(rows - 1) * topk.div_ceil(PREFILL_UNSHARED)
}

#[cfg(test)]
mod tests {
    use super::{Tiling, different_blocks};

    #[test]
    fn tiles_are_small_where_large_ones_leave_multiprocessors_without_work() {
        let rows = |new: u64, kv_heads: u64| {
            Tiling::HOPPER.tile_rows(132, 16, |rows| new.div_ceil(rows.into()) * kv_heads)
        };
        assert_eq!([9, 132, 133, 264, 265, 528].map(|new| rows(new, 1)), [2, 2, 2, 2, 4, 4]);
        assert_eq!([529, 1024, 1056, 2048, 8192].map(|new| rows(new, 1)), [8; 5]);
        assert_eq!([9, 128, 132, 133, 512].map(|new| rows(new, 4)), [2, 4, 4, 8, 8]);
    }

    #[test]
    fn tiles_of_blackwell_fill_its_multiprocessors_too() {
        let rows =
            |new: u64| Tiling::BLACKWELL.tile_rows(148, 16, |rows| new.div_ceil(rows.into()));
        assert_eq!([9, 148, 149, 296, 297, 512, 592].map(rows), [2, 2, 4, 4, 8, 8, 8]);
        assert_eq!([593, 1024, 1184, 2048, 8192].map(rows), [16; 5]);
    }

    #[test]
    fn neighbours_have_most_blocks_in_common() {
        assert_eq!([1, 2, 4, 8, 16].map(|rows| different_blocks(rows, 16)), [16, 18, 22, 30, 46]);
    }
}
