//! What a caller can have checked on the device: every mistake is found, and what is sound passes.

use cuda_sim::Order;
use msa::Error;
use msa_tests::kernels::FILES;
use msa_tests::kernels::check_operands::{Case, Operator};

/// Four requests of 2, 3, none and 1 blocks, and two rows of padding. Nothing has written the table's other entries.
fn sound() -> Case {
    Case {
        row_offsets: vec![0, 2, 5, 5, 6],
        cache_lengths: vec![254, 300, 9999, 0],
        rows: 8,
        max_seq_length: 3,
        pages: 7,
        width: 4,
        table: vec![vec![0, 6], vec![6, 6, 1], vec![], vec![3]],
    }
}

fn run(case: &Case, operator: Operator, target: (&str, &str), order: Order) -> Result<(), Error> {
    let found = case.run(operator, target, order);
    found.unwrap_or_else(|fault| panic!("{case:?}, {target:?}: {fault}"))
}

fn assert_found(case: &Case, message: &str) {
    for order in [Order::InTurn, Order::Random(1)] {
        let error = run(case, Operator::Indexer, FILES[1], order).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_sound_step_passes_on_every_device() {
    for (seed, target) in (0..).zip(FILES) {
        for operator in [Operator::Indexer, Operator::Attention] {
            assert_eq!(run(&sound(), operator, target, Order::Random(seed)), Ok(()));
        }
    }
    let empty = Case { row_offsets: vec![0; 5], table: vec![], ..sound() };
    assert_eq!(run(&empty, Operator::Indexer, FILES[1], Order::InTurn), Ok(()));
}

#[test]
fn every_mistake_is_found_and_named() {
    let offsets = |row_offsets: &[u32]| Case { row_offsets: row_offsets.to_vec(), ..sound() };
    let lengths = |cache_lengths: &[u32]| Case { cache_lengths: cache_lengths.to_vec(), ..sound() };
    #[rustfmt::skip]
    let cases = [
        (offsets(&[1, 2, 5, 5, 6]), "row_offsets[0] is 1, expected exactly 0"),
        (offsets(&[0, 2, 5, 4, 6]), "row_offsets[3] is 4, expected at least 5"),
        (offsets(&[0, 2, 5, 6, 9]), "row_offsets[4] is 9, expected at most 8"),
        (offsets(&[0, 2, 5, 5, u32::MAX]), "row_offsets[4] is 4294967295, expected at most 8"),
        (Case { max_seq_length: 2, ..sound() }, "row_offsets[2] is 5, expected at most 4"),
        (lengths(&[254, 510, 0, 0]),
            "index_page_table: 4 entries a request, expected at least 5 for request 1"),
        (lengths(&[u32::MAX, 300, 0, 0]),
            "index_page_table: 4 entries a request, expected at least 33554433 for request 0"),
        (Case { table: vec![vec![0, 7], vec![0; 3], vec![], vec![8]], ..sound() },
            "index_page_table: request 0, block 1 is on page 7, expected below 7"),
        (Case { table: vec![vec![0; 2], vec![0; 3], vec![], vec![u32::MAX]], ..sound() },
            "index_page_table: request 3, block 0 is on page 4294967295, expected below 7"),
    ];
    for (mut case, message) in cases {
        // Where more is followed than was, it is there.
        for line in &mut case.table {
            if !message.contains("on page") {
                line.resize(4, 0);
            }
        }
        assert_found(&case, message);
    }
}

#[test]
fn attentions_table_has_its_own_name() {
    let case = Case { pages: 6, ..sound() };
    let error = run(&case, Operator::Attention, FILES[1], Order::InTurn).expect_err("6 of 6 pages");
    assert_eq!(
        error,
        Error::NoSuchPage { operand: "kv_page_table", request: 0, block: 1, got: 6, pages: 6 }
    );
}

/// More requests than there are warps, and more blocks than a warp has lanes: what comes first is reported, whoever
/// finds it.
#[test]
fn of_many_mistakes_the_first_is_reported() {
    let (requests, blocks) = (100, 90);
    let mut case = Case {
        row_offsets: (0..=requests).collect(),
        cache_lengths: vec![blocks * 128 - 1; requests as usize],
        rows: requests as usize,
        max_seq_length: 1,
        pages: 50,
        width: blocks as usize,
        table: vec![vec![49; blocks as usize]; requests as usize],
    };
    assert_eq!(run(&case, Operator::Indexer, FILES[1], Order::InTurn), Ok(()));
    for (request, block) in [(99, 0), (57, 89), (57, 33), (41, 88), (9, 64), (9, 2)] {
        case.table[request][block] = 50 + block as u32;
        assert_found(
            &case,
            &format!(
                "index_page_table: request {request}, block {block} is on page {}, expected below 50",
                50 + block
            ),
        );
    }
    case.cache_lengths[83] += 1;
    assert_found(
        &case,
        "index_page_table: 90 entries a request, expected at least 91 for request 83",
    );
    case.row_offsets[70] = 3;
    assert_found(&case, "row_offsets[70] is 3, expected at least 69");
}
