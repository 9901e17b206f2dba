use core::array::from_fn;

use cuda_std::prelude::*;
use msa_abi::BlockTopkParams;

use crate::select::{Forced, Key, Keys, ScoreRank};

/// Scores that a thread reads before it waits for the first of them.
const AT_ONCE: usize = BlockTopkParams::SCORES_AT_ONCE as usize;

/// A row's keys in the block's dynamic shared memory, where each thread has its own: nobody else reads
/// them, so they need no barrier.
///
/// A thread takes every `threads`-th block, so that a warp reads neighbouring scores; it keeps the ranks
/// of [`AT_ONCE`] of them together, so that one instruction moves them. The ids follow from the place.
#[derive(Clone, Copy)]
pub(super) struct RowKeys {
    ranks: SharedPtr<[ScoreRank; AT_ONCE]>,
    blocks: u32,
    thread: u32,
    threads: u32,
}

impl RowKeys {
    /// All threads of the block: ranks the scores of the `line`-th row, counted through all index heads.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, and the line is one of theirs. It has `blocks` blocks, one at least and
    /// no more than `params.max_blocks`.
    #[inline(always)]
    pub(super) unsafe fn load(
        params: &BlockTopkParams,
        line: u64,
        blocks: u32,
        forced: Forced,
    ) -> Self {
        let scores = GlobalPtr::<f32>::from_address(params.scores.address());
        let scores = scores.add(line * u64::from(params.score_stride));
        let keys = Self {
            ranks: shared::dynamic_shared(),
            blocks,
            thread: thread::thread_idx_x(),
            threads: thread::block_dim_x(),
        };
        keys.for_each_group(|place, ids| {
            // Without a branch, all loads are on their way before the first is used.
            // SAFETY: the index is below `blocks`.
            let raw = ids.map(|id| unsafe { scores.add(u64::from(id.min(blocks - 1))).read() });
            let ranks = from_fn(|nth| {
                let id = ids[nth];
                let rank = ScoreRank::of(forced.score(id, raw[nth]));
                if id < blocks { rank } else { ScoreRank::NEVER }
            });
            // SAFETY: the place is this thread's.
            unsafe { place.write(ranks) };
        });
        keys
    }

    /// One thread: calls `visit` with the place and the ids of each group of its keys. The last ids may
    /// be past the row's end.
    #[inline(always)]
    fn for_each_group(self, visit: impl Fn(SharedPtr<[ScoreRank; AT_ONCE]>, [u32; AT_ONCE])) {
        let mut place = self.ranks.add(self.thread);
        let mut first = self.thread;
        while first < self.blocks {
            visit(place, from_fn(|nth| first + nth as u32 * self.threads));
            place = place.add(self.threads);
            first += AT_ONCE as u32 * self.threads;
        }
    }
}

impl Keys for RowKeys {
    #[inline]
    fn for_each(self, visit: impl Fn(Key)) {
        self.for_each_group(|place, ids| {
            // SAFETY: the place is this thread's, and `load` wrote it.
            let ranks = unsafe { place.read() };
            for (rank, id) in ranks.into_iter().zip(ids) {
                if rank.is_selectable() {
                    visit(Key::new(rank, id));
                }
            }
        });
    }
}
