//! Which blocks a row selects, and in what order.

use half::bf16;
use msa::trace::Trace;
use msa::{Backend, IdOrder, Selection};
use msa_tests::generate::{Recipe, Values};
use msa_tests::memory::{index_key, indexer, tokens};
use msa_tests::run::run;
use proptest::prelude::*;
use proptest::sample::select;

use crate::steps::{assert_right, cases, recipes, step};

proptest! {
    #![proptest_config(cases(48))]

    /// Unlike poison, these are in sight: a NaN dot is passed over, a block that scores -inf is never
    /// chosen unless it is forced, and +inf comes before forced blocks.
    #[test]
    fn nan_and_infinite_scores_keep_their_place(
        recipe in recipes(),
        planted in prop::collection::vec((any::<prop::sample::Index>(), plants()), 1..12),
    ) {
        let mut trace = recipe.trace();
        for (at, plant) in planted {
            let keys = tokens(&trace);
            if let Some(&(request, key)) = keys.get(at.index(keys.len().max(1))) {
                plant.into_block(&mut trace, request, key);
            }
        }
        assert_right(trace);
    }

    /// Scores may be turned about, or all be the same.
    #[test]
    fn any_scale_is_applied(
        recipe in recipes(),
        scale in select(vec![-1.0, -0.0, 0.0, 1e-20, 8.0]),
    ) {
        let mut trace = recipe.trace();
        indexer(&mut trace).index_scale = scale;
        assert_right(trace);
    }

    #[test]
    fn ascending_ids_are_the_same_ids(mut recipe in recipes()) {
        recipe.selection.id_order = IdOrder::Score;
        let by_score = run(&recipe.trace(), &Backend::default()).block_ids;
        recipe.selection.id_order = IdOrder::Ascending;
        let ascending = run(&recipe.trace(), &Backend::default()).block_ids;
        let topk = recipe.selection.topk;
        for (by_score, ascending) in
            by_score.data().chunks_exact(topk).zip(ascending.data().chunks_exact(topk))
        {
            let mut sorted = by_score.to_vec();
            sorted.sort_by_key(|&id| (id < 0, id));
            prop_assert_eq!(&sorted, ascending);
        }
    }
}

/// All blocks score 0, so that forcing and the smaller id alone decide.
#[test]
fn forced_blocks_come_first_and_ties_go_to_the_smaller_id() {
    #[rustfmt::skip]
    let table: [(usize, [usize; 3], &[i32]); 10] = [
        // blocks, [topk, init, local], ids
        (8, [4, 0, 1], &[7, 0, 1, 2]),
        (8, [4, 1, 2], &[0, 6, 7, 1]),
        (8, [4, 0, 0], &[0, 1, 2, 3]),
        (8, [3, 2, 2], &[0, 1, 6]),    // more forced than selected: initial blocks win
        (8, [2, 0, 4], &[4, 5]),
        (3, [4, 2, 2], &[0, 1, 2, -1]), // block 1 is both: it scores as a local one
        (3, [2, 2, 2], &[0, 1]),
        (2, [4, 9, 9], &[0, 1, -1, -1]),
        (1, [4, 0, 1], &[0, -1, -1, -1]),
        (1, [1, 0, 0], &[0]),
    ];
    for scale in [Recipe::SCALE, -1.0, 0.0] {
        for (blocks, [topk, init_blocks, local_blocks], ids) in table {
            let selection = Selection { topk, init_blocks, local_blocks, id_order: IdOrder::Score };
            let recipe = Recipe { selection, ..step(&[(1, 128 * blocks - 128)]) };
            let mut trace = recipe.trace();
            let inputs = indexer(&mut trace);
            inputs.index_q.data_mut().fill(bf16::ZERO);
            inputs.index_scale = scale;
            let outcome = run(&trace, &Backend::default());
            assert_eq!(outcome.block_ids.data(), ids, "{blocks} blocks, {selection:?}");
        }
    }
}

/// One key of a block decides its score, be it the first, the last, or one among NaN.
#[test]
fn the_best_key_of_a_block_is_its_score() {
    for token in [0, 1, 63, 126, 127] {
        for others in [bf16::ZERO, bf16::NAN, bf16::NEG_INFINITY] {
            let selection = Selection { topk: 2, local_blocks: 0, ..Selection::MINIMAX_M3 };
            let mut trace = Recipe { selection, ..step(&[(1, 1023)]) }.trace();
            indexer(&mut trace).index_q.data_mut().fill(bf16::ONE);
            for key in 0..1024 {
                index_key(&mut trace, 0, key).fill(others);
            }
            index_key(&mut trace, 0, 5 * 128 + token).fill(bf16::ONE);
            index_key(&mut trace, 0, 2 * 128 + token).fill(-bf16::ONE);
            let second = if others == bf16::ZERO { 0 } else { 2 };
            let outcome = run(&trace, &Backend::default());
            assert_eq!(outcome.block_ids.data(), [5, second], "token {token} among {others}");
        }
    }
}

/// Integer scores tie often: also where a list ends, be it shorter than the horizon or longer.
#[test]
fn many_ties_are_broken_alike_about_every_width_of_the_list() {
    for topk in [1, 7, 8, 9, 63, 64] {
        let recipe = Recipe {
            values: Values::SmallIntegers,
            selection: Selection { topk, ..Selection::MINIMAX_M3 },
            ..step(&[(2, 1020), (1, 8191), (1, 8192)])
        };
        assert_right(recipe.trace());
    }
}

/// What a block's keys are replaced with.
#[derive(Clone, Copy, Debug)]
enum Plant {
    OneKey(f32),
    AllKeys(f32),
}

fn plants() -> impl Strategy<Value = Plant> {
    let value = select(vec![f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e4, 0.0]);
    (value, any::<bool>()).prop_map(|(value, all)| match all {
        true => Plant::AllKeys(value),
        false => Plant::OneKey(value),
    })
}

impl Plant {
    /// Puts the value in one dimension of a key, or of all keys of its block. The others are 0, so that
    /// an infinite one makes the dot infinite; where the query is 0 in that dimension, NaN.
    fn into_block(self, trace: &mut Trace, request: usize, key: usize) {
        let (keys, value) = match self {
            Self::OneKey(value) => (key..key + 1, value),
            Self::AllKeys(value) => (key / 128 * 128..key / 128 * 128 + 128, value),
        };
        for key in keys {
            let vector = index_key(trace, request, key);
            vector.fill(bf16::ZERO);
            vector[0] = bf16::from_f32(value);
        }
    }
}
