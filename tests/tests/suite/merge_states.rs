//! What a merge makes of what shards give.

use half::bf16;
use msa::trace::Tensor;
use msa::{AttentionResult, Backend, Cpu, HEAD_DIM, MergeStatesOperands, Route, View};
use msa_tests::partials::{Merged, Partials, run_merge};
use msa_tests::run::STALE;
use proptest::prelude::*;
use rayon::ThreadPoolBuilder;

use crate::steps::cases;

fn merge(partials: &Partials) -> Merged {
    run_merge(&partials.operands(), &Backend::default())
}

/// The place of a shard's row and head among logarithms.
fn line(partials: &Partials, [shard, row, head]: [usize; 3]) -> usize {
    let [_, rows, heads] = partials.lse.shape();
    (shard * rows + row) * heads + head
}

fn set(partials: &mut Partials, at: [usize; 3], lse: f32, output: bf16) {
    let line = line(partials, at);
    partials.lse.data_mut()[line] = lse;
    partials.output.data_mut()[line * HEAD_DIM..][..HEAD_DIM].fill(output);
}

/// One shard's output and logarithms.
fn shard(partials: &Partials, shard: usize) -> Partials {
    let [_, rows, heads] = partials.lse.shape();
    let lines = rows * heads;
    let output = &partials.output.data()[shard * lines * HEAD_DIM..][..lines * HEAD_DIM];
    let lse = &partials.lse.data()[shard * lines..][..lines];
    Partials {
        output: Tensor::new([1, rows, heads, HEAD_DIM], output.to_vec()),
        lse: Tensor::new([1, rows, heads], lse.to_vec()),
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn any_partials_are_merged(seed: u64, shards in 1..=16_usize, rows in 0..6_usize, heads in 0..6_usize) {
        let partials = Partials::hostile(seed, [shards, rows, heads]);
        merge(&partials).assert_merges(&partials);
    }

    #[test]
    fn one_shard_is_given_back_bit_for_bit(seed: u64, rows in 1..4_usize, heads in 1..6_usize) {
        let partials = Partials::hostile(seed, [1, rows, heads]);
        let merged = merge(&partials);
        let lines = partials.output.data().chunks_exact(HEAD_DIM).zip(partials.lse.data());
        let got = merged.output.data().chunks_exact(HEAD_DIM).zip(merged.lse.data());
        for ((given, given_lse), (output, lse)) in lines.zip(got) {
            prop_assert_eq!(lse.to_bits(), given_lse.to_bits());
            for (got, given) in output.iter().zip(given) {
                let given = if *lse == f32::NEG_INFINITY { bf16::ZERO } else { *given };
                prop_assert_eq!(got.to_bits(), given.to_bits());
            }
        }
    }

    /// Of a shard that saw no key nothing is read, wherever it stands: its output is NaN here, and no shard's at all there.
    #[test]
    fn shards_that_saw_no_key_change_no_bit(seed: u64, at in 0..=3_usize) {
        let partials = Partials::hostile(seed, [3, 2, 5]);
        let mut more = (0..3).map(|nth| shard(&partials, nth)).collect::<Vec<_>>();
        let blind = Partials {
            output: Tensor::filled(bf16::NAN, [1, 2, 5, HEAD_DIM]),
            lse: Tensor::filled(f32::NEG_INFINITY, [1, 2, 5]),
        };
        more.insert(at, blind);
        let more = Partials {
            output: Tensor::new([4, 2, 5, HEAD_DIM], more.iter().flat_map(|one| one.output.data()).copied().collect()),
            lse: Tensor::new([4, 2, 5], more.iter().flat_map(|one| one.lse.data()).copied().collect()),
        };
        prop_assert_eq!(merge(&more).bits(), merge(&partials).bits());
    }

    #[test]
    fn neither_neighbours_nor_threads_nor_vectors_matter(seed: u64) {
        let partials = Partials::hostile(seed, [5, 7, 3]);
        let whole = merge(&partials).bits();
        prop_assert_eq!(&run_merge(&partials.operands(), &Backend::Cpu(Cpu::scalar())).bits(), &whole);
        let one_thread = ThreadPoolBuilder::new().num_threads(1).build().expect("a pool");
        prop_assert_eq!(&one_thread.install(|| merge(&partials).bits()), &whole);
        for row in 0..7 {
            // The same rows where they are.
            let operands = MergeStatesOperands {
                partial_output: View::contiguous(&partials.output.data()[row * 3 * HEAD_DIM..], [5, 1, 3, HEAD_DIM])
                    .with_stride(0, 7 * 3 * HEAD_DIM),
                partial_lse: View::contiguous(&partials.lse.data()[row * 3..], [5, 1, 3]).with_stride(0, 7 * 3),
            };
            let (output, lse) = run_merge(&operands, &Backend::default()).bits();
            prop_assert_eq!(&output[..], &whole.0[row * 3 * HEAD_DIM..][..3 * HEAD_DIM]);
            prop_assert_eq!(&lse[..], &whole.1[row * 3..][..3]);
        }
    }
}

#[test]
fn nothing_seen_is_zero() {
    let partials = Partials {
        output: Tensor::filled(bf16::NAN, [4, 3, 16, HEAD_DIM]),
        lse: Tensor::filled(f32::NEG_INFINITY, [4, 3, 16]),
    };
    let merged = merge(&partials);
    assert!(merged.output.data().iter().all(|element| element.to_bits() == 0));
    assert!(merged.lse.data().iter().all(|&lse| lse == f32::NEG_INFINITY));
}

#[test]
fn a_logarithm_that_is_no_number_spoils_its_own_row_and_head_alone() {
    for bad in [f32::NAN, f32::INFINITY] {
        for place in 0..3 {
            let mut partials = Partials::hostile(3, [3, 2, 2]);
            for shard in 0..3 {
                set(&mut partials, [shard, 0, 1], f32::NEG_INFINITY, bf16::ONE);
            }
            let clean = merge(&partials);
            set(&mut partials, [place, 0, 1], bad, bf16::ONE);
            let spoilt = merge(&partials);
            spoilt.assert_merges(&partials);
            let (clean, spoilt) = (clean.bits(), spoilt.bits());
            assert!(spoilt.0[HEAD_DIM..2 * HEAD_DIM].iter().all(|&bits| bits == 0x7fff));
            assert_eq!(spoilt.1[1], u32::MAX);
            assert_eq!(clean.0[..HEAD_DIM], spoilt.0[..HEAD_DIM]);
            assert_eq!(clean.0[2 * HEAD_DIM..], spoilt.0[2 * HEAD_DIM..]);
            assert_eq!((clean.1[0], &clean.1[2..]), (spoilt.1[0], &spoilt.1[2..]));
        }
    }
}

#[test]
fn logarithms_are_written_on_request_alone() {
    let partials = Partials::hostile(5, [4, 3, 2]);
    let mut output = vec![bf16::NAN; 3 * 2 * HEAD_DIM];
    let result = AttentionResult { output: &mut output, lse: None };
    let backend = Backend::default();
    let ran = backend.merge_states(&partials.operands(), result).expect("operands that suit");
    assert_eq!(output, merge(&partials).output.data());
    assert_eq!((ran.backend, ran.route), ("cpu", Route::Decode));
    let nothing = Partials::hostile(5, [4, 0, 2]);
    let result = AttentionResult { output: &mut [], lse: None };
    let ran = backend.merge_states(&nothing.operands(), result).expect("nothing to do");
    assert_eq!(ran.route, Route::Empty);
}

#[test]
fn what_it_must_is_refused() {
    let partials = Partials::hostile(1, [2, 3, 4]);
    let (output, lse) = (partials.output.data(), partials.lse.data());
    let good = partials.operands();
    #[rustfmt::skip]
    let cases = [
        (MergeStatesOperands { partial_output: View::contiguous(output, [0, 3, 4, 128]), ..good },
            "shards is 0, expected at least 1"),
        (MergeStatesOperands { partial_output: View::contiguous(output, [2, 3, 8, 64]), ..good },
            "partial_output: axis `head dim` is 64, expected 128"),
        (MergeStatesOperands { partial_output: View::contiguous(&output[1..], [2, 3, 4, 128]), ..good },
            "partial_output: the buffer holds 3071 elements, expected at least 3072"),
        (MergeStatesOperands { partial_output: good.partial_output.with_stride(3, 2), ..good },
            "partial_output: the innermost stride is 2, expected 1"),
        (MergeStatesOperands { partial_lse: View::contiguous(lse, [1, 3, 4]), ..good },
            "partial_lse: axis `shards` is 1, expected 2"),
        (MergeStatesOperands { partial_lse: View::contiguous(lse, [2, 2, 4]), ..good },
            "partial_lse: axis `rows` is 2, expected 3"),
        (MergeStatesOperands { partial_lse: View::contiguous(lse, [2, 3, 3]), ..good },
            "partial_lse: axis `heads` is 3, expected 4"),
        (MergeStatesOperands { partial_lse: View::contiguous(&lse[1..], [2, 3, 4]), ..good },
            "partial_lse: the buffer holds 23 elements, expected at least 24"),
    ];
    for (operands, message) in cases {
        assert_eq!(refused(&operands, 3 * 4 * 128, 3 * 4), message);
    }
    let message = "output: the buffer holds 1535 elements, expected at least 1536";
    assert_eq!(refused(&good, 3 * 4 * 128 - 1, 3 * 4), message);
    let message = "lse: the buffer holds 11 elements, expected at least 12";
    assert_eq!(refused(&good, 3 * 4 * 128, 3 * 4 - 1), message);
}

/// Why a merge is refused, which has written nothing.
fn refused(operands: &MergeStatesOperands, output: usize, lse: usize) -> String {
    let stale = bf16::from_f32(STALE);
    let (mut output, mut lse) = (vec![stale; output], vec![STALE; lse]);
    let result = AttentionResult { output: &mut output, lse: Some(&mut lse) };
    let error = Backend::default().merge_states(operands, result).expect_err("a refusal");
    assert!(output.iter().all(|&element| element == stale), "{error}: output was written");
    assert!(lse.iter().all(|&lse| lse == STALE), "{error}: lse was written");
    error.to_string()
}
