//! Each lint finds the mistake that it is for, and no other lint does.

use std::collections::BTreeSet;

use half::bf16;
use msa::trace::{BlockIds, Tensor, Trace};
use msa::{BLOCK, HEAD_DIM, IdOrder, Selection};
use msa_tests::generate::Recipe;

use super::{indexer, report, requests, selected, with_lists};
use crate::inspect::warnings::LINTS;

/// Two requests that share a prefix of two blocks: A's eight rows cross from block 5 into block 6, where its last four
/// keys are; B's row is the fifth key of its block 11.
fn recipe() -> Recipe {
    Recipe {
        requests: requests(&[(8, 764), (1, 1412)]),
        heads: 4,
        kv_heads: 2,
        selection: Selection { topk: 4, ..Selection::MINIMAX_M3 },
        shared_blocks: 2,
        ..Recipe::default()
    }
}

const A: usize = 0;
const B: usize = 1;

/// B's row.
const ROW: usize = 8;

fn clean() -> Trace {
    let trace = recipe().trace();
    let ids = selected(&trace, 4);
    with_lists(trace, ids)
}

fn found(trace: Trace) -> BTreeSet<&'static str> {
    report(trace).warnings.into_iter().map(|warning| warning.lint).collect()
}

/// A row's list for the first head.
fn list(trace: &mut Trace, row: usize) -> &mut [i32] {
    let topk = trace.selection.topk;
    match &mut trace.block_ids {
        BlockIds::Given(ids, _) => &mut ids.data_mut()[row * topk..][..topk],
        BlockIds::Indexer(_) => panic!("the lists are given"),
    }
}

fn entry(table: &mut Tensor<u32, 2>, request: usize, block: usize) -> &mut u32 {
    let width = table.shape()[1];
    &mut table.data_mut()[request * width + block]
}

/// K of the first head at a position of a request.
fn key(trace: &mut Trace, request: usize, position: usize) -> &mut [bf16] {
    let page = *entry(&mut trace.kv_page_table, request, position / BLOCK) as usize;
    let [_, planes, layers, tokens, heads, dim] = trace.kv_pages.shape();
    let vector = (page * planes * layers * tokens + position % BLOCK) * heads;
    &mut trace.kv_pages.data_mut()[vector * dim..][..HEAD_DIM]
}

/// A block of B's that neither head reads.
fn unread(trace: &Trace) -> usize {
    let BlockIds::Given(ids, _) = &trace.block_ids else { panic!("the lists are given") };
    let read: Vec<i32> =
        (0..2).flat_map(|head| ids.data()[(head * 9 + ROW) * 4..][..4].to_vec()).collect();
    (2..11).find(|block| !read.contains(&(*block as i32))).expect("one of nine is not read")
}

type Plant = (&'static [&'static str], fn(&mut Trace));

const PLANTS: &[Plant] = &[
    (&["table-too-narrow"], |trace| {
        let table = &trace.kv_page_table;
        let width = table.shape()[1];
        let narrow = table.data().chunks(width).flat_map(|row| row[..11].to_vec()).collect();
        trace.kv_page_table = Tensor::new([2, 11], narrow);
    }),
    (&["page-out-of-range"], |trace| {
        *entry(&mut indexer(trace).index_page_table, B, 3) = 10_000;
    }),
    (&["page-out-of-range"], |trace| *entry(&mut trace.kv_page_table, B, 11) = 10_000),
    (&["page-not-there"], |trace| {
        let block = unread(trace);
        *entry(&mut trace.kv_page_table, B, block) = u32::MAX;
    }),
    (&["page-twice"], |trace| {
        *entry(&mut trace.kv_page_table, B, 4) = *entry(&mut trace.kv_page_table, B, 3);
    }),
    // Another block of A's; and the same block, with others before it.
    (&["page-shared-by-accident"], |trace| {
        *entry(&mut trace.kv_page_table, B, 4) = *entry(&mut trace.kv_page_table, A, 3);
    }),
    (&["page-shared-by-accident"], |trace| {
        *entry(&mut trace.kv_page_table, B, 4) = *entry(&mut trace.kv_page_table, A, 4);
    }),
    (&["page-shared-while-written"], |trace| {
        for block in 2..6 {
            *entry(&mut trace.kv_page_table, B, block) = *entry(&mut trace.kv_page_table, A, block);
        }
    }),
    (&["unwritten-keys"], |trace| key(trace, B, 1412).fill(bf16::ZERO)),
    (&["keys-past-length"], |trace| {
        for position in 1413..1536 {
            let value = if position < 1416 { bf16::ONE } else { bf16::ZERO };
            key(trace, B, position).fill(value);
        }
    }),
    (&["nonfinite-keys"], |trace| key(trace, A, 700)[5] = bf16::NAN),
    (&["nonfinite-query"], |trace| trace.q.data_mut()[1000] = bf16::INFINITY),
    (&["zero-query"], |trace| trace.q.data_mut()[..HEAD_DIM].fill(bf16::ZERO)),
    (&["scale"], |trace| trace.scale = 1.0),
    (&["scale"], |trace| indexer(trace).index_scale = 1.0 / 8.0),
    (&["empty-request"], |trace| {
        *trace = Recipe { requests: requests(&[(1, 300), (0, 500)]), ..recipe() }.trace();
    }),
    (&["id-past-blocks", "list-short"], |trace| list(trace, ROW)[3] = 12),
    (&["id-past-horizon", "list-short"], |trace| list(trace, 0)[3] = 6),
    (&["id-repeated", "list-short"], |trace| list(trace, ROW)[3] = list(trace, ROW)[2]),
    (&["id-negative", "list-short"], |trace| list(trace, ROW)[3] = -77),
    (&["id-after-gap", "list-short"], |trace| list(trace, ROW)[1] = -1),
    (&["list-short"], |trace| list(trace, ROW)[3] = -1),
    (&["forced-block-missing"], |trace| {
        let best = selected(trace, 5).data()[ROW * 5..][1..5].to_vec();
        list(trace, ROW).copy_from_slice(&best);
    }),
    (&["order"], |trace| list(trace, ROW).swap(1, 3)),
    (&["order"], |trace| {
        trace.selection.id_order = IdOrder::Ascending;
        let BlockIds::Given(ids, _) = &mut trace.block_ids else { panic!("the lists are given") };
        ids.data_mut().chunks_mut(4).for_each(<[i32]>::sort);
        list(trace, ROW).swap(1, 3);
    }),
    (&["choice-differs"], |trace| {
        list(trace, ROW)[3] = selected(trace, 8).data()[ROW * 8 + 7];
    }),
    (&["choice-near"], |trace| {
        indexer(trace).index_k_pages.data_mut().fill(bf16::ONE);
        let ids = selected(trace, 4);
        assert_eq!(ids.data()[ROW * 4..][..4], [11, 0, 1, 2]);
        *trace = with_lists(trace.clone(), ids);
        list(trace, ROW)[3] = 3;
    }),
];

#[test]
fn the_clean_step_raises_nothing() {
    assert_eq!(report(clean()).warnings, []);
}

#[test]
fn planted_mistakes_are_found_and_nothing_else() {
    for (index, (wanted, plant)) in PLANTS.iter().enumerate() {
        let mut trace = clean();
        plant(&mut trace);
        let wanted: BTreeSet<&str> = wanted.iter().copied().collect();
        assert_eq!(found(trace), wanted, "plant {index}");
    }
}

#[test]
fn every_lint_has_a_plant_and_is_documented() {
    let planted: BTreeSet<&str> = PLANTS.iter().flat_map(|(lints, _)| *lints).copied().collect();
    let lints: BTreeSet<&str> = LINTS.iter().map(|lint| lint.name).collect();
    assert_eq!(planted, lints);
    let document = include_str!("../../../../../../docs/inspect.md");
    let documented = document.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let documented: BTreeSet<&str> = documented.map(|(name, _)| name).collect();
    assert_eq!(documented, lints);
}

#[test]
fn places_name_the_request_and_the_block() {
    let mut trace = clean();
    *entry(&mut indexer(&mut trace).index_page_table, B, 3) = 10_000;
    let report = report(trace);
    let pages = report.facts.index_pages.expect("there is an index cache");
    let place = format!("index_page_table: request 1, block 3: page 10000 of {pages}");
    assert_eq!(report.warnings[0].places, [place]);
}

#[test]
fn mistakes_are_counted_though_few_places_are_told() {
    let mut trace = clean();
    for row in 0..ROW {
        list(&mut trace, row)[3] = -77;
    }
    let report = report(trace);
    let negative = report.warnings.iter().find(|warning| warning.lint == "id-negative");
    let negative = negative.expect("it was planted");
    assert_eq!((negative.count, negative.places.len()), (8, 4));
}
