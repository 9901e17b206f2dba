//! Batches and shapes of heads.

use half::bf16;
use msa::trace::Trace;
use msa::{BLOCK, Selection};

use super::{Hazard, ROUTES, recipe, with_lists};
use crate::generate::Recipe;
use crate::memory::{index_key, indexer};

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "nothing_to_do",
        guards_against: "launching for, or copying, a batch that has no rows",
        steps: || [&[][..], &[(0, 0), (0, 500)]].map(|requests| recipe(requests).trace()).to_vec(),
    },
    Hazard {
        name: "every_number_of_drafts",
        guards_against: "a number of drafts that tiles are not made for, among requests with fewer",
        steps: || (2..=8).map(drafts).collect(),
    },
    Hazard {
        name: "decode_among_prefill",
        guards_against: "taking one request's number of rows for another's, or rows of none",
        steps: || vec![recipe(&[(1, 3000), (0, 77), (40, 0), (1, 127), (9, 500)]).trace()],
    },
    Hazard {
        name: "rows_that_share_blocks",
        guards_against: "losing rows or blocks where more rows than a tile has share more than a few",
        steps: || vec![recipe(&[(140, 230), (3, 70)]).trace()],
    },
    Hazard {
        name: "a_long_prefix",
        guards_against: "scoring, or choosing among, no more blocks than there are threads: the best is past the 128th",
        steps: || ROUTES.map(long_prefix).to_vec(),
    },
    Hazard {
        name: "nothing_cached",
        guards_against: "dividing a length of 0 into blocks, and following ids that the first keys do not have",
        steps: || {
            let scored = ROUTES.map(|new| recipe(&[(new, 0), (new, 0)]).trace());
            let given = ROUTES.map(|new| {
                with_lists(recipe(&[(new, 0), (new, 300)]).trace(), |_, _| vec![1, 0, 3, 2])
            });
            [scored, given].concat()
        },
    },
    Hazard {
        name: "several_kv_heads",
        guards_against: "finding a row's list, keys or scores without regard to the head",
        steps: || {
            let of_route = |new| {
                let selection = Selection { topk: 3, ..Selection::MINIMAX_M3 };
                let batch = recipe(&[(new, 700), (new, 254)]);
                Recipe { heads: 64, kv_heads: 4, selection, ..batch }.trace()
            };
            ROUTES.map(of_route).to_vec()
        },
    },
];

fn long_prefix(new_tokens: usize) -> Trace {
    let mut trace = recipe(&[(new_tokens, 17_000)]).trace();
    indexer(&mut trace).index_q.data_mut().fill(bf16::ONE);
    index_key(&mut trace, 0, 130 * BLOCK + 5).fill(bf16::ONE);
    trace
}

fn drafts(width: usize) -> Trace {
    recipe(&[(width, 400), (width, 125), (1, 40), (0, 9), (width - 1, 0)]).trace()
}
