//! Hazards: each step that is known to go wrong elsewhere is right here, and goes wrong where it should.

use std::collections::BTreeSet;

use half::bf16;
use msa::trace::{BlockIds, Trace};
use msa::{BLOCK, Backend, Error, HEAD_DIM, Route};
use msa_tests::check::check;
use msa_tests::generate::with_expected;
use msa_tests::hazards;
use msa_tests::memory::{index_key, indexer, tokens};

#[test]
fn no_hazard_harms_the_cpu() {
    let harms = hazards::harms(&Backend::default());
    assert!(harms.is_empty(), "{harms:#?}");
}

/// A backend with a fault is one without that is given other operands.
#[test]
fn every_hazard_is_one_to_somebody() {
    for fault in FAULTS {
        let named = hazards::all().filter(|hazard| fault.is_found_by.contains(&hazard.name));
        let mut finders = 0;
        for hazard in named {
            let found = (hazard.steps)().into_iter().any(|trace| is_found(fault, trace));
            assert!(found, "{} does not find {}", hazard.name, fault.name);
            finders += 1;
        }
        assert_eq!(finders, fault.is_found_by.len(), "{}: names of no hazard", fault.name);
    }
    let names = |names: &mut dyn Iterator<Item = &'static str>| names.collect::<BTreeSet<_>>();
    // Who does nothing for an empty batch has done it right.
    let idle = ["nothing_to_do"];
    let finders = FAULTS.iter().flat_map(|fault| fault.is_found_by).copied().chain(idle);
    let all = hazards::all().map(|hazard| hazard.name);
    assert_eq!(names(&mut { finders }), names(&mut { all }));
}

#[test]
fn hazards_are_met_on_every_route_by_both_operators() {
    let mut met = Vec::new();
    for trace in hazards::all().flat_map(|hazard| (hazard.steps)()) {
        met.push((trace.batch().route(), matches!(trace.block_ids, BlockIds::Indexer(_))));
    }
    for route in [Route::Decode, Route::Speculative, Route::Prefill] {
        assert!(met.contains(&(route, true)) && met.contains(&(route, false)), "{route}");
    }
}

/// What some operator does wrong.
struct Fault {
    name: &'static str,
    /// Turns a step into one for which what is right is what the fault gives for the step as it was.
    turn: fn(&mut Trace),
    /// Names of hazards.
    is_found_by: &'static [&'static str],
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "the last block is whole",
        turn: |trace| {
            for (cached, new) in lengths(trace) {
                *cached = (*cached + new).next_multiple_of(BLOCK as u32) - new;
            }
        },
        is_found_by: &[
            "tails_of_large_numbers",
            "tails_of_a_plausible_number",
            "tails_of_nan",
            "tails_of_infinity",
            "lengths_about_a_block",
            "the_step_fills_a_block",
            "the_partial_block_anywhere",
            "short_contexts",
            "rows_that_share_blocks",
        ],
    },
    Fault {
        name: "the row's own key is not there",
        turn: |trace| lengths(trace).for_each(|(cached, _)| *cached = cached.saturating_sub(1)),
        is_found_by: &["lengths_about_a_block", "the_steps_own_key", "every_number_of_drafts"],
    },
    Fault {
        name: "the next row's key is there",
        turn: |trace| lengths(trace).for_each(|(cached, _)| *cached += 1),
        is_found_by: &["larger_keys_in_later_rows", "nothing_cached"],
    },
    Fault {
        name: "all rows see the last row's keys",
        turn: |trace| {
            let shift = |(cached, new): (&mut u32, u32)| *cached += new.saturating_sub(1);
            lengths(trace).for_each(shift);
        },
        is_found_by: &["blocks_after_a_rows_own"],
    },
    Fault {
        name: "the largest of no numbers is a number",
        turn: |trace| {
            let bits = |element: &bf16| if element.is_nan() { bf16::INFINITY } else { *element };
            let keys = indexer(trace).index_k_pages.data_mut();
            keys.iter_mut().for_each(|element| *element = bits(element));
            let values = trace.kv_pages.data_mut();
            values.iter_mut().for_each(|element| *element = bits(element));
        },
        is_found_by: &["scores_of_nan", "scores_of_every_kind", "no_numbers_in_a_later_value"],
    },
    Fault {
        name: "keys are cut off at the largest number",
        turn: |trace| {
            let elements = trace.kv_pages.data_mut().iter_mut();
            elements
                .filter(|element| **element == bf16::INFINITY)
                .for_each(|element| *element = bf16::from_f32(1e30));
        },
        is_found_by: &["infinite_keys_in_later_rows"],
    },
    Fault {
        name: "what is no number counts as zero",
        turn: |trace| {
            let elements = trace.kv_pages.data_mut().iter_mut();
            elements.filter(|element| element.is_nan()).for_each(|element| *element = bf16::ZERO);
        },
        is_found_by: &["no_numbers_in_later_keys", "no_numbers_in_a_later_value"],
    },
    Fault {
        name: "a score of -inf is one",
        turn: |trace| {
            let keys = indexer(trace).index_k_pages.data_mut().iter_mut();
            keys.filter(|element| **element == bf16::NEG_INFINITY)
                .for_each(|element| *element = bf16::from_f32(-1e30));
        },
        is_found_by: &["scores_of_minus_infinity", "scores_of_every_kind"],
    },
    Fault {
        name: "ties go to the larger id",
        turn: |trace| {
            for (request, token) in tokens(trace) {
                let larger = 1.0 + (token / BLOCK) as f32 / 100.0;
                for element in index_key(trace, request, token) {
                    *element = bf16::from_f32(element.to_f32() * larger);
                }
            }
        },
        is_found_by: &["equal_scores", "ties_where_the_list_ends"],
    },
    Fault {
        name: "no block is forced",
        turn: |trace| (trace.selection.init_blocks, trace.selection.local_blocks) = (0, 0),
        is_found_by: &["forced_blocks_score_nothing", "fewer_blocks_than_ids"],
    },
    Fault {
        name: "local blocks alone are forced",
        turn: |trace| trace.selection.init_blocks = 0,
        is_found_by: &["forced_blocks_score_nothing", "initial_blocks_are_local"],
    },
    Fault {
        name: "blocks in the second half of the context are not scored",
        turn: |trace| {
            for (request, token) in tokens(trace) {
                let blocks = trace.cache_lengths[request] as usize / BLOCK;
                if token / BLOCK > blocks / 2 {
                    index_key(trace, request, token).fill(bf16::NEG_INFINITY);
                }
            }
        },
        is_found_by: &["a_long_prefix", "tables_wider_than_needed", "rows_that_share_blocks"],
    },
    Fault {
        name: "no more than 128 blocks are scored",
        turn: |trace| {
            for (request, token) in tokens(trace) {
                if token >= 128 * BLOCK {
                    index_key(trace, request, token).fill(bf16::NEG_INFINITY);
                }
            }
        },
        is_found_by: &["a_long_prefix"],
    },
    Fault {
        name: "a block's id is its page",
        turn: |trace| {
            let width = trace.kv_page_table.shape()[1];
            let pages = trace.kv_pages.shape()[0];
            let entries = trace.kv_page_table.data_mut().iter_mut().enumerate();
            entries.for_each(|(at, page)| *page = (at % width % pages) as u32);
        },
        is_found_by: &[
            "pages_in_no_order",
            "pages_that_requests_share",
            "tables_wider_than_needed",
        ],
    },
    Fault {
        name: "the caches have one table",
        turn: |trace| {
            let table = trace.kv_page_table.clone();
            indexer(trace).index_page_table = table;
        },
        is_found_by: &["pages_in_no_order"],
    },
    Fault {
        name: "the layer is the first",
        turn: |trace| trace.layer_idx = 0,
        is_found_by: &["pages_in_no_order"],
    },
    Fault {
        name: "requests are in another order",
        turn: |trace| trace.cache_lengths.reverse(),
        is_found_by: &["decode_among_prefill"],
    },
    Fault {
        name: "all index heads are the first",
        turn: |trace| {
            let index_q = &mut indexer(trace).index_q;
            let [_, heads, _] = index_q.shape();
            for row in index_q.data_mut().chunks_mut(heads * HEAD_DIM) {
                let (first, others) = row.split_at_mut(HEAD_DIM);
                others.chunks_mut(HEAD_DIM).for_each(|head| head.copy_from_slice(first));
            }
        },
        is_found_by: &["several_kv_heads"],
    },
    Fault {
        name: "a list is a set",
        turn: |trace| {
            each_list(trace, |list| {
                for slot in 1..list.len() {
                    if list[..slot].contains(&list[slot]) {
                        list[slot] = -1;
                    }
                }
            });
        },
        is_found_by: &["a_block_listed_twice", "lists_of_everything"],
    },
    Fault {
        name: "a list ends at its first empty slot",
        turn: |trace| {
            each_list(trace, |list| {
                let end = list.iter().position(|&id| id == -1).unwrap_or(list.len());
                list[end..].fill(-1);
            });
        },
        is_found_by: &["gaps_in_lists", "parts_without_a_block", "lists_of_everything"],
    },
    Fault {
        name: "an empty slot is block 0",
        turn: |trace| each_list(trace, |list| list.iter_mut().for_each(|id| *id = (*id).max(0))),
        is_found_by: &["gaps_in_lists", "a_row_without_a_block", "parts_without_a_block"],
    },
    Fault {
        name: "ids end at the request's last block",
        turn: |trace| each_list(trace, |list| list.iter_mut().for_each(|id| *id = (*id).min(2))),
        is_found_by: &["ids_of_no_block"],
    },
];

/// Cached and new tokens of requests that have new ones.
fn lengths(trace: &mut Trace) -> impl Iterator<Item = (&mut u32, u32)> {
    let new = trace.row_offsets.windows(2).map(|bounds| bounds[1] - bounds[0]);
    trace.cache_lengths.iter_mut().zip(new).filter(|(_, new)| *new > 0)
}

fn each_list(trace: &mut Trace, turn: impl Fn(&mut [i32])) {
    let topk = trace.selection.topk;
    match &mut trace.block_ids {
        BlockIds::Given(ids, _) => ids.data_mut().chunks_mut(topk).for_each(turn),
        BlockIds::Indexer(_) => panic!("a fault of lists is found by steps that give them"),
    }
}

/// Whether what a fault makes of a step is found to be wrong: by what comes out, or as it follows an entry of a table
/// that leads nowhere. The lists that a step gives are as they were.
fn is_found(fault: &Fault, trace: Trace) -> bool {
    let trace = with_expected(trace);
    let mut turned = trace.clone();
    (fault.turn)(&mut turned);
    let mut outcome = match turned.run(&Backend::default()) {
        Err(Error::NoSuchPage { .. }) => return true,
        outcome => outcome.expect("operands that suit"),
    };
    if let BlockIds::Given(ids, _) = &trace.block_ids {
        outcome.block_ids = ids.clone();
    }
    !check(&trace, &outcome).expect("the step has expected values").passed()
}
