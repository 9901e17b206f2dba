//! What lies behind a row's last key, in its request's last page or as a later row's key.

use half::bf16;
use msa::trace::Trace;
use msa::{BLOCK, Selection};

use super::{Hazard, ROUTES, recipe};
use crate::generate::Recipe;
use crate::memory::{index_key, main_token};

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "tails_of_large_numbers",
        guards_against: "weighing what is behind the last key, where no sign cancels another",
        steps: || tails(1e4),
    },
    Hazard {
        name: "tails_of_a_plausible_number",
        guards_against: "weighing what is behind the last key a little",
        steps: || tails(5.0),
    },
    Hazard {
        name: "tails_of_nan",
        guards_against: "multiplying what is behind the last key by zero",
        steps: || tails(f32::NAN),
    },
    Hazard {
        name: "tails_of_infinity",
        guards_against: "multiplying what is behind the last key by zero, or taking the largest of it",
        steps: || [f32::INFINITY, f32::NEG_INFINITY].map(tails).concat(),
    },
    Hazard {
        name: "lengths_about_a_block",
        guards_against: "one key too many or too few about the end of a block, and waiting for one that is not there",
        steps: || {
            let lengths = [127, 128, 129, 255, 256, 257];
            let of_route = |new| recipe(&lengths.map(|length| (new, length - new))).trace();
            ROUTES.map(of_route).to_vec()
        },
    },
    Hazard {
        name: "the_step_fills_a_block",
        guards_against: "taking a block for partial, or for whole, by its length before the step",
        steps: || {
            let batches = [&[(1, 2047)][..], &[(4, 2044), (4, 2043)], &[(9, 2039), (9, 2038)]];
            batches.map(|requests| recipe(requests).trace()).to_vec()
        },
    },
    Hazard {
        name: "the_steps_own_key",
        guards_against: "counting keys before the step's own are there: one begins a block, and is the best of all",
        steps: || ROUTES.map(own_key).to_vec(),
    },
    Hazard {
        name: "larger_keys_in_later_rows",
        guards_against: "letting a row see the keys of later rows of its request",
        steps: || [(4, 254), (8, 125), (12, 250)].map(growing_keys).to_vec(),
    },
    Hazard {
        name: "no_numbers_in_a_later_value",
        guards_against: "multiplying later rows' values by zero, or losing what is no number in sight",
        steps: || [(1, 130), (4, 254), (8, 125), (12, 250)].map(no_numbers).to_vec(),
    },
    Hazard {
        name: "infinite_keys_in_later_rows",
        guards_against: "a weight for a key of score -inf, or a number where a score is infinite: there all is NaN",
        steps: || LATE_KEYS.map(|request| late_key(request, bf16::INFINITY)).to_vec(),
    },
    Hazard {
        name: "no_numbers_in_later_keys",
        guards_against: "a key that is no number passed over by rows that see it, or felt by rows that do not",
        steps: || LATE_KEYS.map(|request| late_key(request, bf16::NAN)).to_vec(),
    },
];

/// New and cached tokens on each route; the last one's key is in a block that all rows have.
const LATE_KEYS: [(usize, usize); 3] = [(1, 130), (4, 254), (12, 250)];

/// Steps of which all memory behind the last keys holds one value.
fn tails(value: f32) -> Vec<Trace> {
    let fill = |new| {
        let lengths = [205, 13];
        let mut trace = recipe(&lengths.map(|length| (new, length - new))).trace();
        for (request, length) in lengths.into_iter().enumerate() {
            for token in length..length.next_multiple_of(BLOCK) {
                index_key(&mut trace, request, token).fill(bf16::from_f32(value));
                main_token(&mut trace, 0, request, token).fill(bf16::from_f32(value));
                main_token(&mut trace, 1, request, token).fill(bf16::from_f32(value));
            }
        }
        trace
    };
    ROUTES.map(fill).to_vec()
}

/// Each row of a request with this many, whose first begins a block, selects one block: its own.
fn own_key(new_tokens: usize) -> Trace {
    let cached = 2 * BLOCK;
    let selection = Selection { topk: 1, local_blocks: 0, ..Selection::MINIMAX_M3 };
    let mut trace = Recipe { selection, ..recipe(&[(new_tokens, cached)]) }.trace();
    for token in cached..cached + new_tokens {
        larger_key(&mut trace, token, 1.0);
    }
    trace
}

/// The keys of a request's new tokens are each larger than the one before, and so are its values.
fn growing_keys((new_tokens, cached): (usize, usize)) -> Trace {
    let selection = Selection { topk: 2, local_blocks: 0, ..Selection::MINIMAX_M3 };
    let mut trace = Recipe { selection, ..recipe(&[(new_tokens, cached)]) }.trace();
    for new in 0..new_tokens {
        let (token, larger) = (cached + new, 10.0 * (1 + new) as f32);
        larger_key(&mut trace, token, larger);
        main_token(&mut trace, 0, 0, token).fill(bf16::from_f32(larger));
        main_token(&mut trace, 1, 0, token).fill(bf16::from_f32(larger));
    }
    trace
}

/// Has every index head's rows like a token's index key the more the larger it is: queries are 1.
fn larger_key(trace: &mut Trace, token: usize, value: f32) {
    crate::memory::indexer(trace).index_q.data_mut().fill(bf16::ONE);
    index_key(trace, 0, token).fill(bf16::from_f32(value));
}

/// Of the value of a request's last token one dimension is NaN, and one is infinite; its index key is NaN.
fn no_numbers((new_tokens, cached): (usize, usize)) -> Trace {
    let last = cached + new_tokens - 1;
    let mut trace = recipe(&[(new_tokens, cached)]).trace();
    index_key(&mut trace, 0, last).fill(bf16::NAN);
    let value = main_token(&mut trace, 1, 0, last);
    (value[3], value[77]) = (bf16::NAN, bf16::NEG_INFINITY);
    trace
}

/// The main cache's key of a request's last token is this in one dimension. Where that is infinite its score is, of the sign
/// that the query has there.
fn late_key((new_tokens, cached): (usize, usize), value: bf16) -> Trace {
    let mut trace = recipe(&[(new_tokens, cached)]).trace();
    main_token(&mut trace, 0, 0, cached + new_tokens - 1)[3] = value;
    trace
}
