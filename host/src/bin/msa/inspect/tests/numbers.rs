//! Overlap, locality, margins and samples.

use half::bf16;
use msa::trace::BlockIds;
use msa_tests::generate::{Recipe, overlapping_ids};
use msa_tests::oracle;

use super::{indexer, listed, report, requests, selected, with_lists};
use crate::inspect::locality::Age;
use crate::inspect::margins::Cut;
use crate::inspect::overlap::Overlap;
use crate::inspect::selection::sample;

#[test]
fn neighbours_are_counted_within_a_request() {
    // Rows 0 to 3 are in block 7; row 4 is another request's.
    let lists: &[&[i32]] =
        &[&[7, 0, 1, 2], &[7, 0, 1, 3], &[7, 4, 5, -1], &[7, 5, 4, 99], &[7, 0, 1, 2]];
    let report = report(listed(&[(4, 1000), (1, 1000)], lists));
    let distinct = [Some(18.0 / 5.0), Some(4.0), Some(7.0), None, None];
    // Of the free blocks of rows 1 to 3, which are 3, 2 and 2, the row before has 2, 0 and 2.
    assert_eq!(report.overlap, [Overlap { distinct, keep: Some(4.0 / 7.0) }]);
    let kept: Vec<Option<f64>> = report.facts.requests.iter().map(|r| r.keep).collect();
    assert_eq!(kept, [Some(4.0 / 7.0), None]);
    assert_eq!(report.facts.requests[0].chosen, 7);
}

#[test]
fn the_overlap_that_lists_were_made_with_is_found() {
    for keep in [0.0, 0.5, 0.875, 0.98] {
        let recipe =
            Recipe { requests: requests(&[(2048, 32_768)]), heads: 1, ..Recipe::default() };
        let ids = overlapping_ids(&recipe, keep);
        let lists: Vec<&[i32]> = ids.data().chunks(16).collect();
        // The keys do not matter: few of them are enough, in a table that has too few pages.
        let mut trace = listed(&[(2048, 0)], &lists);
        trace.cache_lengths[0] = 32_768;
        let report = report(trace);
        // A block that is drawn again may be the one before: one time in 17.
        let wanted = keep + (1.0 - keep) / 17.5;
        let found = report.overlap[0].keep.expect("there are neighbours");
        assert!((found - wanted).abs() < 0.01, "{keep}: {found}");
    }
}

#[test]
fn ages_are_counted_from_each_rows_own_block() {
    // Positions 383 and 384: own blocks 2 and 3.
    let lists: &[&[i32]] = &[&[2, 0, 3], &[0, 3, 2]];
    let report = report(listed(&[(2, 383)], lists));
    let age = |first, last, chosen, there| Age { first, last, chosen, there };
    let ages = [age(0, 0, 2, 2), age(1, 1, 1, 2), age(2, 3, 2, 3)];
    assert_eq!(report.locality.ages, ages);
    let locality = report.locality;
    assert_eq!((locality.chosen, locality.own, locality.forced), (5, 2, 2));
    assert_eq!(locality.mean_age, Some((2.0 + 3.0 + 1.0) / 3.0));
}

#[test]
fn the_cut_is_between_the_worst_chosen_and_the_best_left_out() {
    let recipe =
        Recipe { requests: requests(&[(3, 2000)]), heads: 2, kv_heads: 2, ..Recipe::default() };
    let trace = recipe.trace();
    let ids = selected(&trace, 5);
    let report = report(with_lists(trace.clone(), ids));
    for row in &report.selection.rows {
        for (head, shown) in row.lists.iter().enumerate() {
            let scores = oracle::scores(&trace, row.row, head);
            let mut free: Vec<f64> = scores[..scores.len() - 1].to_vec();
            free.sort_by(|a, b| b.total_cmp(a));
            let Cut { chosen_score, left_out_score, .. } = shown.cut.expect("ten are left out");
            assert!((f64::from(chosen_score) - free[3]).abs() < 1e-4);
            assert!((f64::from(left_out_score) - free[4]).abs() < 1e-4);
            assert_eq!(shown.ids[0], 15, "the row's own");
            for (&id, score) in shown.ids.iter().zip(&shown.scores) {
                let score = score.expect("it is read");
                assert!((f64::from(score) - scores[id as usize]).abs() < 1e-4);
            }
        }
    }
    let margins = report.margins.expect("there are scores");
    assert_eq!((margins.lists, margins.cuts, margins.ties), (6, 6, 0));
    assert_eq!(margins.histogram.iter().map(|bar| bar.cuts).sum::<usize>(), 6);
    let widths: Vec<f32> = margins.quantiles.iter().map(|quantile| quantile.margin).collect();
    assert!(widths.is_sorted() && widths[0] > 0.0, "{widths:?}");
}

#[test]
fn a_margin_is_told_in_units_of_bf16() {
    let cut = Cut { chosen: 0, chosen_score: 12.0, left_out: 1, left_out_score: 11.875 };
    // From 8 to 16 bf16 numbers are 1/16 apart.
    assert_eq!((cut.margin(), cut.ulps()), (0.125, 2.0));
    let step = bf16::from_bits(bf16::from_f32(12.0).to_bits() + 1).to_f32() - 12.0;
    assert_eq!(step, 0.0625);
    assert!(cut.is_in_order() && !cut.is_within_tolerance());
    let tie = Cut { left_out_score: 12.0, ..cut };
    assert!(tie.is_in_order() && tie.is_within_tolerance());
    assert!(!Cut { chosen: 1, left_out: 0, ..tie }.is_in_order());
}

#[test]
fn without_the_indexers_operands_there_are_no_scores() {
    let report = report(listed(&[(1, 300)], &[&[2, 0]]));
    assert!(report.margins.is_none());
    assert!(report.scored.absent.is_some_and(|why| why.contains("index_q")));
}

#[test]
fn a_step_that_the_indexer_refuses_has_no_lists_and_says_why() {
    let mut trace = Recipe::default().trace();
    indexer(&mut trace).index_page_table.data_mut()[3] = 1_000_000;
    assert!(matches!(trace.block_ids, BlockIds::Indexer(_)));
    let report = report(trace);
    assert!(report.facts.lists.contains("index_page_table"), "{}", report.facts.lists);
    assert_eq!(report.locality.chosen, 0);
}

#[test]
fn samples_are_spread_from_the_first_to_the_last() {
    assert_eq!(sample(10, 4).collect::<Vec<_>>(), [0, 3, 6, 9]);
    assert_eq!(sample(3, 4).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(sample(9, 1).collect::<Vec<_>>(), [0]);
    assert_eq!(sample(0, 4).count(), 0);
}

#[test]
fn large_steps_are_shown_in_part_and_counted_in_full() {
    let rows = 5000;
    let lists = vec![&[0][..]; rows];
    let report = report(listed(&[(rows, 0)], &lists));
    assert_eq!(report.selection.rows.len(), 4096);
    assert_eq!(report.selection.rows.last().map(|row| row.row), Some(rows - 1));
    assert_eq!(report.selection.popularity[0][0], rows);
}
