//! A trace file is read as it was written, or refused in words that name the tensor or metadata entry.

use std::path::Path;

use msa::trace::{BlockIds, Trace, TraceError};
use msa::{Backend, IdOrder};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Values, hostile_ids, with_expected};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::steps::{cases, step};

#[test]
fn a_trace_is_read_as_it_was_written() {
    for trace in [selected(), given(), with_given_and_selected(), ascending(), nothing()] {
        // As text: poison is NaN, which equals nothing.
        let bytes = written(&trace);
        let again = Trace::from_bytes(&bytes).expect("a trace just written");
        assert_eq!(format!("{again:?}"), format!("{trace:?}"));
    }
}

#[test]
fn an_outcome_is_written_under_the_contracts_names() {
    let outcome = selected().run(&Backend::default()).expect("operands that suit");
    let path = scratch_file();
    outcome.write(&path).expect("room for a small file");
    let (header, _) = parts(&std::fs::read(path).expect("the file just written"));
    assert_eq!(header["block_ids"]["shape"], json!([1, 3, 16]));
    assert_eq!(header["block_ids"]["dtype"], "I32");
    assert_eq!(header["output"]["shape"], json!([3, 2, 128]));
    assert_eq!(header["output"]["dtype"], "BF16");
    assert_eq!(header["lse"]["shape"], json!([3, 2]));
    assert_eq!(header["lse"]["dtype"], "F32");
}

#[test]
fn a_truncated_file_is_refused() {
    let bytes = written(&selected());
    let header = bytes.len() - parts(&bytes).1.len();
    for length in
        (0..header + 64).chain((header..bytes.len()).step_by(997)).chain([bytes.len() - 1])
    {
        assert!(Trace::from_bytes(&bytes[..length]).is_err(), "{length} of {}", bytes.len());
    }
    assert!(matches!(Trace::read(scratch_file().with_extension("absent")), Err(TraceError::Io(_))));
}

#[test]
fn every_tensor_is_needed() {
    for (trace, names) in [(selected(), SELECTED.as_slice()), (given(), GIVEN.as_slice())] {
        for &name in names {
            let bytes = edited(&trace, |header| {
                let tensor = header.remove(name).expect("a tensor of the trace");
                header.insert("another".to_owned(), tensor);
            });
            let read = Trace::from_bytes(&bytes);
            match name {
                "expected.block_ids" => {
                    let expected = read.expect("two of three will do").expected;
                    assert_eq!(expected.expect("two of three").block_ids, None);
                }
                // Without lists, the indexer must make them.
                "block_ids" => assert_eq!(refused(read), "tensor index_q is missing"),
                _ => assert_eq!(refused(read), format!("tensor {name} is missing")),
            }
        }
    }
}

#[test]
fn every_tensor_has_one_type_and_rank() {
    for (trace, names) in [(selected(), SELECTED.as_slice()), (given(), GIVEN.as_slice())] {
        for &name in names {
            let mut is = String::new();
            let bytes = edited(&trace, |header| {
                let dtype = &mut header[name]["dtype"];
                is = dtype.as_str().expect("a type").to_owned();
                *dtype = match is.as_str() {
                    "BF16" => "F16",
                    "I32" => "U32",
                    _ => "I32",
                }
                .into();
            });
            let message = refused(Trace::from_bytes(&bytes));
            assert!(message.starts_with(&format!("tensor {name} is ")), "{message}");
            assert!(message.ends_with(&format!(", expected {is}")), "{message}");

            let bytes = edited(&trace, |header| {
                let shape = header[name]["shape"].as_array_mut().expect("a shape");
                shape.insert(0, 1.into());
            });
            let message = refused(Trace::from_bytes(&bytes));
            assert!(message.starts_with(&format!("tensor {name} has shape [1, ")), "{message}");
            assert!(message.ends_with(" axes"), "{message}");
        }
    }
}

#[test]
fn tensors_agree_about_their_shapes() {
    #[rustfmt::skip]
    let cases = [
        ("q", json!([2, 3, 128]), "tensor index_q has shape [3, 1, 128], expected [2, 1, 128]"),
        ("index_q", json!([1, 3, 128]), "tensor index_q has shape [1, 3, 128], expected [3, 1, 128]"),
        ("index_k_pages", json!([3, 1, 1, 64, 2, 128]), "index_k_pages: axis `block size` is 64, expected 128"),
        ("index_page_table", json!([4, 2]), "index_page_table: axis `batch` is 4, expected 2"),
        ("kv_pages", json!([3, 1, 2, 128, 1, 128]), "kv_pages: axis `K and V` is 1, expected 2"),
        ("kv_page_table", json!([1, 8]), "kv_page_table: axis `batch` is 1, expected 2"),
        ("expected.block_ids", json!([1, 16, 3]), "tensor expected.block_ids has shape [1, 16, 3], expected [1, 3, 16]"),
        ("expected.output", json!([3, 1, 256]), "tensor expected.output has shape [3, 1, 256], expected [3, 2, 128]"),
        ("expected.lse", json!([2, 3]), "tensor expected.lse has shape [2, 3], expected [3, 2]"),
    ];
    for (name, shape, message) in cases {
        let bytes = edited(&selected(), |header| header[name]["shape"] = shape);
        assert_eq!(refused_or_refuses_to_run(&bytes), message);
    }
    let bytes = edited(&given(), |header| header["block_ids"]["shape"] = json!([1, 16, 3]));
    let message = "tensor block_ids has shape [1, 16, 3], expected [1, 3, 16]";
    assert_eq!(refused_or_refuses_to_run(&bytes), message);
}

#[test]
fn every_metadata_entry_is_needed_and_makes_sense() {
    let absurd = |key| match key {
        "topk" => vec!["", "x", "0", "65", "-1", "1.5", "99999999999999999999999"],
        "init_blocks" | "local_blocks" => vec!["", "many", "-1", "1.5", "99999999999999999999999"],
        "layer_idx" => vec!["", "-1", "4294967296", "0x0"],
        "scale" | "index_scale" => vec!["", "nan", "inf", "-inf", "1e999", "1,5"],
        "id_order" => vec!["", "descending", "Score"],
        _ => vec!["", "2", "true"],
    };
    for key in ["topk", "init_blocks", "local_blocks", "layer_idx", "scale", "index_scale"] {
        let bytes = edited(&selected(), |header| {
            header["__metadata__"].as_object_mut().expect("metadata").remove(key);
        });
        assert_eq!(refused(Trace::from_bytes(&bytes)), format!("metadata {key} is missing"));
    }
    for key in [
        "topk",
        "init_blocks",
        "local_blocks",
        "layer_idx",
        "scale",
        "index_scale",
        "id_order",
        "exact_scores",
    ] {
        for value in absurd(key) {
            let bytes = edited(&selected(), |header| header["__metadata__"][key] = value.into());
            let message = refused(Trace::from_bytes(&bytes));
            let named = format!("metadata {key} is {value:?}, expected ");
            assert!(message.starts_with(&named), "{message}");
        }
    }
    let bytes = edited(&selected(), |header| {
        *header = header.clone().into_iter().filter(|(name, _)| name != "__metadata__").collect();
    });
    assert_eq!(refused(Trace::from_bytes(&bytes)), "metadata topk is missing");
    let bytes = edited(&selected(), |header| header["__metadata__"]["layer_idx"] = "1".into());
    let message =
        "layer_idx is 1 of 1 in index_k_pages, expected below the cache's number of layers";
    assert_eq!(refused_or_refuses_to_run(&bytes), message);
}

proptest! {
    #![proptest_config(cases(256))]

    /// Bytes may be anything, most of all in the header.
    #[test]
    fn a_damaged_file_is_never_a_panic(
        damage in prop::collection::vec((any::<Index>(), any::<u8>(), any::<bool>()), 1..6),
        given_ids in any::<bool>(),
    ) {
        let mut bytes = written(&if given_ids { given() } else { selected() });
        let header = bytes.len() - parts(&bytes).1.len();
        for (at, byte, anywhere) in damage {
            let at = at.index(if anywhere { bytes.len() } else { header });
            bytes[at] = byte;
        }
        run_if_readable(&bytes);
    }

    /// As other digits in the header: lengths and offsets that are too large, too small, or huge.
    #[test]
    fn other_numbers_in_the_header_are_never_a_panic(
        damage in prop::collection::vec((any::<Index>(), b'0'..=b'9'), 1..4),
        given_ids in any::<bool>(),
    ) {
        let mut bytes = written(&if given_ids { given() } else { selected() });
        let header = bytes.len() - parts(&bytes).1.len();
        let digits: Vec<usize> = (8..header).filter(|&at| bytes[at].is_ascii_digit()).collect();
        for (at, digit) in damage {
            bytes[digits[at.index(digits.len())]] = digit;
        }
        run_if_readable(&bytes);
    }
}

/// A tensor without elements takes no room in a file, whatever its other extents say.
#[test]
fn absurd_extents_beside_one_that_is_0_are_refused() {
    for absurd in [1_u64 << 61, u64::MAX] {
        let bytes = edited(&small().trace(), |header| {
            for name in ["q", "index_q"] {
                let room = header[name]["data_offsets"].clone();
                let [start, end] = [0, 1].map(|bound| room[bound].as_u64().expect("an offset"));
                header[name]["shape"] = json!([absurd, 1, 0]);
                header[name]["data_offsets"] = json!([start, start]);
                let filler = json!({ "dtype": "U8", "shape": [end - start], "data_offsets": room });
                header.insert(format!("instead of {name}"), filler);
            }
        });
        let message = refused_or_refuses_to_run(&bytes);
        assert!(message.starts_with("tensor q has shape "), "{message}");
    }
}

const SELECTED: [&str; 11] = [
    "row_offsets",
    "cache_lengths",
    "q",
    "kv_pages",
    "kv_page_table",
    "index_q",
    "index_k_pages",
    "index_page_table",
    "expected.block_ids",
    "expected.output",
    "expected.lse",
];

const GIVEN: [&str; 8] = [
    "row_offsets",
    "cache_lengths",
    "q",
    "kv_pages",
    "kv_page_table",
    "block_ids",
    "expected.output",
    "expected.lse",
];

/// 3 rows, 2 heads, 3 pages in both caches, tables 4 entries wide.
fn small() -> Recipe {
    Recipe { heads: 2, spare_pages: 0, ..step(&[(1, 130), (2, 0)]) }
}

fn selected() -> Trace {
    with_expected(small().trace())
}

fn given() -> Trace {
    let mut trace = small().trace();
    trace.block_ids = BlockIds::Given(hostile_ids(&trace, 1), None);
    with_expected(trace)
}

/// Lists are given, and what would have made them is there too.
fn with_given_and_selected() -> Trace {
    let mut trace = small().trace();
    let ids = hostile_ids(&trace, 1);
    if let BlockIds::Indexer(inputs) = trace.block_ids {
        trace.block_ids = BlockIds::Given(ids, Some(inputs));
    }
    trace
}

fn ascending() -> Trace {
    let mut recipe = Recipe { values: Values::SmallIntegers, ..small() };
    recipe.selection.id_order = IdOrder::Ascending;
    recipe.trace()
}

fn nothing() -> Trace {
    Recipe { spare_pages: 0, ..step(&[]) }.trace()
}

fn scratch_file() -> std::path::PathBuf {
    let name = format!("{:?}.safetensors", std::thread::current().id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A trace's file.
fn written(trace: &Trace) -> Vec<u8> {
    let path = scratch_file();
    trace.write(&path).expect("room for a small file");
    std::fs::read(path).expect("the file just written")
}

/// A safetensors file is the length of a header (u64), the header (JSON), and the tensors' elements.
fn parts(bytes: &[u8]) -> (Value, &[u8]) {
    let (length, rest) = bytes.split_first_chunk().expect("a header's length");
    let (header, elements) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (serde_json::from_slice(header).expect("a header"), elements)
}

/// A trace's file with another header.
fn edited(trace: &Trace, edit: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let bytes = written(trace);
    let (mut header, elements) = parts(&bytes);
    edit(header.as_object_mut().expect("a header is an object"));
    let header = header.to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), elements].concat()
}

fn refused(read: Result<Trace, TraceError>) -> String {
    read.expect_err("a file that is no trace").to_string()
}

/// Why a file cannot be used: what it says is also looked at when it is run.
fn refused_or_refuses_to_run(bytes: &[u8]) -> String {
    match Trace::from_bytes(bytes) {
        Ok(trace) => trace.run(&Backend::default()).expect_err("a step that is none").to_string(),
        refusal => refused(refusal),
    }
}

/// Does with a file what can be done with it.
fn run_if_readable(bytes: &[u8]) {
    if let Ok(trace) = Trace::from_bytes(bytes)
        && let Ok(outcome) = trace.run(&Backend::default())
    {
        let _ = check(&trace, &outcome);
    }
}
