use cuda_std::ptr::GlobalPtr;
use cuda_std::warp;
use msa_abi::{BLOCK, BlockTopkParams};

/// All lanes of a warp: the blocks in a row's horizon, or `None` for a row of padding.
///
/// # Safety
///
/// `params` are the kernel's.
#[inline]
pub(super) unsafe fn blocks_of_row(params: &BlockTopkParams, row: u32) -> Option<u32> {
    let row_offsets = GlobalPtr::<u32>::from_address(params.row_offsets.address());
    let cache_lengths = GlobalPtr::<u32>::from_address(params.cache_lengths.address());
    // SAFETY: `row_offsets` holds `batch + 1` ascending numbers, and `cache_lengths` holds `batch`.
    unsafe {
        let request = request_of_row(row_offsets, params.batch, row);
        if request == params.batch {
            return None;
        }
        let first_row = row_offsets.add(u64::from(request)).read_constant();
        let cached = cache_lengths.add(u64::from(request)).read_constant();
        Some(blocks_up_to(cached + (row - first_row)).min(params.max_blocks))
    }
}

/// The blocks that hold positions `0 ..= position`.
const fn blocks_up_to(position: u32) -> u32 {
    position / BLOCK as u32 + 1
}

/// All lanes of a warp: the request that owns the row, `batch` where none does.
///
/// # Safety
///
/// `row_offsets` holds `batch + 1` ascending numbers.
#[inline]
unsafe fn request_of_row(row_offsets: GlobalPtr<u32>, batch: u32, row: u32) -> u32 {
    let lane = warp::lane_id();
    // The requests that end at or before the row are those before its own.
    partition_point(batch, |probes| {
        let request = probes.at(lane);
        // SAFETY: the offset after that of one of the `batch` requests is there.
        let is_over = request < batch
            && unsafe { row_offsets.add(u64::from(request) + 1).read_constant() } <= row;
        // SAFETY: the search takes the same way in all lanes.
        unsafe { warp::warp_vote_ballot(u32::MAX, is_over) }.count_ones()
    })
}

/// How many elements come before the partition point of a sequence of `len`: those for which a predicate
/// holds, all of which stand before the others. `count` tells for how many of 32 probes it holds; a probe
/// past the end does not count. Each call narrows the search by a factor of 32.
#[inline]
fn partition_point(len: u32, count: impl Fn(Probes) -> u32) -> u32 {
    const BITS: u32 = u32::ilog2(warp::WARP_SIZE);
    let mut probes =
        Probes { first: 0, stride_bits: (len.saturating_sub(1) | 1).ilog2() / BITS * BITS };
    loop {
        probes.first += count(probes) << probes.stride_bits;
        if probes.stride_bits == 0 {
            return probes.first;
        }
        probes.stride_bits -= BITS;
    }
}

/// 32 places in a sequence: the last of each of 32 equal parts.
#[derive(Clone, Copy)]
struct Probes {
    first: u32,
    stride_bits: u32,
}

impl Probes {
    const fn at(self, lane: u32) -> u32 {
        self.first + ((lane + 1) << self.stride_bits) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::{blocks_up_to, partition_point};

    #[test]
    fn a_block_begins_every_128_positions() {
        for (position, blocks) in [(0, 1), (127, 1), (128, 2), (255, 2), (256, 3), (1 << 20, 8193)]
        {
            assert_eq!(blocks_up_to(position), blocks, "position {position}");
        }
    }

    #[test]
    fn the_search_finds_every_partition_point() {
        for len in (0u32..=130).chain([1023, 1024, 1025, 32767, 32768, 32769, 40000]) {
            let points = (0..=len.min(130))
                .chain((0..=len).step_by(997))
                .chain([len.saturating_sub(1), len]);
            for point in points {
                let found = partition_point(len, |probes| {
                    let holds = |lane: &u32| probes.at(*lane) < len && probes.at(*lane) < point;
                    (0..32).filter(holds).count() as u32
                });
                assert_eq!(found, point, "len {len}");
            }
        }
    }
}
