//! How many rows a tile of `attend_prefill_hopper` has.
//!
//! A tile of more rows reads a block once for more of them, but takes longer; and a multiprocessor has a tile at a time. So
//! tiles are as large as they may be where they come in many waves, and smaller where these would leave multiprocessors
//! with nothing to do. The time of a launch is reckoned in the time that the copy of a block takes.

use super::tuning::{PREFILL_PREPARATION, PREFILL_STEP, PREFILL_UNSHARED};

/// Rows that a tile may have, the most first: of several that take as long, it reads each block the fewest times. One row
/// takes as long as two, one of each group.
const TILE_ROWS: [u32; 3] = [8, 4, 2];

/// The rows with which a launch takes the least time. `tiles` tells how many tiles there are, from their rows.
pub(super) fn tile_rows(topk: u32, multiprocessors: u32, tiles: impl Fn(u32) -> u64) -> u32 {
    let time = |rows: u32| {
        tiles(rows).div_ceil(multiprocessors.max(1).into()).saturating_mul(tile_time(rows, topk))
    };
    TILE_ROWS.into_iter().min_by_key(|rows| time(*rows)).unwrap_or(TILE_ROWS[0])
}

/// The time of a tile: until it is ready, and then that of its copies, or of the steps of its two warpgroups, each of which
/// has half of the rows and goes through what these have chosen.
fn tile_time(rows: u32, topk: u32) -> u64 {
    let (copies, steps) = (different_blocks(rows, topk), different_blocks(rows.div_ceil(2), topk));
    PREFILL_PREPARATION + copies.max(PREFILL_STEP * steps)
}

/// Blocks that so many neighbouring rows have chosen, each once.
fn different_blocks(rows: u32, topk: u32) -> u64 {
    let topk = u64::from(topk);
    topk + u64::from(rows - 1) * topk.div_ceil(PREFILL_UNSHARED)
}

#[cfg(test)]
mod tests {
    use super::{different_blocks, tile_rows};

    #[test]
    fn tiles_are_small_where_large_ones_leave_multiprocessors_without_work() {
        let rows = |new: u64, kv_heads: u64| {
            tile_rows(16, 132, |rows| new.div_ceil(rows.into()) * kv_heads)
        };
        assert_eq!([9, 132, 133, 264, 265, 528].map(|new| rows(new, 1)), [2, 2, 2, 2, 4, 4]);
        assert_eq!([529, 1024, 1056, 2048, 8192].map(|new| rows(new, 1)), [8; 5]);
        assert_eq!([9, 128, 132, 133, 512].map(|new| rows(new, 4)), [2, 4, 4, 8, 8]);
    }

    #[test]
    fn neighbours_have_most_blocks_in_common() {
        assert_eq!([1, 2, 4, 8].map(|rows| different_blocks(rows, 16)), [16, 18, 22, 30]);
    }
}
