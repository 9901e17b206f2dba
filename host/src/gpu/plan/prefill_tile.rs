//! How many rows a tile of `attend_prefill_hopper` or `attend_prefill_blackwell` has.
//!
//! A tile of more rows reads a block once for more of them, but takes longer; and a multiprocessor has a tile at a time. So
//! tiles are as large as they may be where they come in many waves, and smaller where these would leave multiprocessors
//! with nothing to do. The time of a launch is reckoned in the time that the copy of a block takes.

use super::tuning::{PREFILL_PREPARATION, PREFILL_STEP, PREFILL_UNSHARED};

/// Rows that a tile may have, the most first: of several that take as long, it reads each block the fewest times. One row
/// takes as long as two, one of each group.
const TILE_ROWS: [u32; 3] = [8, 4, 2];

/// The rows with which a launch takes the least time. `tile_time` tells the time of a tile, and `tiles` how many tiles there
/// are, from their rows.
pub(super) fn tile_rows(
    multiprocessors: u32,
    tile_time: impl Fn(u32) -> u64,
    tiles: impl Fn(u32) -> u64,
) -> u32 {
    let time = |rows: u32| {
        tiles(rows).div_ceil(multiprocessors.max(1).into()).saturating_mul(tile_time(rows))
    };
    TILE_ROWS.into_iter().min_by_key(|rows| time(*rows)).unwrap_or(TILE_ROWS[0])
}

/// The time of a tile of `attend_prefill_hopper`: until it is ready, and then that of its copies, or of the steps of its two
/// warpgroups, each of which has half of the rows and goes through what these have chosen.
pub(super) fn hopper_time(rows: u32, topk: u32) -> u64 {
    let (copies, steps) = (different_blocks(rows, topk), different_blocks(rows.div_ceil(2), topk));
    PREFILL_PREPARATION + copies.max(PREFILL_STEP * steps)
}

/// The time of a tile of `attend_prefill_blackwell`: its steps have all rows, and take less time than their copies.
pub(super) fn blackwell_time(rows: u32, topk: u32) -> u64 {
    PREFILL_PREPARATION + different_blocks(rows, topk)
}

/// Blocks that so many neighbouring rows have chosen, each once.
fn different_blocks(rows: u32, topk: u32) -> u64 {
    let topk = u64::from(topk);
    topk + u64::from(rows - 1) * topk.div_ceil(PREFILL_UNSHARED)
}

#[cfg(test)]
mod tests {
    use super::{blackwell_time, different_blocks, hopper_time, tile_rows};

    #[test]
    fn tiles_are_small_where_large_ones_leave_multiprocessors_without_work() {
        let rows = |new: u64, kv_heads: u64| {
            tile_rows(
                132,
                |rows| hopper_time(rows, 16),
                |rows| new.div_ceil(rows.into()) * kv_heads,
            )
        };
        assert_eq!([9, 132, 133, 264, 265, 528].map(|new| rows(new, 1)), [2, 2, 2, 2, 4, 4]);
        assert_eq!([529, 1024, 1056, 2048, 8192].map(|new| rows(new, 1)), [8; 5]);
        assert_eq!([9, 128, 132, 133, 512].map(|new| rows(new, 4)), [2, 4, 4, 8, 8]);
    }

    #[test]
    fn tiles_of_blackwell_fill_its_multiprocessors_too() {
        let rows = |new: u64| {
            tile_rows(148, |rows| blackwell_time(rows, 16), |rows| new.div_ceil(rows.into()))
        };
        assert_eq!([9, 296, 297, 592, 593, 1024, 8192].map(rows), [2, 2, 4, 4, 8, 8, 8]);
    }

    #[test]
    fn neighbours_have_most_blocks_in_common() {
        assert_eq!([1, 2, 4, 8].map(|rows| different_blocks(rows, 16)), [16, 18, 22, 30]);
    }
}
