//! What the contract refuses is refused, in words that name the operand and both values, and before
//! anything is written.

use half::bf16;
use msa::trace::{BlockIds, IndexerInputs, Trace};
use msa::{AttentionOperands, AttentionResult, Backend, Batch, IndexerOperands, Selection, View};
use msa_tests::generate::Recipe;
use msa_tests::run::{STALE, STALE_ID};

use crate::steps::step;

/// 3 rows of 2 requests with 3 and 1 blocks, 8 query heads, 2 KV heads, 2 layers; the tables are 5
/// entries wide, and there are 5 pages in the main cache and 6 in the index cache.
fn trace() -> Trace {
    let selection = Selection { topk: 4, ..Selection::MINIMAX_M3 };
    let shape = Recipe {
        heads: 8,
        kv_heads: 2,
        layers: 2,
        layer_idx: 1,
        selection,
        spare_pages: 1,
        ..step(&[])
    };
    Recipe { requests: step(&[(1, 300), (2, 40)]).requests, ..shape }.trace()
}

#[test]
fn the_indexer_refuses_what_it_must() {
    let trace = trace();
    let BlockIds::Indexer(IndexerInputs { index_q, index_k_pages, index_page_table, .. }) =
        &trace.block_ids
    else {
        panic!("a recipe leaves the choice of blocks to the indexer");
    };
    let (q, k, table) = (index_q.data(), index_k_pages.data(), index_page_table.data());
    let good = trace.indexer_operands().expect("the indexer's operands");
    let topk = |topk| Selection { topk, ..good.selection };
    let mut astray = table.to_vec();
    astray[2] = 6;

    #[rustfmt::skip]
    let cases = [
        (IndexerOperands { index_q: View::contiguous(q, [3, 2, 64]), ..good },
            "index_q: axis `head dim` is 64, expected 128"),
        (IndexerOperands { index_q: View::contiguous(&q[1..], [3, 2, 128]), ..good },
            "index_q: the buffer holds 767 elements, expected at least 768"),
        (IndexerOperands { index_q: good.index_q.with_stride(2, 2), ..good },
            "index_q: the innermost stride is 2, expected 1"),
        (IndexerOperands { index_q: View::contiguous(q, [2, 2, 128]), ..good },
            "row_offsets[2] is 3, expected exactly 2"),
        (IndexerOperands { batch: Batch { row_offsets: &[1, 1, 3], ..good.batch }, ..good },
            "row_offsets[0] is 1, expected exactly 0"),
        (IndexerOperands { batch: Batch { row_offsets: &[0, 4, 3], ..good.batch }, ..good },
            "row_offsets[2] is 3, expected at least 4"),
        (IndexerOperands { batch: Batch { row_offsets: &[0, 3], ..good.batch }, ..good },
            "row_offsets: axis `batch + 1` is 2, expected 3"),
        (IndexerOperands { batch: Batch { cache_lengths: &[], ..good.batch }, ..good },
            "row_offsets: axis `batch + 1` is 3, expected 1"),
        (IndexerOperands { batch: Batch { cache_lengths: &[300, 700], ..good.batch }, ..good },
            "index_page_table: 5 entries a request, expected at least 6 for request 1"),
        (IndexerOperands { batch: Batch { cache_lengths: &[u32::MAX, 40], ..good.batch }, ..good },
            "index_page_table: 5 entries a request, expected at least 33554432 for request 0"),
        (IndexerOperands { index_k_pages: View::contiguous(k, [6, 2, 1, 128, 1, 128]), ..good },
            "index_k_pages: axis `K and V` is 2, expected 1"),
        (IndexerOperands { index_k_pages: View::contiguous(k, [6, 1, 4, 64, 1, 128]), ..good },
            "index_k_pages: axis `block size` is 64, expected 128"),
        (IndexerOperands { index_k_pages: View::contiguous(k, [6, 1, 1, 128, 2, 128]), ..good },
            "index_k_pages: axis `heads` is 2, expected 1"),
        (IndexerOperands { index_k_pages: View::contiguous(k, [6, 1, 4, 128, 1, 64]), ..good },
            "index_k_pages: axis `head dim` is 64, expected 128"),
        (IndexerOperands { index_k_pages: View::contiguous(&k[1..], [6, 1, 2, 128, 1, 128]), ..good },
            "index_k_pages: the buffer holds 196607 elements, expected at least 196608"),
        (IndexerOperands { layer_idx: 2, ..good },
            "layer_idx is 2 of 2 in index_k_pages, expected below the cache's number of layers"),
        (IndexerOperands { index_page_table: View::contiguous(table, [1, 5]), ..good },
            "index_page_table: axis `batch` is 1, expected 2"),
        (IndexerOperands { index_page_table: View::contiguous(table, [2, 2]), ..good },
            "index_page_table: 2 entries a request, expected at least 3 for request 0"),
        (IndexerOperands { index_page_table: View::contiguous(&table[1..], [2, 5]), ..good },
            "index_page_table: the buffer holds 9 elements, expected at least 10"),
        (IndexerOperands { index_page_table: View::contiguous(&astray, [2, 5]), ..good },
            "index_page_table: request 0, block 2 is on page 6, expected below 6"),
        (IndexerOperands { selection: topk(0), ..good }, "topk is 0, expected 1 to 64"),
        (IndexerOperands { selection: topk(65), ..good }, "topk is 65, expected 1 to 64"),
        (IndexerOperands { scale: f32::NAN, ..good }, "index_scale is NaN, expected a finite number"),
        (IndexerOperands { scale: f32::INFINITY, ..good },
            "index_scale is inf, expected a finite number"),
    ];
    for (operands, message) in cases {
        let mut ids = [STALE_ID; 2 * 3 * 65];
        assert_eq!(refused(Backend::default().indexer(&operands, &mut ids)), message);
        assert!(ids.iter().all(|&id| id == STALE_ID), "{message}: ids were written");
    }

    let mut ids = [STALE_ID; 2 * 3 * 4 - 1];
    let message = "block_ids: the buffer holds 23 elements, expected at least 24";
    assert_eq!(refused(Backend::default().indexer(&good, &mut ids)), message);
    assert!(ids.iter().all(|&id| id == STALE_ID));
}

#[test]
fn attention_refuses_what_it_must() {
    let trace = trace();
    let (q, kv, table) = (trace.q.data(), trace.kv_pages.data(), trace.kv_page_table.data());
    let ids = [2, -1, -1, 0].repeat(2 * 3);
    let good = trace.attention_operands(View::contiguous(&ids, [2, 3, 4]));
    let mut astray = table.to_vec();
    astray[2] = 5;
    let no_ids: [i32; 0] = [];
    let many_ids = [0; 2 * 3 * 65];

    #[rustfmt::skip]
    let cases = [
        (AttentionOperands { q: View::contiguous(q, [3, 16, 64]), ..good },
            "q: axis `head dim` is 64, expected 128"),
        (AttentionOperands { q: View::contiguous(&q[1..], [3, 8, 128]), ..good },
            "q: the buffer holds 3071 elements, expected at least 3072"),
        (AttentionOperands { q: good.q.with_stride(0, 4096), ..good },
            "q: the buffer holds 3072 elements, expected at least 9216"),
        (AttentionOperands { q: good.q.with_stride(1, usize::MAX), ..good },
            "q: the buffer holds 3072 elements, expected at least 18446744073709551615"),
        (AttentionOperands { q: good.q.with_stride(2, 0), ..good },
            "q: the innermost stride is 0, expected 1"),
        (AttentionOperands { q: View::contiguous(q, [3, 7, 128]), ..good },
            "q is 7 heads for 2, expected a multiple of kv_pages' heads as its number of heads"),
        (AttentionOperands { q: View::contiguous(q, [3, 0, 128]), ..good },
            "q is 0 (0 heads for 2), expected 1 to 16 query heads for each KV head"),
        (AttentionOperands { q: View::contiguous(&[bf16::ONE; 3 * 34 * 128], [3, 34, 128]), ..good },
            "q is 17 (34 heads for 2), expected 1 to 16 query heads for each KV head"),
        (AttentionOperands { q: View::contiguous(q, [2, 8, 128]), ..good },
            "row_offsets[2] is 3, expected exactly 2"),
        (AttentionOperands { batch: Batch { row_offsets: &[1, 1, 3], ..good.batch }, ..good },
            "row_offsets[0] is 1, expected exactly 0"),
        (AttentionOperands { batch: Batch { row_offsets: &[0, 4, 3], ..good.batch }, ..good },
            "row_offsets[2] is 3, expected at least 4"),
        (AttentionOperands { batch: Batch { cache_lengths: &[300], ..good.batch }, ..good },
            "row_offsets: axis `batch + 1` is 3, expected 2"),
        (AttentionOperands { batch: Batch { cache_lengths: &[700, 40], ..good.batch }, ..good },
            "kv_page_table: 5 entries a request, expected at least 6 for request 0"),
        (AttentionOperands { kv_pages: View::contiguous(kv, [5, 1, 4, 128, 2, 128]), ..good },
            "kv_pages: axis `K and V` is 1, expected 2"),
        (AttentionOperands { kv_pages: View::contiguous(kv, [5, 2, 4, 64, 2, 128]), ..good },
            "kv_pages: axis `block size` is 64, expected 128"),
        (AttentionOperands { kv_pages: View::contiguous(kv, [5, 2, 4, 128, 2, 64]), ..good },
            "kv_pages: axis `head dim` is 64, expected 128"),
        (AttentionOperands { kv_pages: View::contiguous(kv, [5, 2, 2, 128, 0, 128]), ..good },
            "q is 8 heads for 0, expected a multiple of kv_pages' heads as its number of heads"),
        (AttentionOperands { kv_pages: View::contiguous(&kv[1..], [5, 2, 2, 128, 2, 128]), ..good },
            "kv_pages: the buffer holds 655359 elements, expected at least 655360"),
        (AttentionOperands { kv_pages: View::contiguous(kv, [5, 2, 4, 128, 1, 128]), ..good },
            "block_ids: axis `kv heads` is 2, expected 1"),
        (AttentionOperands { layer_idx: u32::MAX, ..good },
            "layer_idx is 4294967295 of 2 in kv_pages, expected below the cache's number of layers"),
        (AttentionOperands { kv_page_table: View::contiguous(table, [3, 3]), ..good },
            "kv_page_table: axis `batch` is 3, expected 2"),
        (AttentionOperands { kv_page_table: View::contiguous(table, [2, 1]), ..good },
            "kv_page_table: 1 entries a request, expected at least 3 for request 0"),
        (AttentionOperands { kv_page_table: View::contiguous(&table[1..], [2, 5]), ..good },
            "kv_page_table: the buffer holds 9 elements, expected at least 10"),
        (AttentionOperands { kv_page_table: View::contiguous(&astray, [2, 5]), ..good },
            "kv_page_table: request 0, block 2 is on page 5, expected below 5"),
        (AttentionOperands { block_ids: View::contiguous(&ids, [1, 3, 4]), ..good },
            "block_ids: axis `kv heads` is 1, expected 2"),
        (AttentionOperands { block_ids: View::contiguous(&ids, [2, 2, 4]), ..good },
            "block_ids: axis `rows` is 2, expected 3"),
        (AttentionOperands { block_ids: View::contiguous(&no_ids, [2, 3, 0]), ..good },
            "topk is 0, expected 1 to 64"),
        (AttentionOperands { block_ids: View::contiguous(&many_ids, [2, 3, 65]), ..good },
            "topk is 65, expected 1 to 64"),
        (AttentionOperands { block_ids: View::contiguous(&ids[1..], [2, 3, 4]), ..good },
            "block_ids: the buffer holds 23 elements, expected at least 24"),
        (AttentionOperands { scale: f32::NEG_INFINITY, ..good },
            "scale is -inf, expected a finite number"),
    ];
    const ELEMENTS: usize = 3 * 34 * 128;
    for (operands, message) in cases {
        assert_eq!(attend(&operands, ELEMENTS, Some(3 * 34)), message);
    }
    assert_eq!(
        attend(&good, 3071, None),
        "output: the buffer holds 3071 elements, expected at least 3072"
    );
    assert_eq!(
        attend(&good, 3072, Some(23)),
        "lse: the buffer holds 23 elements, expected at least 24"
    );
}

/// Entries past a request's last block, of blocks that no row lists or sees, and of requests without
/// rows are never followed, so they may be anything.
#[test]
fn entries_that_are_not_followed_are_not_refused() {
    let mut trace = step(&[(1, 300), (0, 40)]).trace();
    let entries = trace.kv_page_table.data_mut();
    entries[1] = u32::MAX;
    entries[3..].fill(u32::MAX);
    let ids = [0, 2, 3, -1, i32::MAX];
    let operands = trace.attention_operands(View::contiguous(&ids, [1, 1, 5]));
    let mut output = [bf16::NAN; 16 * 128];
    let result = AttentionResult { output: &mut output, lse: None };
    Backend::default().attention(&operands, result).expect("nothing astray is followed");
    assert!(output.iter().all(|element| element.is_finite()));
}

/// Runs attention, which must be refused, and gives the reason.
fn attend(operands: &AttentionOperands, output: usize, lse: Option<usize>) -> String {
    let stale = bf16::from_f32(STALE);
    let mut output = vec![stale; output];
    let mut lse = lse.map(|lse| vec![STALE; lse]);
    let result = AttentionResult { output: &mut output, lse: lse.as_deref_mut() };
    let message = refused(Backend::default().attention(operands, result));
    assert!(output.iter().all(|&element| element == stale), "{message}: output was written");
    assert!(lse.iter().flatten().all(|&lse| lse == STALE), "{message}: lse was written");
    message
}

fn refused<T: std::fmt::Debug>(result: Result<T, msa::Error>) -> String {
    result.expect_err("operands that do not suit").to_string()
}
