//! Steps made up from a seed, hostile wherever the contract allows it.
//!
//! Pages lie in any order, differently in the two caches; table entries past a request's last block
//! lead astray; and all memory that must not reach a result (past a request's last key, other layers,
//! pages of nobody) holds NaN, infinities and 1e4. The same recipe gives the same step on every machine.

use half::bf16;
use msa::trace::{BlockIds, IndexerInputs, Tensor, Trace};
use msa::{BLOCK, HEAD_DIM, Selection};
use rand::seq::SliceRandom;
use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::oracle;

/// What a step is made from.
///
/// The default is one decode step of MiniMax-M3 on one of four GPUs: 16 query heads, 1 KV head, one
/// request with 4096 cached keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Where all random numbers start.
    pub seed: u64,
    /// The batch.
    pub requests: Vec<Request>,
    /// Query heads.
    pub heads: usize,
    /// KV heads, and as many index heads.
    pub kv_heads: usize,
    /// Layers in both caches.
    pub layers: usize,
    /// The one that the step is about; the others hold poison.
    pub layer_idx: u32,
    /// How blocks are selected.
    pub selection: Selection,
    /// What queries, keys and values look like.
    pub values: Values,
    /// Leading blocks whose pages all requests share that have them filled.
    pub shared_blocks: usize,
    /// Pages of the main cache that hold nobody's block; the index cache has twice as many.
    pub spare_pages: usize,
}

/// One request of the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Rows that it owns in this step, perhaps none.
    pub new_tokens: usize,
    /// Keys cached before this step.
    pub cached: usize,
}

/// What queries, keys and values look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Close to normally distributed, mean 0, variance 1.
    Normal,
    /// Integers from -2 to 2: every score is exact in f32, and many scores tie.
    SmallIntegers,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            seed: 0,
            requests: vec![Request { new_tokens: 1, cached: 4096 }],
            heads: 16,
            kv_heads: 1,
            layers: 1,
            layer_idx: 0,
            selection: Selection::MINIMAX_M3,
            values: Values::Normal,
            shared_blocks: 0,
            spare_pages: 2,
        }
    }
}

impl Recipe {
    /// MiniMax-M3's scale, 128^-0.5, for both operators.
    pub const SCALE: f32 = std::f32::consts::FRAC_1_SQRT_2 / 8.0;

    /// Makes the step, without expected values.
    ///
    /// # Panics
    /// If the recipe asks for lengths that do not fit the contract's types.
    pub fn trace(&self) -> Trace {
        let rows = self.requests.iter().map(|request| request.new_tokens).sum();
        let index = self.placement(Stream::IndexPlacement, 2 * self.spare_pages);
        let main = self.placement(Stream::MainPlacement, self.spare_pages);
        let indexer = IndexerInputs {
            index_q: self.queries(Stream::IndexQ, rows, self.kv_heads),
            index_k_pages: self.pages(Stream::IndexPages, &index, 1, 1),
            index_page_table: index.table,
            index_scale: Self::SCALE,
        };
        Trace {
            row_offsets: self.row_offsets(),
            cache_lengths: self.requests.iter().map(|request| narrow(request.cached)).collect(),
            q: self.queries(Stream::Q, rows, self.heads),
            kv_pages: self.pages(Stream::MainPages, &main, 2, self.kv_heads),
            kv_page_table: main.table,
            layer_idx: self.layer_idx,
            scale: Self::SCALE,
            selection: self.selection,
            block_ids: BlockIds::Indexer(indexer),
            exact_scores: self.values == Values::SmallIntegers,
            expected: None,
        }
    }

    fn row_offsets(&self) -> Vec<u32> {
        let ends = self.requests.iter().scan(0, |rows, request| {
            *rows += request.new_tokens;
            Some(narrow(*rows))
        });
        std::iter::once(0).chain(ends).collect()
    }

    /// Distributes the requests' blocks over a cache's pages.
    fn placement(&self, stream: Stream, spare: usize) -> Placement {
        let mut filled = Vec::new();
        let mut shared: Vec<Option<usize>> = vec![None; self.shared_blocks];
        let mut new_page = |keys: usize| {
            filled.push(keys);
            filled.len() - 1
        };
        let requests: Vec<Vec<usize>> = self
            .requests
            .iter()
            .map(|request| {
                let page_of_block = |block: usize| match shared.get_mut(block) {
                    Some(page) if (block + 1) * BLOCK <= request.cached => {
                        *page.get_or_insert_with(|| new_page(BLOCK))
                    }
                    _ => new_page((request.keys() - block * BLOCK).min(BLOCK)),
                };
                (0..request.followed_blocks()).map(page_of_block).collect()
            })
            .collect();

        let pages = filled.len() + spare;
        let mut order: Vec<usize> = (0..pages).collect();
        order.shuffle(&mut self.rng(stream, 0));

        // Two columns more than any request needs.
        let width = 2 + self.requests.iter().map(|request| request.blocks()).max().unwrap_or(0);
        let garbage = [u32::MAX, narrow(pages), 0, i32::MAX as u32];
        let table = requests.iter().flat_map(|blocks| {
            (0..width).map(|column| match blocks.get(column) {
                Some(&page) => narrow(order[page]),
                None => garbage[column % garbage.len()],
            })
        });
        let table = Tensor::new([requests.len(), width], table.collect());
        let mut keys = vec![0; pages];
        for (page, filled) in filled.into_iter().enumerate() {
            keys[order[page]] = filled;
        }
        Placement { table, keys }
    }

    /// bf16 `[pages, planes, layers, 128, heads, 128]`
    fn pages(
        &self,
        stream: Stream,
        placement: &Placement,
        planes: usize,
        heads: usize,
    ) -> Tensor<bf16, 6> {
        let pages = placement.keys.len();
        let mut tensor =
            Tensor::filled(bf16::ZERO, [pages, planes, self.layers, BLOCK, heads, HEAD_DIM]);
        let page_len = planes * self.layers * BLOCK * heads * HEAD_DIM;
        let chunks = tensor.data_mut().par_chunks_mut(page_len).zip(&placement.keys).enumerate();
        chunks.for_each(|(page, (elements, &keys))| {
            let mut rng = self.rng(stream, page);
            let vectors = elements.chunks_mut(heads * HEAD_DIM).enumerate();
            for (index, vector) in vectors {
                let (layer, token) = (index / BLOCK % self.layers, index % BLOCK);
                if layer == self.layer_idx as usize && token < keys {
                    self.values.fill(&mut rng, vector);
                } else {
                    vector.fill(poison(token));
                }
            }
        });
        tensor
    }

    /// bf16 `[rows, heads, 128]`
    fn queries(&self, stream: Stream, rows: usize, heads: usize) -> Tensor<bf16, 3> {
        let mut tensor = Tensor::filled(bf16::ZERO, [rows, heads, HEAD_DIM]);
        self.values.fill(&mut self.rng(stream, 0), tensor.data_mut());
        tensor
    }

    /// The random numbers of one part of a tensor: parts are filled in any order.
    fn rng(&self, stream: Stream, part: usize) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream((stream as u64) << 32 | part as u64);
        rng
    }
}

impl Request {
    /// A request with some new tokens after some cached ones.
    pub fn new(new_tokens: usize, cached: usize) -> Self {
        Self { new_tokens, cached }
    }

    /// Its keys once the step's own are written.
    fn keys(&self) -> usize {
        self.cached + self.new_tokens
    }

    fn blocks(&self) -> usize {
        self.keys().div_ceil(BLOCK)
    }

    /// Blocks that any of its rows may see.
    fn followed_blocks(&self) -> usize {
        if self.new_tokens == 0 { 0 } else { self.blocks() }
    }
}

impl Values {
    fn fill(self, rng: &mut impl RngCore, elements: &mut [bf16]) {
        /// Mean and standard deviation of the sum of eight bytes.
        const BYTES: (f32, f32) = (1020.0, 209.023);
        const INTEGERS: [f32; 8] = [-2.0, -1.0, -1.0, 0.0, 0.0, 1.0, 1.0, 2.0];
        for element in elements {
            let bits = rng.next_u64();
            *element = bf16::from_f32(match self {
                Self::Normal => {
                    let sum: u32 = bits.to_ne_bytes().into_iter().map(u32::from).sum();
                    (sum as f32 - BYTES.0) / BYTES.1
                }
                Self::SmallIntegers => INTEGERS[bits as usize % INTEGERS.len()],
            });
        }
    }
}

/// What each random number is for.
#[derive(Clone, Copy)]
enum Stream {
    Q,
    IndexQ,
    MainPlacement,
    IndexPlacement,
    MainPages,
    IndexPages,
}

/// Where a cache keeps the requests' blocks.
struct Placement {
    /// u32 `[batch, width]`: logical block -> physical page
    table: Tensor<u32, 2>,
    /// `[pages]`: keys that each page holds
    keys: Vec<usize>,
}

/// What a token's vector holds where nothing may read it. A tail of five tokens has every kind: NaN
/// alone would not do, as the indexer passes NaN over.
fn poison(token: usize) -> bf16 {
    let kinds = [bf16::NAN, bf16::from_f32(1e4), bf16::INFINITY, bf16::from_f32(-1e4)];
    *kinds.get(token % 5).unwrap_or(&bf16::NEG_INFINITY)
}

/// Lists of block ids that an engine might hand over, i32 `[kv_heads, rows, topk]`: ids of any block of
/// the request, those past a row's horizon too, among -1, ids past the last block, the extremes of i32
/// and duplicates. One list in eight has nothing but -1.
pub fn hostile_ids(trace: &Trace, seed: u64) -> Tensor<i32, 3> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (rows, kv_heads) = (trace.q.shape()[0], trace.kv_pages.shape()[4]);
    let mut ids = Tensor::filled(-1, [kv_heads, rows, trace.selection.topk]);
    let mut lists = ids.data_mut().chunks_mut(trace.selection.topk);
    for _ in 0..kv_heads {
        for (bounds, &cached) in trace.row_offsets.windows(2).zip(&trace.cache_lengths) {
            let blocks = (cached + bounds[1] - bounds[0]).div_ceil(narrow(BLOCK)) as i32;
            for list in lists.by_ref().take((bounds[1] - bounds[0]) as usize) {
                if rng.random_ratio(1, 8) {
                    continue;
                }
                let mut last = -1;
                for id in list {
                    *id = match rng.random_range(0..8) {
                        0 => -1,
                        1 => [i32::MIN, i32::MAX][rng.random_range(0..2_u32) as usize],
                        2 => blocks,
                        3 => last,
                        _ => rng.random_range(0..blocks),
                    };
                    last = *id;
                }
            }
        }
    }
    ids
}

/// Lists of block ids of which neighbouring rows have many in common, i32 `[kv_heads, rows, topk]`. Each row has its
/// own block, and in each other slot the block that the row before had there, with probability `keep`; else one that
/// it sees, at random. A slot draws from its own residue class of ids, so that there are no duplicates, and has -1
/// where that class has none before the row's own block.
///
/// # Panics
/// If `keep` is no probability.
pub fn overlapping_ids(recipe: &Recipe, keep: f64) -> Tensor<i32, 3> {
    let mut rng = ChaCha8Rng::seed_from_u64(recipe.seed);
    let free_slots = recipe.selection.topk - 1;
    let rows = recipe.requests.iter().map(|request| request.new_tokens).sum();
    let mut ids = Tensor::filled(-1, [recipe.kv_heads, rows, free_slots + 1]);
    let mut lists = ids.data_mut().chunks_mut(free_slots + 1);
    for _ in 0..recipe.kv_heads {
        for request in &recipe.requests {
            let mut free = vec![-1; free_slots];
            for (position, list) in (request.cached..request.keys()).zip(lists.by_ref()) {
                let own = position / BLOCK;
                for (class, id) in free.iter_mut().enumerate().take(own) {
                    if *id < 0 || !rng.random_bool(keep) {
                        let choices = (own - class).div_ceil(free_slots);
                        *id = (class + free_slots * rng.random_range(0..choices)) as i32;
                    }
                }
                list[0] = own as i32;
                list[1..].copy_from_slice(&free);
            }
        }
    }
    ids
}

/// The same step with what the oracle says it must give.
///
/// # Panics
/// If the trace holds operands that an operator refuses.
pub fn with_expected(mut trace: Trace) -> Trace {
    trace.expected = Some(oracle::expected(&trace));
    trace
}

fn narrow(length: usize) -> u32 {
    u32::try_from(length).expect("a length of at most 2^32 - 1")
}
