//! What the operators have to do for a case.

use msa::{BLOCK, Route, Selection};
use msa_tests::generate::{Recipe, Request, overlapping_ids};

use crate::bench::case::Case;

impl Case {
    /// Blocks of each request.
    pub fn blocks(&self) -> usize {
        self.context().div_ceil(BLOCK)
    }

    pub fn rows(&self) -> usize {
        self.batch * self.new_tokens
    }

    /// What neighbouring rows have in common in the lists that attention is measured on: the probability with which a
    /// slot keeps what the row before had there.
    pub fn overlaps(&self) -> &'static [f64] {
        match self.route() {
            Route::Empty | Route::Decode => &[0.0],
            Route::Speculative => &[0.0, 0.5, 0.875],
            Route::Prefill => &[0.0, 0.5, 0.875, 0.98],
        }
    }

    /// Lists with such an overlap, i32 `[kv_heads, rows, topk]`.
    pub fn ids(&self, keep: f64, seed: u64) -> Vec<i32> {
        let recipe = Recipe {
            seed,
            requests: vec![Request::new(self.new_tokens, self.cached); self.batch],
            heads: self.heads.0,
            kv_heads: self.heads.1,
            selection: Selection::MINIMAX_M3,
            ..Recipe::default()
        };
        overlapping_ids(&recipe, keep).data().to_vec()
    }

    /// The position of each row, request after request.
    fn positions(&self) -> impl Iterator<Item = usize> + Clone {
        (0..self.batch).flat_map(|_| self.cached..self.context())
    }

    /// A multiplication and an addition for each dim of each key that a row sees, for each index head.
    pub fn index_flops(&self) -> f64 {
        let keys: usize = self.positions().map(|position| position + 1).sum();
        (2 * msa::HEAD_DIM * self.heads.1 * keys) as f64
    }

    /// Bytes of the index keys, once for each request.
    pub fn index_bytes(&self) -> f64 {
        (self.batch * self.context() * msa::HEAD_DIM * 2) as f64
    }

    /// A multiplication and an addition for each dim of each key of a list that the row sees, and again for the key's
    /// value, for each query head.
    pub fn attend_flops(&self, ids: &[i32]) -> f64 {
        let lists = ids.chunks(Selection::MINIMAX_M3.topk).zip(self.positions().cycle());
        let keys: usize = lists
            .flat_map(|(ids, position)| {
                ids.iter()
                    .filter_map(|&id| usize::try_from(id).ok())
                    .map(move |block| (position + 1 - block * BLOCK).min(BLOCK))
            })
            .sum();
        (4 * msa::HEAD_DIM * self.heads.0 / self.heads.1 * keys) as f64
    }

    /// Bytes of the keys and values of the blocks that a request's rows attend to, once for each request and KV head.
    pub fn attend_bytes(&self, ids: &[i32]) -> f64 {
        let requests = ids.chunks(self.new_tokens * Selection::MINIMAX_M3.topk);
        let blocks: usize = requests
            .map(|ids| {
                let mut ids: Vec<i32> = ids.iter().copied().filter(|&id| id >= 0).collect();
                ids.sort_unstable();
                ids.dedup();
                ids.len()
            })
            .sum();
        (blocks * 2 * BLOCK * msa::HEAD_DIM * 2) as f64
    }
}
