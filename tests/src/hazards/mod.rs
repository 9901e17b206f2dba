//! Steps that an operator can get wrong in one particular way, each with a name.
//!
//! Any kernel of this kind has met some of them: the numbers are those of a list of the cases that others' tests and
//! fixes of these two operators are about. Every one is run on every backend, by the CPU's suite and by the GPU's. All
//! of them are judged by the oracle, start with results full of stale values, and lie in what [`generate`] makes:
//! shuffled pages, tables that lead astray, poison wherever nobody may look.
//!
//! [`generate`]: crate::generate
//!
//! | | hazard | where |
//! | --- | --- | --- |
//! | 1 | large numbers behind the last key, in K and in V, of one sign | `tails_of_large_numbers`, `tails_of_nan`, `tails_of_infinity` |
//! | 2 | lengths that are no multiple of a block, and those that are | `lengths_about_a_block` |
//! | 3 | pages in any order, each request's its own, differently in the two caches | `pages_in_no_order` |
//! | 4 | results that nobody writes | every hazard: [`run`](crate::run) fills them with stale values first |
//! | 5 | NaN and infinities in results | every hazard: [`check`](crate::check) knows where they must be |
//! | 6 | a block that is listed twice | `a_block_listed_twice` |
//! | 7 | the partial block at any place of a list | `the_partial_block_anywhere` |
//! | 8 | contexts of fewer blocks than a list has ids | `short_contexts`, `gaps_in_lists` |
//! | 9 | a row that selects nothing | `a_row_without_a_block` |
//! | 10 | blocks that many rows share, with ragged ends | `rows_that_share_blocks` |
//! | 11 | a plausible number behind the last key | `tails_of_a_plausible_number` |
//! | 12 | a large key just past a row's own | `larger_keys_in_later_rows`, `no_numbers_in_a_later_value`, `infinite_keys_in_later_rows`, `no_numbers_in_later_keys` |
//! | 13 | a long prefix, of more blocks than a block has threads | `a_long_prefix` |
//! | 14 | more ids than blocks, a single block | `fewer_blocks_than_ids` |
//! | 15 | scores that tie, are infinite or are no numbers | `equal_scores`, `ties_where_the_list_ends`, `scores_of_minus_infinity`, `scores_of_nan`, `scores_of_every_kind` |
//! | 16 | the element before a row's first score | the simulator: it is out of bounds, or has not been written |
//! | 17 | forced blocks of the lowest score win, others of score 0 lose | `forced_blocks_score_nothing` |
//! | 18 | blocks that are initial and local | `initial_blocks_are_local` |
//! | 19 | ids that were left from before | every hazard, as 4 |
//! | 20, 23 | the same step again, into other buffers | `tests/suite/bits.rs`, `gpu/tests/bits.rs` |
//! | 21 | a selection that depends on the number of threads | `tests/kernels/block_topk.rs` |
//! | 22 | a result that depends on the neighbours in the batch | `tests/suite/bits.rs`, `gpu/tests/bits.rs` |
//! | 24 | every number of drafts | `every_number_of_drafts` |
//! | 25 | prefill and decode in one batch | `decode_among_prefill` |
//! | 26, 27 | a bucket for longer contexts, and entries of its tables that are not in use | `tables_wider_than_needed`, `gpu/tests/graph.rs` |
//! | 28 | a page table of scales | no cache here is quantised |
//! | 29 | an empty batch | `nothing_to_do` |
//! | 30 | a kernel that did nothing | every hazard, as 4 |
//! | 31 | parts of the work that have none | `parts_without_a_block`; each number of parts: `tests/kernels/attend_decode.rs` |
//! | 32 | a step that fills its last block | `the_step_fills_a_block` |
//! | 33 | accesses that are out of bounds, race, or read what nobody wrote; kernels that hang | the simulator, on every launch; `gpu` may be run under compute-sanitizer |
//! | | the step's own key, the first of a block | `the_steps_own_key` |
//! | | several KV heads in decode | `several_kv_heads` |
//! | | nothing cached, and lists of several blocks | `nothing_cached` |
//! | | rows and slots of a captured bucket that are padding | `gpu/tests/graph.rs` |
//! | | pages that requests share | `pages_that_requests_share` |
//! | | ids of no block | `ids_of_no_block`, `blocks_after_a_rows_own` |
//!
//! Paths are from the crate's folder. That a hazard is found by who is wrong is shown in `tests/suite/hazards.rs`.

mod batches;
mod lists;
mod pages;
mod scores;
mod tails;

use msa::Backend;
use msa::trace::{BlockIds, Tensor, Trace};

use crate::check::check;
use crate::generate::{Recipe, Request, with_expected};
use crate::run::run;

/// A way to be wrong.
#[derive(Clone, Copy, Debug)]
pub struct Hazard {
    /// What it is called.
    pub name: &'static str,
    /// What an operator does that falls for it.
    pub guards_against: &'static str,
    /// Makes the steps, as small as they can be, without expected values; most are one for each route.
    pub steps: fn() -> Vec<Trace>,
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Hazard> {
    [tails::HAZARDS, lists::HAZARDS, scores::HAZARDS, batches::HAZARDS, pages::HAZARDS]
        .into_iter()
        .flatten()
}

/// Meets a backend with all hazards, and tells what they made it do wrong.
///
/// # Panics
/// If the backend refuses a step, or writes past its results.
pub fn harms(backend: &Backend) -> Vec<String> {
    let mut harms = Vec::new();
    for hazard in all() {
        for (nth, trace) in (hazard.steps)().into_iter().enumerate() {
            let trace = with_expected(trace);
            let outcome = run(&trace, backend);
            let verdict = check(&trace, &outcome).expect("the step has expected values");
            if !verdict.passed() {
                let Hazard { name, guards_against, .. } = hazard;
                let route = outcome.dispatch.route;
                harms.push(format!("{name}, step {nth}, {route}: {verdict:?}; {guards_against}"));
            }
        }
    }
    harms
}

/// New tokens of a request on each route: decode, speculative and prefill.
const ROUTES: [usize; 3] = [1, 4, 9];

/// A step of MiniMax-M3's head shape, of requests with new tokens after cached ones.
fn recipe(requests: &[(usize, usize)]) -> Recipe {
    let requests = requests.iter().map(|&(new, cached)| Request::new(new, cached)).collect();
    Recipe { seed: 7, requests, ..Recipe::default() }
}

/// The step with a list of ids for each KV head and row, as long as the longest; -1 past its own end.
fn with_lists(mut trace: Trace, list: impl Fn(usize, usize) -> Vec<i32>) -> Trace {
    let (rows, kv_heads) = (trace.q.shape()[0], trace.kv_pages.shape()[4]);
    let lists: Vec<Vec<i32>> =
        (0..kv_heads * rows).map(|index| list(index / rows, index % rows)).collect();
    let topk = lists.iter().map(Vec::len).max().unwrap_or(1);
    let padded = lists.into_iter().flat_map(|mut list| {
        list.resize(topk, -1);
        list
    });
    trace.selection.topk = topk;
    let ids = Tensor::new([kv_heads, rows, topk], padded.collect());
    trace.block_ids = BlockIds::Given(ids, None);
    trace
}
