use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK, MAX_TOPK};

use super::{BLOCKS, TILE_ROWS};
use crate::attend_prefill::small_divisor::SmallDivisor;
use crate::attend_prefill::tile_blocks::TileBlocks;
use crate::block_planes::BlockStages;
use crate::event::Event;
use crate::mapped_planes::MappedPlanes;
use crate::row_tile::{Chunk, RowTile};
use crate::stage_events::StageEvents;

/// K and V of a tile's blocks on their way from a thread of each block of the pair to the products.
///
/// A block of the pair has half of each: the keys of half of the tokens, and half of the dims of all values. Both halves of K
/// and both of V are one product's operand, so that the first block's barrier tells when all of them are there. They share a
/// stage, and that is used when the block's last product is done.
///
/// Of values that some rows do not see, which no product takes ([`Weighing`](super::weights::Weighing)), each block of the pair
/// has all. They come last, so that no stage of theirs is filled again.
#[derive(Clone, Copy)]
pub(super) struct PlaneRing {
    events: StageEvents,
    /// How many stages there are, by which what comes is numbered: a number for each block of the tile, and then one for those
    /// values.
    count: SmallDivisor,
    /// `[MOST_PARTLY_SEEN]`: these values are there, of each such block. The thread that starts their copies arrives.
    values: SharedPtr<u64>,
}

/// What comes of a block for a product, in a stage.
#[derive(Clone, Copy)]
pub(super) struct Halves {
    /// Keys of half of the tokens.
    pub(super) keys: RowTile,
    /// Half of the dims of all values: a panel alone.
    pub(super) values: RowTile,
}

/// Tokens of a block.
const TOKENS: u32 = BLOCK as u32;

/// Those whose keys a block of the pair has.
pub(super) const HALF_TOKENS: u32 = TOKENS / BLOCKS;

/// Bytes of half a plane.
const HALF_BYTES: u32 = BlockStages::BYTES / BLOCKS;

/// Most blocks of a tile of which a row does not see all.
const MOST_PARTLY_SEEN: u32 = 2;

impl PlaneRing {
    /// Bytes of barriers besides those of stages.
    pub(super) const BARRIER_BYTES: u32 = MOST_PARTLY_SEEN * size_of::<u64>() as u32;

    /// With [`BARRIER_BYTES`](Self::BARRIER_BYTES), and then those of stages, at `barriers`.
    #[inline(always)]
    pub(super) const fn new(stages: BlockStages, barriers: SharedPtr<u64>) -> Self {
        let events = StageEvents::new(stages, barriers.byte_add(Self::BARRIER_BYTES));
        Self { events, count: SmallDivisor::new(stages.count()), values: barriers }
    }

    /// One thread: makes the barriers. One of the cluster has to come before they are used.
    ///
    /// # Safety
    ///
    /// Their place is the ring's alone.
    #[inline(always)]
    pub(super) unsafe fn init(self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.events.init(1);
            for nth in 0..MOST_PARTLY_SEEN {
                self.values_arrival(nth).init(1);
            }
        }
    }

    /// One thread of the pair's block of a rank: starts all copies to it, each as soon as there is a place for it, of blocks of
    /// which all rows see all keys of the first `whole`. At the end nothing is on its way to the block or its barriers.
    ///
    /// # Safety
    ///
    /// The blocks are the request's, and their pages exist. No other thread of the block does that, and one of the pair's other
    /// does; what threads wrote to the stages is fenced from copies.
    #[inline(always)]
    pub(super) unsafe fn start_all(
        self,
        planes: MappedPlanes,
        blocks: TileBlocks,
        whole: u32,
        rank: u32,
    ) {
        let len = blocks.len();
        // SAFETY: the barriers are made, what comes is used, and there is nothing else before it is.
        unsafe {
            for nth in 0..len {
                let (phase, stage) = self.count.div_rem(nth);
                let (to, arrival) = (self.events.free(phase, stage), self.events.arrival(stage));
                if rank == 0 {
                    let planes = if nth < whole { 2 } else { 1 };
                    arrival.arrive_expecting(BLOCKS * planes * HALF_BYTES);
                }
                let (page, to) = (blocks.nth(nth).page, Halves::at(to));
                for part in 0..HALF_TOKENS / MappedPlanes::TOKENS {
                    let row = part * MappedPlanes::TOKENS;
                    for panel in 0..MappedPlanes::PANELS {
                        let (from, to) =
                            ((rank * HALF_TOKENS + row, panel), to.keys_panel(row, panel));
                        planes.start_panel_of_pair(0, page, from, to, arrival.in_first());
                    }
                }
                if nth < whole {
                    for part in 0..TOKENS / MappedPlanes::TOKENS {
                        let row = part * MappedPlanes::TOKENS;
                        let to = to.values.chunk(row, 0);
                        planes.start_panel_of_pair(1, page, (row, rank), to, arrival.in_first());
                    }
                }
            }
            for nth in whole..len {
                let (phase, stage) = self.count.div_rem(len + nth - whole);
                let (to, arrival) =
                    (self.events.free(phase, stage), self.values_arrival(nth - whole));
                arrival.arrive_expecting(BlockStages::BYTES);
                for part in 0..TOKENS / MappedPlanes::TOKENS {
                    let (page, row) = (blocks.nth(nth).page, part * MappedPlanes::TOKENS);
                    planes.start_copy(1, page, row, to, arrival.counts());
                }
            }
            for nth in len.saturating_sub(self.events.stages())..len {
                let (phase, stage) = self.count.div_rem(nth);
                self.events.use_of(stage).wait(phase);
            }
            for nth in whole..len {
                self.values_arrival(nth - whole).wait(0);
            }
        }
    }

    /// One thread of the pair's first block: what comes of the `nth` block for products, once it has arrived in both.
    ///
    /// # Safety
    ///
    /// It is not used yet.
    #[inline(always)]
    pub(super) unsafe fn arrived(self, nth: u32) -> Halves {
        let (phase, stage) = self.count.div_rem(nth);
        // SAFETY: the barriers are made; and the caller's promise.
        Halves::at(unsafe { self.events.arrived(phase, stage) })
    }

    /// What came of the `nth` block for products, which has arrived before.
    #[inline(always)]
    pub(super) const fn halves(self, nth: u32) -> Halves {
        let (_, stage) = self.count.div_rem(nth);
        Halves::at(self.events.stage(stage))
    }

    /// That is used.
    #[inline(always)]
    pub(super) const fn used(self, nth: u32) -> Event {
        let (_, stage) = self.count.div_rem(nth);
        self.events.use_of(stage)
    }

    /// One thread: all values of the `nth` of those blocks that a row does not see all of, once they have arrived, where the
    /// tile has `len` blocks.
    ///
    /// # Safety
    ///
    /// There is such a block.
    #[inline(always)]
    pub(super) unsafe fn values_arrived(self, len: u32, nth: u32) -> RowTile {
        let (_, stage) = self.count.div_rem(len + nth);
        // SAFETY: the barriers are made, and this one has a single phase.
        unsafe { self.values_arrival(nth).wait(0) };
        self.events.stage(stage)
    }

    /// They have arrived.
    #[inline(always)]
    const fn values_arrival(self, nth: u32) -> Event {
        Event::at(self.values.add(nth))
    }
}

impl Halves {
    #[inline(always)]
    const fn at(stage: RowTile) -> Self {
        let first = stage.chunk(0, 0);
        let keys = RowTile::at(first, HALF_TOKENS);
        Self { keys, values: RowTile::at(first.byte_add(HALF_BYTES), TOKENS) }
    }

    /// Where a row of a panel of keys is.
    #[inline(always)]
    const fn keys_panel(self, row: u32, panel: u32) -> SharedPtr<Chunk> {
        self.keys.chunk(row, panel * RowTile::CHUNKS / MappedPlanes::PANELS)
    }
}

// What a small divisor takes, and divides: what comes of a tile.
const _: () = assert!(AttendParams::MAX_STAGES <= 16);
const _: () = assert!(TILE_ROWS * (MAX_TOPK as u32) + MOST_PARTLY_SEEN < 4096);
// Tiles of a swizzle of 128 bytes, and a panel of values for each block of the pair; as many rows as a block has tokens have
// not seen all of two blocks at most.
const _: () = assert!(HALF_BYTES.is_multiple_of(1024) && MappedPlanes::PANELS == BLOCKS);
const _: () = assert!(HALF_TOKENS.is_multiple_of(MappedPlanes::TOKENS) && TILE_ROWS <= TOKENS);
