use core::array::from_fn;

use cuda_std::prelude::*;
use msa_abi::{AttendParams, BLOCK, CacheParams, MAX_TOPK};

use crate::request::{Request, keys_before};

/// The blocks that a row has chosen, in the registers of a warp: a place of each 32 for each lane. Where an id is that of no
/// block, or of one that the row sees no key of, the place is empty.
#[derive(Clone, Copy)]
pub(super) struct RowList {
    entries: [Block; PER_LANE],
    places: u32,
}

/// A block of a list, or none.
#[derive(Clone, Copy)]
pub(super) struct Block {
    id: u32,
    pub(super) page: u32,
}

/// Places that a lane has.
const PER_LANE: usize = MAX_TOPK / warp::WARP_SIZE as usize;

impl Block {
    /// None; its id comes after every other.
    const NONE: Self = Self { id: u32::MAX, page: 0 };

    /// Whether there is one.
    #[inline(always)]
    const fn is_some(self) -> bool {
        self.id != Self::NONE.id
    }

    /// How many of a request's first `keys` keys are in it.
    #[inline(always)]
    pub(super) const fn keys_of(self, keys: u32) -> u32 {
        if self.is_some() { keys_before(keys, self.id) } else { 0 }
    }
}

impl RowList {
    /// A warp: the list of a row of the batch, as it was given, its pages not known yet.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, and the batch has the row.
    #[inline(always)]
    pub(super) unsafe fn ids(params: &AttendParams, row: u32, kv_head: u32) -> Self {
        let line =
            u64::from(kv_head) * params.ids_head_stride + u64::from(row) * params.ids_row_stride;
        let given = GlobalPtr::<i32>::from_address(params.block_ids.address()).add(line);
        // SAFETY: the caller vouches for the operands.
        let entries = from_fn(|part| unsafe {
            if place(part) < params.topk {
                let id = given.add(u64::from(place(part))).read_constant();
                Block { id: id.cast_unsigned(), page: 0 }
            } else {
                Block::NONE
            }
        });
        Self { entries, places: params.topk }
    }

    /// A warp: reads the pages, and empties the places of ids that are no block's, or of one that the row at this position
    /// sees no key of.
    ///
    /// # Safety
    ///
    /// As [`ids`](Self::ids), whose list it is.
    #[inline(always)]
    pub(super) unsafe fn with_pages(
        self,
        cache: &CacheParams,
        request: Request,
        position: u32,
    ) -> Self {
        let table = GlobalPtr::<u32>::from_address(cache.table.address());
        let table = table.add(u64::from(request.index) * cache.table_stride);
        let last = (position / BLOCK as u32).min(cache.table_width - 1);
        // SAFETY: the caller vouches for the operands.
        let entries = from_fn(|part| unsafe {
            let id = self.entries[part].id;
            // As a number without sign a negative one is past every block.
            match id <= last {
                true => Block { id, page: table.add(u64::from(id)).read_constant() },
                false => Block::NONE,
            }
        });
        Self { entries, ..self }
    }

    /// A warp: how many blocks there are.
    ///
    /// # Safety
    ///
    /// All lanes come together.
    #[inline(always)]
    pub(super) unsafe fn len(&self) -> u32 {
        // SAFETY: the caller brings all lanes together.
        unsafe { self.count(|_, id| id != Block::NONE.id) }
    }

    /// A warp: where the block of a place is once the list is sorted by ids, and what is empty left out: so that the result
    /// does not depend on the order in which the list came. A block that stands in it twice stays twice.
    ///
    /// # Safety
    ///
    /// All lanes come together, and the list has the place. Empty ones come after all others.
    #[inline(always)]
    pub(super) unsafe fn slot(&self, place: u32) -> u32 {
        // SAFETY: the caller brings all lanes together.
        unsafe {
            let own = self.id(place);
            self.count(|other, its| its < own || its == own && other < place)
        }
    }

    /// A warp: in how many places there is such an id.
    ///
    /// # Safety
    ///
    /// All lanes come together.
    #[inline(always)]
    unsafe fn count(&self, is_counted: impl Fn(u32, u32) -> bool) -> u32 {
        let mut count = 0;
        for (part, entry) in self.entries.iter().enumerate() {
            // SAFETY: the caller brings all lanes together.
            let counted =
                unsafe { warp::warp_vote_ballot(u32::MAX, is_counted(place(part), entry.id)) };
            count += counted.count_ones();
        }
        count
    }

    /// A warp: the same list, sorted, and its length.
    ///
    /// # Safety
    ///
    /// All lanes come together.
    #[inline(always)]
    pub(super) unsafe fn sorted(&self) -> (Self, u32) {
        let mut sorted = Self { entries: [Block::NONE; PER_LANE], places: self.places };
        // SAFETY: the caller brings all lanes together.
        unsafe {
            for from in 0..self.places {
                let block = self.block(from);
                let slot = self.slot(from);
                for (part, entry) in sorted.entries.iter_mut().enumerate() {
                    if slot == place(part) {
                        *entry = block;
                    }
                }
            }
            (sorted, self.len())
        }
    }

    /// A warp: what is in a place.
    ///
    /// # Safety
    ///
    /// All lanes come together, and the list has the place.
    #[inline(always)]
    pub(super) unsafe fn block(&self, place: u32) -> Block {
        // SAFETY: the caller's promise.
        unsafe {
            Block { id: self.id(place), page: of_place(place, |part| self.entries[part].page) }
        }
    }

    /// # Safety
    ///
    /// As [`block`](Self::block).
    #[inline(always)]
    unsafe fn id(&self, place: u32) -> u32 {
        // SAFETY: the caller's promise.
        unsafe { of_place(place, |part| self.entries[part].id) }
    }
}

/// A lane's place of each 32.
#[inline(always)]
fn place(part: usize) -> u32 {
    part as u32 * warp::WARP_SIZE + warp::lane_id()
}

/// A warp: what the lane has there whose place it is, in that part.
///
/// # Safety
///
/// All lanes come together.
#[inline(always)]
unsafe fn of_place(place: u32, value: impl Fn(usize) -> u32) -> u32 {
    let own = if place < warp::WARP_SIZE { value(0) } else { value(1) };
    // SAFETY: the caller brings all lanes together.
    unsafe { warp::warp_shuffle_idx(u32::MAX, own, place % warp::WARP_SIZE, warp::WARP_SIZE).0 }
}

const _: () = assert!(PER_LANE == 2);
