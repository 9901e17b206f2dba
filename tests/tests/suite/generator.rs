//! Made-up steps are as hostile as they claim: without that, the other tests prove little.

use half::bf16;
use msa::trace::{BlockIds, IndexerInputs, Trace};
use msa_tests::generate::{Recipe, Values, hostile_ids};
use msa_tests::memory::{index_key, main_token, tokens};
use msa_tests::oracle;

use crate::steps::step;

/// Requests with 3, 3, 0 (for they have no rows) and 1 blocks to follow.
fn recipe() -> Recipe {
    let requests = step(&[(3, 300), (1, 300), (0, 50), (1, 90)]).requests;
    Recipe { requests, layers: 2, layer_idx: 1, shared_blocks: 3, ..Recipe::default() }
}

#[test]
fn pages_are_distinct_shuffled_and_shared_where_full() {
    let trace = recipe().trace();
    let BlockIds::Indexer(IndexerInputs { index_page_table, .. }) = &trace.block_ids else {
        panic!("a recipe leaves the choice of blocks to the indexer");
    };
    assert_ne!(trace.kv_page_table, *index_page_table);
    for (table, pages) in [(&trace.kv_page_table, 7), (index_page_table, 9)] {
        let [_, width] = table.shape();
        let rows: Vec<&[u32]> = table.data().chunks_exact(width).collect();
        assert_eq!(rows[0][..2], rows[1][..2]);
        let mut followed = [rows[0][0], rows[0][1], rows[0][2], rows[1][2], rows[3][0]];
        assert!(!followed.is_sorted(), "{followed:?}");
        followed.sort();
        assert!(followed.windows(2).all(|pair| pair[0] < pair[1]), "{followed:?}");
        assert!(followed[4] < pages);
        assert_eq!(rows[2][..2], [u32::MAX, pages]);
        assert_eq!(rows[3][1], pages);
    }
}

#[test]
fn all_but_the_keys_in_sight_is_poison() {
    let mut trace = recipe().trace();
    let poisonous = |element: &bf16| !element.is_finite() || element.to_f32().abs() == 9984.0;
    assert_eq!(bf16::from_f32(1e4).to_f32(), 9984.0);
    for (request, token) in tokens(&trace) {
        assert!(!index_key(&mut trace, request, token).iter().any(poisonous));
        assert!(!main_token(&mut trace, 0, request, token).iter().any(poisonous));
        assert!(!main_token(&mut trace, 1, request, token).iter().any(poisonous));
    }
    for (request, keys, end) in [(0, 303, 384), (1, 301, 384), (3, 91, 128)] {
        for token in keys..end {
            assert!(index_key(&mut trace, request, token).iter().all(poisonous));
            assert!(main_token(&mut trace, 0, request, token).iter().all(poisonous));
            assert!(main_token(&mut trace, 1, request, token).iter().all(poisonous));
        }
        let mut kinds: Vec<u16> = (keys..keys + 5)
            .map(|token| index_key(&mut trace, request, token)[0].to_bits())
            .collect();
        kinds.sort();
        kinds.dedup();
        assert_eq!(kinds.len(), 5, "NaN, and both signs of 1e4 and infinity");
    }
    let another_layer = Trace { layer_idx: 0, ..trace };
    assert!(main_token(&mut another_layer.clone(), 0, 0, 0).iter().all(poisonous));
}

#[test]
fn values_are_spread_as_they_say() {
    let normal = Recipe::default().trace();
    let moment = |power| {
        let sum: f64 = normal.q.data().iter().map(|q| f64::from(q.to_f32()).powi(power)).sum();
        sum / normal.q.data().len() as f64
    };
    assert!(moment(1).abs() < 0.05 && (moment(2) - 1.0).abs() < 0.1, "{} {}", moment(1), moment(2));

    let integers = Recipe { values: Values::SmallIntegers, ..Recipe::default() }.trace();
    assert!(integers.exact_scores && !normal.exact_scores);
    assert!(integers.q.data().iter().all(|q| q.to_f32().fract() == 0.0));
    let mut scores = oracle::scores(&integers, 0, 0);
    scores.sort_by(f64::total_cmp);
    assert!(scores.windows(2).any(|pair| pair[0] == pair[1]), "some of 33 scores tie");
}

#[test]
fn a_seed_gives_one_step() {
    let text = |seed| format!("{:?}", Recipe { seed, ..recipe() }.trace());
    assert_eq!(text(1), text(1));
    assert_ne!(text(1), text(2));
}

#[test]
fn given_lists_hold_every_kind_of_id() {
    let trace = Recipe { requests: step(&[(40, 300)]).requests, ..Recipe::default() }.trace();
    let ids = hostile_ids(&trace, 0);
    let lists: Vec<&[i32]> = ids.data().chunks_exact(16).collect();
    for kind in [i32::MIN, -1, 0, 1, 2, 3, i32::MAX] {
        assert!(lists.iter().any(|list| list.contains(&kind)), "{kind}");
    }
    assert!(lists.contains(&[-1; 16].as_slice()));
}
