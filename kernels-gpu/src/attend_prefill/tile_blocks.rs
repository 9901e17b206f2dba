use cuda_std::prelude::*;
use msa_abi::{AttendParams, MAX_TOPK};

use super::ROWS;
use super::tile_ids::TileIds;
use crate::request::Request;
use crate::share_out::share_out;

/// The blocks that the rows of a tile have chosen, each once, by ascending id.
///
/// They are put in order by a bitmap of blocks: a block's place is the number of bits before its own.
#[derive(Clone, Copy)]
pub(super) struct TileBlocks {
    /// A [`TileBlock`] each.
    entries: SharedPtr<[u32; 4]>,
    count: u32,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct TileBlock {
    pub(super) block: u32,
    pub(super) page: u32,
    /// Of each place of a row a byte: how often the block stands in the row's list.
    times: [u32; 2],
}

/// Words of a bitmap. More blocks than it has bits, those of a million tokens, take turns.
const WORDS: u32 = 256;

/// Bits of one.
const BITS: u32 = WORDS * u32::BITS;

impl TileBlocks {
    /// All threads of the block: those of `rows` rows, whose ids these are. `place` tells where a row is among the [`ROWS`]
    /// that the block may have, or that it is another's. Each id takes [`ID_BYTES`](AttendParams::ID_BYTES), a multiple of 16,
    /// at `entries`. A barrier has to come before they are used.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, the request has the rows, `entries` have room for all ids and `scratch` has for
    /// [`SCRATCH_BYTES`](Self::SCRATCH_BYTES), which nobody else touches before the barrier. All threads come together.
    #[inline(always)]
    pub(super) unsafe fn build<const TURNS: usize>(
        params: &AttendParams,
        request: Request,
        rows: u32,
        ids: TileIds<TURNS>,
        place: impl Fn(u32) -> Option<u32>,
        entries: SharedPtr<[u32; 4]>,
        scratch: SharedPtr<u32>,
    ) -> Self {
        let [chosen, placed, before] = [0, 1, 2].map(|nth| scratch.add(nth * WORDS));
        let table = GlobalPtr::<u32>::from_address(params.cache.table.address());
        let table = table.add(u64::from(request.index) * params.cache.table_stride);
        let (mut first, mut count) = (0, 0);
        // SAFETY: the places are this function's; each thread writes its own, or all do so atomically, and barriers lie
        // between.
        unsafe {
            share_out(rows * params.topk, |nth| entries.add(nth).write([0; 4]));
            loop {
                share_out(2 * WORDS, |nth| chosen.add(nth).write(0));
                thread::sync_threads();
                ids.each(|_, id| {
                    if let Some((word, bit)) = bit_of(id, first) {
                        chosen.add(word).atomic_or(bit);
                    }
                });
                thread::sync_threads();
                if thread::thread_idx_x() < warp::WARP_SIZE {
                    count_before(chosen, before);
                }
                thread::sync_threads();
                ids.each(|row, id| {
                    let Some((word, bit)) = bit_of(id, first) else { return };
                    let smaller = (chosen.add(word).read() & (bit - 1)).count_ones();
                    let entry = entries.add(count + before.add(word).read() + smaller);
                    let entry = entry.cast::<u32>();
                    if let Some(place) = place(row) {
                        entry.add(2 + place / 4).atomic_add(1 << (8 * (place % 4)));
                    }
                    if placed.add(word).atomic_or(bit) & bit == 0 {
                        let page = table.add(u64::from(id)).read_constant();
                        entry.cast().write([id, page]);
                    }
                });
                count += before.add(WORDS).read();
                first += BITS;
                if first > ids.last_block(rows - 1) {
                    return Self { entries, count };
                }
                thread::sync_threads();
            }
        }
    }

    /// Bytes that it takes to build them.
    pub(super) const SCRATCH_BYTES: u32 = (3 * WORDS + 1) * size_of::<u32>() as u32;

    /// How many there are.
    #[inline(always)]
    pub(super) const fn len(self) -> u32 {
        self.count
    }

    /// The `nth` of them.
    #[inline(always)]
    pub(super) fn nth(self, nth: u32) -> TileBlock {
        // SAFETY: `build` wrote as many as there are, and nobody writes them again.
        let [block, page, a, b] = unsafe { self.entries.add(nth).read() };
        TileBlock { block, page, times: [a, b] }
    }
}

impl TileBlock {
    /// How often it stands in the list of the row at a place.
    #[inline(always)]
    pub(super) const fn times(self, place: u32) -> u32 {
        self.of_four(place / 4) >> (8 * (place % 4)) & 0xff
    }

    /// The same of the four rows from place `4 four` on, a byte each.
    #[inline(always)]
    pub(super) const fn of_four(self, four: u32) -> u32 {
        if four == 0 { self.times[0] } else { self.times[1] }
    }
}

/// The bit of a block in a bitmap of blocks from `first` on, if it has one: a word, and the bit in it.
#[inline(always)]
const fn bit_of(block: u32, first: u32) -> Option<(u32, u32)> {
    let bit = block.wrapping_sub(first);
    if bit < BITS { Some((bit / u32::BITS, 1 << (bit % u32::BITS))) } else { None }
}

/// A warp: counts the bits of a bitmap that come before each of its words, and after these how many there are.
///
/// # Safety
///
/// All lanes come together; the bitmap is written, nobody writes it meanwhile, and the counts' place is the warp's.
#[inline(always)]
unsafe fn count_before(bitmap: SharedPtr<u32>, before: SharedPtr<u32>) {
    const OF_LANE: u32 = WORDS / warp::WARP_SIZE;
    let lane = warp::lane_id();
    // SAFETY: the caller's promise; each lane has its own words.
    unsafe {
        let words = bitmap.add(lane * OF_LANE).cast::<[u32; 4]>();
        let bits = [words.read(), words.add(1).read()].map(|words| words.map(u32::count_ones));
        let own: u32 = bits.iter().flatten().sum();
        let mut upto = own;
        for bit in 0..u32::ilog2(warp::WARP_SIZE) {
            let (lower, is_there) =
                warp::warp_shuffle_up(u32::MAX, upto, 1 << bit, warp::WARP_SIZE);
            upto += if is_there { lower } else { 0 };
        }
        let counts = before.add(lane * OF_LANE).cast::<[u32; 4]>();
        let mut sum = upto - own;
        for (nth, bits) in (0..).zip(&bits) {
            let of_words = bits.map(|bits| {
                let before = sum;
                sum += bits;
                before
            });
            counts.add(nth).write(of_words);
        }
        if lane == warp::WARP_SIZE - 1 {
            before.add(WORDS).write(upto);
        }
    }
}

// Two vectors of words are a lane's; a list has a block so often at most; and an entry is what an id may take.
const _: () = assert!(WORDS == 8 * warp::WARP_SIZE);
const _: () = assert!(MAX_TOPK < 256 && ROWS == 8);
const _: () = assert!(size_of::<[u32; 4]>() as u32 == AttendParams::ID_BYTES);
