use core::array::from_fn;

use cuda_std::prelude::*;
use cuda_std::ptr::ClusterPtr;
use cuda_std::ptx;
use msa_abi::{AttendParams, HEAD_DIM};

use super::found::Found;
use super::shared_plan::SharedPlan;
use crate::attended::Attended;
use crate::fragment::Part;
use crate::queries::HEADS;
use crate::softmax::Sums;

/// What the blocks of threads of a cluster find, each in a part of a row's list, and its slots once it is sorted.
///
/// The weighted sums of a slot are [`PAIRS`] of two dims. A block of threads has as many of these of all slots in its shared
/// memory as the next, where the others put them, and all sums of weights.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    /// f32 `[slots][PAIRS / count]`: weighted sums of two dims
    values: SharedPtr<[f32; 2]>,
    /// `[slots][HEADS]`
    sums: SharedPtr<Sums>,
    /// Its phase takes all of the former, and one arrival.
    are_put: SharedPtr<u64>,
    /// Parts: blocks of the cluster.
    count: u32,
    /// Pairs that a block of threads has: the first block has the first of them.
    own: u32,
}

/// Pairs of dims of all heads: `[half of a fragment of a product][8 dims of a warp's][thread]`.
const PAIRS: u32 = HEADS * HEAD_DIM as u32 / 2;

/// Slots whose sums and values are read at a time.
const AT_ONCE: usize = 8;

impl Parts {
    /// One thread of the block: makes what tells that all parts are put. A barrier of the cluster has to come before they
    /// are.
    ///
    /// # Safety
    ///
    /// Nobody else touches its place before that.
    #[inline(always)]
    pub(super) unsafe fn init(plan: SharedPlan) {
        // SAFETY: the caller's promise.
        unsafe { ptx::mbarrier_init(plan.parts_are_put.address(), 1) };
        ptx::fence_mbarrier_init();
    }

    /// The parts of a cluster of `count` blocks, a power of two up to 16.
    #[inline(always)]
    pub(super) fn new(plan: SharedPlan, count: u32) -> Self {
        let own = PAIRS >> count.trailing_zeros();
        let are_put = plan.parts_are_put;
        Self { values: plan.part_values, sums: plan.part_sums, are_put, count, own }
    }

    /// One thread of the block: says how many slots there are.
    ///
    /// # Safety
    ///
    /// That is made, and no other thread says so.
    #[inline(always)]
    pub(super) unsafe fn expect(self, slots: u32) {
        let bytes = self.own * size_of::<[f32; 2]>() as u32 + HEADS * size_of::<Sums>() as u32;
        // SAFETY: the caller's promise.
        unsafe { ptx::mbarrier_arrive_expect_tx(self.are_put.address(), slots * bytes) };
    }

    /// One thread: waits until all parts are put.
    ///
    /// # Safety
    ///
    /// A thread of the block has said or will say how many ([`expect`](Self::expect)).
    #[inline(always)]
    pub(super) unsafe fn wait(self) {
        // SAFETY: the caller's promise; it has one phase.
        while !unsafe { ptx::mbarrier_try_wait_parity(self.are_put.address(), 0) } {}
    }

    /// All threads of the block: gives what they found in a slot to the blocks that join it.
    ///
    /// # Safety
    ///
    /// Nobody else puts something in the slot. All blocks of the cluster have made what tells that parts are put, and none
    /// exits before that has told it.
    #[inline(always)]
    pub(super) unsafe fn put(self, slot: u32, found: &Found) {
        let (thread, part) = (thread::thread_idx_x(), Part::of_lane());
        for half in 0..2 {
            for (tile, values) in (0..).zip(&found.values) {
                let pair = (4 * half as u32 + tile) * AttendParams::THREADS + thread;
                let rank = pair * self.count / PAIRS;
                let place = slot * self.own + pair - rank * self.own;
                // SAFETY: the caller's promise; each thread has its own pairs of the slot.
                unsafe {
                    let to = ClusterPtr::of_block(self.values.add(place), rank);
                    let are_put = ClusterPtr::of_block(self.are_put, rank);
                    to.write_counted([values[2 * half], values[2 * half + 1]], are_put);
                }
            }
        }
        // Each warp has the sums, and gives them to some of the blocks.
        let mut rank = thread / warp::WARP_SIZE;
        while rank < self.count {
            if part.is_first() {
                for (half, sums) in found.sums.iter().enumerate() {
                    let head = part.row + 8 * half as u32;
                    // SAFETY: as above, and of each warp one lane has each head.
                    unsafe {
                        let to = ClusterPtr::of_block(self.sums.add(slot * HEADS + head), rank);
                        to.write_counted(*sums, ClusterPtr::of_block(self.are_put, rank));
                    }
                }
            }
            rank += AttendParams::THREADS / warp::WARP_SIZE;
        }
    }

    /// All threads of the block: joins what was put in the first `slots` slots, in their order, in the pairs that are this block's, and writes
    /// the row's results there.
    ///
    /// # Safety
    ///
    /// All parts are put ([`wait`](Self::wait)), which is something in each of the slots. The row and its heads are the cluster's.
    #[inline(always)]
    pub(super) unsafe fn join_all(
        self,
        slots: u32,
        rank: u32,
        attended: Attended,
        row: u32,
        first_head: u32,
        group: u32,
    ) {
        let part = Part::of_lane();
        let mut nth = thread::thread_idx_x();
        while nth < self.own {
            // Lanes have the pairs of their numbers, whatever the count.
            let pair = rank * self.own + nth;
            let (fragment, thread) = (pair / AttendParams::THREADS, pair % AttendParams::THREADS);
            let (half, tile, warp) = (fragment / 4, fragment % 4, thread / warp::WARP_SIZE);
            let head = part.row + 8 * half;
            if head < group {
                let line = attended.line(row, first_head + head);
                // SAFETY: the caller's promise; each thread has its own pairs, and one of them the sums.
                unsafe {
                    let (sums, values) = self.joined(slots, head, nth);
                    line.write(32 * warp + 8 * tile + part.column, values, sums);
                    if tile == 0 && warp == 0 && part.is_first() {
                        line.write_lse(sums);
                    }
                }
            }
            nth += AttendParams::THREADS;
        }
    }

    /// One thread: the sums of a head, and the `nth` pair here of weighted sums, of all slots.
    ///
    /// # Safety
    ///
    /// As [`join_all`](Self::join_all).
    #[inline(always)]
    unsafe fn joined(self, slots: u32, head: u32, nth: u32) -> (Sums, [f32; 2]) {
        let (mut sums, mut values) = (Sums::NONE, [0.0; 2]);
        let mut first = 0;
        while first < slots {
            // SAFETY: the caller's promise.
            let found: [(Sums, [f32; 2]); AT_ONCE] = from_fn(|at| unsafe {
                // Of the last where there are no more: what is read then is left out.
                let slot = (first + at as u32).min(slots - 1);
                let values = self.values.add(slot * self.own + nth);
                (self.sums.add(slot * HEADS + head).read(), values.read())
            });
            // Without a branch, so that powers of one join are taken while another waits for its.
            for (at, (its, added)) in (0..).zip(&found) {
                let (joined, scales) = sums.join(*its);
                let with_it: [f32; 2] = from_fn(|dim| scales.join(values[dim], added[dim]));
                (sums, values) =
                    if first + at < slots { (joined, with_it) } else { (sums, values) };
            }
            first += AT_ONCE as u32;
        }
        (sums, values)
    }
}

const _: () = {
    assert!(PAIRS == 8 * AttendParams::THREADS);
    assert!(PAIRS * size_of::<[f32; 2]>() as u32 == AttendParams::PART_VALUE_BYTES);
    assert!(HEADS * size_of::<Sums>() as u32 == AttendParams::PART_SUM_BYTES);
};
