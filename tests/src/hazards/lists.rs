//! Lists of block ids that an engine may hand to attention.

use msa::trace::{BlockIds, Trace};

use super::{Hazard, ROUTES, recipe, with_lists};
use crate::generate::hostile_ids;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "lists_of_everything",
        guards_against: "whatever else there may be in a list",
        steps: || {
            let hostile = |new| {
                let mut trace = recipe(&[(new, 700), (new, 126), (0, 300), (new, 0)]).trace();
                trace.block_ids = BlockIds::Given(hostile_ids(&trace, 3), None);
                trace
            };
            ROUTES.map(hostile).to_vec()
        },
    },
    Hazard {
        name: "a_block_listed_twice",
        guards_against: "counting a block once that is listed twice",
        steps: || on_routes(700, |_| vec![2, 0, 2, 5, 5, 5]),
    },
    Hazard {
        name: "the_partial_block_anywhere",
        guards_against: "cutting off the last block of a list, or the first, rather than the last of the request",
        steps: || {
            let at_the_end = on_routes(700, |_| vec![0, 3, 5]);
            let at_the_start = on_routes(700, |_| vec![5, 0, 3]);
            let between = on_routes(700, |row| if row % 2 == 0 { vec![0, 5, 3] } else { vec![5] });
            [at_the_end, at_the_start, between].concat()
        },
    },
    Hazard {
        name: "short_contexts",
        guards_against: "attending to something for each slot of a list that is mostly empty",
        steps: || ROUTES.map(|new| recipe(&[(new, 5), (new, 130), (new, 400)]).trace()).to_vec(),
    },
    Hazard {
        name: "gaps_in_lists",
        guards_against: "taking the first empty slot for the end of a list, or an id of -1 for a block",
        steps: || on_routes(700, |_| vec![-1, 4, -1, -1, 0, -1]),
    },
    Hazard {
        name: "a_row_without_a_block",
        guards_against: "dividing by the sum of no weights",
        steps: || {
            let all = on_routes(300, |_| vec![-1; 4]);
            let some = on_routes(300, |row| if row == 2 { vec![-1; 4] } else { vec![1, 0] });
            [all, some].concat()
        },
    },
    Hazard {
        name: "parts_without_a_block",
        guards_against: "a part of the work that has none, and spoils those that have with its maximum of -inf",
        steps: || {
            let one = on_routes(700, |_| [vec![-1; 9], vec![2], vec![-1; 6]].concat());
            let late = on_routes(200, |row| if row == 0 { vec![2; 16] } else { vec![1; 16] });
            [one, late].concat()
        },
    },
    Hazard {
        name: "ids_of_no_block",
        guards_against: "following ids past the request's blocks, into its table or past it, or those below 0",
        steps: || on_routes(300, |_| vec![i32::MAX, 3, i32::MIN, 1, 4, -128, 5, 0x0100_0000]),
    },
    Hazard {
        name: "blocks_after_a_rows_own",
        guards_against: "attending to blocks of the request that begin after a row's own key",
        steps: || {
            let drafts = [(4, 254), (8, 125), (140, 120)].map(|requests| {
                let trace = recipe(&[requests]).trace();
                with_lists(trace, |_, row| if row % 2 == 0 { vec![2, 1, 0] } else { vec![2, 1] })
            });
            drafts.to_vec()
        },
    },
];

/// A step on each route: after so many keys, and after half of them, each row with a list by its place in the batch.
fn on_routes(cached: usize, list: impl Fn(usize) -> Vec<i32>) -> Vec<Trace> {
    let of_route = |new| {
        let trace = recipe(&[(new, cached), (new, cached / 2)]).trace();
        with_lists(trace, |_, row| list(row))
    };
    ROUTES.map(of_route).to_vec()
}
