use std::ops::Range;

use msa::gpu::{Kernel, Launch, Params};
use msa::trace::{Tensor, Trace};
use msa::{BLOCK, HEAD_DIM};
use msa_abi::IndexParams;

use crate::oracle;

/// What a launch needs, by the step and the contract alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Least {
    /// Bytes of its operands and results, each once: of the cache what the rows of each request need, once for each
    /// request and KV head. Where the work is split, what the parts leave for the next launch is a result.
    pub bytes: u64,
    /// Those of the cache: keys, or keys and values. 0 for a kernel that reads none.
    pub cache_of_requests: u64,
    /// The same, once for each tile of rows that a block of threads has.
    pub cache_of_tiles: u64,
    /// Bytes of queries that are copied to shared memory as the cache is: attention's, once for each part of the work.
    pub copied_queries: u64,
    /// Floating-point operations of products with keys that a row sees, and with their values: two for each product of
    /// two elements, also where several index heads need no more than the largest.
    pub flops: u64,
    /// Scores of attention: one for each query head and each key that its row sees in its blocks.
    pub scores: u64,
}

/// Bytes of a vector of a head in bfloat16.
const VECTOR: u64 = 2 * HEAD_DIM as u64;

/// Bytes of what a part of a row's blocks leaves of a head for `attend_combine`: a maximum and three sums.
const PARTIAL_SUMS: u64 = 8;

/// And the weighted sum of its values, in f32.
const PARTIAL_VALUES: u64 = 4 * HEAD_DIM as u64;

impl Least {
    /// What reads no cache and multiplies no matrices.
    fn bytes(bytes: u64) -> Self {
        Self {
            bytes,
            cache_of_requests: 0,
            cache_of_tiles: 0,
            copied_queries: 0,
            flops: 0,
            scores: 0,
        }
    }

    /// Of a launch of the indexer.
    ///
    /// # Panics
    /// If it is none.
    pub(super) fn of_indexer(launch: &Launch, trace: &Trace) -> Self {
        let requests = Request::all(trace);
        let [rows, heads, _] =
            oracle::indexer_inputs(trace).index_q.shape().map(|extent| extent as u64);
        let lines = rows * heads;
        let ids = 4 * lines * trace.selection.topk as u64;
        let scores = || 4 * heads * sum(&requests, |request| request.sum(blocks_before));
        let lengths = lengths(&requests);
        match (launch.kernel, launch.params) {
            (Kernel::IndexDecode, Params::Index(_)) => {
                Self::of_scoring(&requests, heads, IndexParams::DECODE_PAIRS, lengths + scores())
            }
            (Kernel::BlockTopk, Params::BlockTopk(_)) => Self::bytes(lengths + scores() + ids),
            (
                kernel @ (Kernel::IndexPrefill
                | Kernel::IndexPrefillHopper
                | Kernel::IndexPrefillBlackwell),
                Params::Index(params),
            ) => {
                let pairs = match kernel {
                    Kernel::IndexPrefillBlackwell => IndexParams::BLACKWELL_PREFILL_PAIRS,
                    Kernel::IndexPrefillHopper => IndexParams::HOPPER_PREFILL_PAIRS,
                    _ => IndexParams::PREFILL_PAIRS,
                };
                // An id, or the key of what a part has selected.
                let result =
                    if params.splits > 1 { 2 * ids * u64::from(params.splits) } else { ids };
                Self::of_scoring(&requests, heads, pairs, lengths + result)
            }
            (Kernel::IndexMerge, Params::Index(params)) => {
                Self::bytes(2 * ids * u64::from(params.splits) + ids)
            }
            (kernel, _) => panic!("{kernel} is not the indexer's"),
        }
    }

    /// Of scores by tiles of some pairs of a row and an index head, with `rest` bytes beside queries and keys.
    fn of_scoring(requests: &[Request], heads: u64, pairs: u32, rest: u64) -> Self {
        let queries = VECTOR * heads * sum(requests, |request| request.new as u64);
        let tables = 4 * sum(requests, |request| blocks_before(request.keys()));
        let of_requests = VECTOR * sum(requests, |request| request.keys() as u64);
        // The last row of a tile sees what all of them see.
        let tile_keys = |request: &Request| -> u64 {
            let all = request.new * heads as usize;
            let lasts =
                (0..all).step_by(pairs as usize).map(|pair| all.min(pair + pairs as usize) - 1);
            lasts.map(|last| (request.cached + last / heads as usize + 1) as u64).sum()
        };
        Self {
            bytes: rest + queries + tables + of_requests,
            cache_of_requests: of_requests,
            cache_of_tiles: VECTOR * sum(requests, tile_keys),
            copied_queries: 0,
            flops: 2
                * HEAD_DIM as u64
                * heads
                * sum(requests, |request| request.sum(|end| end as u64)),
            scores: 0,
        }
    }

    /// Of a launch of attention to the blocks of these lists.
    ///
    /// # Panics
    /// If it is none.
    pub(super) fn of_attention(launch: &Launch, trace: &Trace, ids: &Tensor<i32, 3>) -> Self {
        let Params::Attend(params) = launch.params else {
            panic!("{} is not attention's", launch.kernel);
        };
        let requests = Request::all(trace);
        let [rows, heads, _] = trace.q.shape();
        let [kv_heads, _, topk] = ids.shape();
        let (group, slots) = ((heads / kv_heads) as u64, (kv_heads * rows * topk) as u64);
        let lists = Lists { ids, requests: &requests };

        let results = (rows * heads) as u64 * (VECTOR + 4);
        let found = lists.sum(1, |lists| lists.listed());
        let partials = group * (slots * PARTIAL_SUMS + found * PARTIAL_VALUES);
        if launch.kernel == Kernel::AttendCombine {
            return Self::bytes(partials + results);
        }
        let all = trace.q.shape()[0].max(1);
        let keys_and_values = |tile_rows| 2 * VECTOR * lists.sum(tile_rows, |lists| lists.keys());
        let of_requests = keys_and_values(all);
        let tables = 4 * lists.sum(all, |lists| lists.blocks().len() as u64);
        let queries = (rows * heads) as u64 * VECTOR;
        let leaves_partials = launch.kernel == Kernel::AttendDecode && params.splits > 1;
        let result = if leaves_partials { partials } else { results };
        let scores = group * lists.sum(1, |lists| lists.keys());
        Self {
            bytes: lengths(&requests) + 4 * slots + tables + queries + of_requests + result,
            cache_of_requests: of_requests,
            cache_of_tiles: keys_and_values(params.tile_rows as usize),
            copied_queries: u64::from(params.splits) * queries,
            flops: 4 * HEAD_DIM as u64 * scores,
            scores,
        }
    }
}

/// Bytes of row offsets and cache lengths.
fn lengths(requests: &[Request]) -> u64 {
    4 * (2 * requests.len() as u64 + 1)
}

fn sum(requests: &[Request], of: impl Fn(&Request) -> u64) -> u64 {
    requests.iter().map(of).sum()
}

/// Blocks that begin before a position.
fn blocks_before(end: usize) -> u64 {
    end.div_ceil(BLOCK) as u64
}

/// A request that has rows.
struct Request {
    first_row: usize,
    new: usize,
    cached: usize,
}

impl Request {
    fn all(trace: &Trace) -> Vec<Self> {
        let bounds = trace.row_offsets.windows(2).zip(&trace.cache_lengths);
        let requests = bounds.map(|(bounds, cached)| Self {
            first_row: bounds[0] as usize,
            new: (bounds[1] - bounds[0]) as usize,
            cached: *cached as usize,
        });
        requests.filter(|request| request.new > 0).collect()
    }

    fn keys(&self) -> usize {
        self.cached + self.new
    }

    /// Of each of its rows what follows from the keys that it sees.
    fn sum(&self, of: impl Fn(usize) -> u64) -> u64 {
        (0..self.new).map(|nth| of(self.cached + nth + 1)).sum()
    }
}

/// The lists of a step's rows.
struct Lists<'a> {
    ids: &'a Tensor<i32, 3>,
    requests: &'a [Request],
}

impl Lists<'_> {
    /// Of each KV head and each tile of `tile_rows` rows of a request what follows from its lists.
    fn sum(&self, tile_rows: usize, of: impl Fn(TileLists) -> u64) -> u64 {
        let [kv_heads, rows, topk] = self.ids.shape();
        let mut total = 0;
        for head in 0..kv_heads {
            for request in self.requests {
                for first in (0..request.new).step_by(tile_rows) {
                    let len = tile_rows.min(request.new - first);
                    let start = (head * rows + request.first_row + first) * topk;
                    let ids = &self.ids.data()[start..][..len * topk];
                    let end = request.cached + first + 1;
                    total += of(TileLists { ids, topk, ends: end..end + len });
                }
            }
        }
        total
    }
}

/// The lists of a tile's rows for one KV head.
struct TileLists<'a> {
    ids: &'a [i32],
    topk: usize,
    /// How many keys each row sees.
    ends: Range<usize>,
}

impl TileLists<'_> {
    /// The blocks in them, each as often as it is listed by a row that sees a key of it.
    fn seen(&self) -> impl Iterator<Item = usize> {
        let rows = self.ids.chunks(self.topk).zip(self.ends.clone());
        rows.flat_map(|(list, end)| {
            let blocks = list.iter().filter_map(|id| usize::try_from(*id).ok());
            blocks.filter(move |block| block * BLOCK < end)
        })
    }

    fn listed(&self) -> u64 {
        self.seen().count() as u64
    }

    /// The blocks in them, each once.
    fn blocks(&self) -> Vec<usize> {
        let mut blocks: Vec<usize> = self.seen().collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    /// Keys of those blocks that the last row sees.
    fn keys(&self) -> u64 {
        let keys = |block: usize| (self.ends.end - 1 - block * BLOCK).min(BLOCK) as u64;
        self.blocks().into_iter().map(keys).sum()
    }
}
