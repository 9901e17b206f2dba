//! Scores that the indexer has to choose among.

use half::bf16;
use msa::trace::Trace;
use msa::{BLOCK, Selection};

use super::{Hazard, ROUTES, recipe};
use crate::generate::Recipe;
use crate::memory::{index_key, indexer};

/// The largest number of which 128 add up to a finite one.
const LARGE: f32 = 2.6e36;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "fewer_blocks_than_ids",
        guards_against: "choosing a block twice, or one that is not there, where all are chosen",
        steps: || {
            let selection = Selection { topk: 24, ..Selection::MINIMAX_M3 };
            let of_route = |new| Recipe { selection, ..recipe(&[(new, 0), (new, 700)]) }.trace();
            ROUTES.map(of_route).to_vec()
        },
    },
    Hazard {
        name: "equal_scores",
        guards_against: "breaking ties by anything but the smaller id",
        steps: || on_routes(select(4, 0, 0), &[1.0; 7]),
    },
    Hazard {
        name: "ties_where_the_list_ends",
        guards_against: "choosing the wrong of some equal blocks where not all of them are chosen",
        steps: || on_routes(select(4, 0, 0), &[1.0, 3.0, 1.0, 1.0, 5.0, 1.0, 1.0]),
    },
    Hazard {
        name: "scores_of_minus_infinity",
        guards_against: "choosing a block where none has a score, and an index of -1 that finds none",
        steps: || on_routes(select(4, 0, 0), &[f32::NEG_INFINITY; 7]),
    },
    Hazard {
        name: "scores_of_nan",
        guards_against: "comparing with NaN, which chooses what is compared last",
        steps: || {
            let unforced = on_routes(select(4, 0, 0), &[f32::NAN; 7]);
            [unforced, on_routes(select(4, 1, 1), &[f32::NAN; 7])].concat()
        },
    },
    Hazard {
        name: "scores_of_every_kind",
        guards_against: "an order of scores other than that of numbers: infinity before all, NaN nowhere, zeros alike",
        steps: || {
            let kinds = [
                f32::NAN,
                -0.0,
                0.0,
                f32::NEG_INFINITY,
                LARGE,
                f32::INFINITY,
                -LARGE,
                f32::INFINITY,
                1e-30,
            ];
            let all = on_routes(select(16, 0, 0), &kinds);
            [all, on_routes(select(4, 1, 1), &kinds)].concat()
        },
    },
    Hazard {
        name: "forced_blocks_score_nothing",
        guards_against: "forcing blocks by adding to their scores, or by what is less than some score",
        steps: || {
            let zeros = on_routes(select(4, 1, 2), &[0.0, 0.0, 7.0, 0.0, 9.0, 0.0, 0.0, 0.0]);
            let low = [-LARGE, 0.0, LARGE, 3.0, 0.0, 0.0, -LARGE, f32::NEG_INFINITY];
            [zeros, on_routes(select(4, 1, 2), &low)].concat()
        },
    },
    Hazard {
        name: "initial_blocks_are_local",
        guards_against: "choosing a block once as initial and once as local, or local ones before initial ones",
        steps: || {
            let [few, many] = [select(2, 2, 2), select(4, 9, 9)];
            [on_routes(few, &[0.0; 3]), on_routes(many, &[0.0; 2]), on_routes(few, &[0.0; 6])]
                .concat()
        },
    },
];

fn select(topk: usize, init_blocks: usize, local_blocks: usize) -> Selection {
    Selection { topk, init_blocks, local_blocks, ..Selection::MINIMAX_M3 }
}

/// A step on each route, of a request whose blocks all rows score by these numbers, times a factor; the last new token
/// is in the last block.
fn on_routes(selection: Selection, scores: &[f32]) -> Vec<Trace> {
    let of_route = |new| {
        let length = scores.len() * BLOCK - 3;
        let mut trace = Recipe { selection, ..recipe(&[(new, length - new)]) }.trace();
        indexer(&mut trace).index_q.data_mut().fill(bf16::ONE);
        for token in 0..length {
            index_key(&mut trace, 0, token).fill(bf16::from_f32(scores[token / BLOCK]));
        }
        trace.exact_scores = true;
        trace
    };
    ROUTES.map(of_route).to_vec()
}
