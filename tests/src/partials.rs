//! What shards give of the same rows and heads, and what a merge of it must give, in float64.

use half::bf16;
use msa::trace::Tensor;
use msa::{AttentionResult, Backend, HEAD_DIM, MergeStatesOperands};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::oracle::Attended;
use crate::run::STALE;

/// The outputs and logarithms of some shards.
#[derive(Clone, Debug, PartialEq)]
pub struct Partials {
    /// bf16 `[shards, rows, heads, 128]`
    pub output: Tensor<bf16, 4>,
    /// f32 `[shards, rows, heads]`
    pub lse: Tensor<f32, 3>,
}

/// What a merge gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Merged {
    /// bf16 `[rows, heads, 128]`
    pub output: Tensor<bf16, 3>,
    /// f32 `[rows, heads]`
    pub lse: Tensor<f32, 2>,
}

impl Partials {
    /// Partials from a seed. Of each three one saw no key, and its output is NaN; logarithms of the others are close, or
    /// far, or as large as numbers are, of either sign, or the same; outputs are of either sign, and a few are -0.
    pub fn hostile(seed: u64, [shards, rows, heads]: [usize; 3]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut output = Tensor::filled(bf16::NAN, [shards, rows, heads, HEAD_DIM]);
        let mut lse = Tensor::filled(f32::NEG_INFINITY, [shards, rows, heads]);
        let vectors = output.data_mut().chunks_exact_mut(HEAD_DIM);
        for (vector, lse) in vectors.zip(lse.data_mut()) {
            if rng.random_ratio(1, 3) {
                continue;
            }
            *lse = match rng.random_range(0..8) {
                0 => rng.random_range(-300.0..300.0),
                1 => [1e30, -1e30, f32::MAX, f32::MIN][rng.random_range(0..4_usize)],
                2 => 9.5,
                _ => rng.random_range(4.0..12.0),
            };
            for element in vector {
                *element = match rng.random_range(0..64) {
                    0 => bf16::NEG_ZERO,
                    _ => bf16::from_f32(rng.random_range(-3.0..3.0)),
                };
            }
        }
        Self { output, lse }
    }

    /// What shards gave one after the other, each of all rows.
    ///
    /// # Panics
    /// If there is no shard, or two have other shapes.
    pub fn of_shards(shards: &[Merged]) -> Self {
        let [rows, heads] = shards[0].lse.shape();
        let outputs = shards.iter().flat_map(|shard| shard.output.data()).copied();
        let lses = shards.iter().flat_map(|shard| shard.lse.data()).copied();
        Self {
            output: Tensor::new([shards.len(), rows, heads, HEAD_DIM], outputs.collect()),
            lse: Tensor::new([shards.len(), rows, heads], lses.collect()),
        }
    }

    /// The operands of the merge.
    pub fn operands(&self) -> MergeStatesOperands<'_> {
        MergeStatesOperands { partial_output: self.output.view(), partial_lse: self.lse.view() }
    }

    /// What a merge must give for one row and head, and of each dim the mean of the partials' magnitudes, to which
    /// rounding errors are relative. A logarithm that is NaN or +inf makes all of it NaN.
    pub fn merged(&self, row: usize, head: usize) -> (Attended, [f64; HEAD_DIM]) {
        let [shards, rows, heads] = self.lse.shape();
        let line = |shard: usize| (shard * rows + row) * heads + head;
        let lse = |shard: usize| f64::from(self.lse.data()[line(shard)]);
        let live: Vec<usize> =
            (0..shards).filter(|&shard| lse(shard) != f64::NEG_INFINITY).collect();
        let (mut output, mut magnitude) = ([0.0; HEAD_DIM], [0.0; HEAD_DIM]);
        if live.is_empty() {
            return (Attended { output, lse: f64::NEG_INFINITY }, magnitude);
        }
        if live.iter().any(|&shard| !lse(shard).is_finite()) {
            return (Attended { output: [f64::NAN; HEAD_DIM], lse: f64::NAN }, magnitude);
        }
        let max = live.iter().map(|&shard| lse(shard)).fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = live.iter().map(|&shard| (lse(shard) - max).exp()).sum();
        for shard in live {
            let weight = (lse(shard) - max).exp() / sum;
            for dim in 0..HEAD_DIM {
                let element = self.output.data()[line(shard) * HEAD_DIM + dim];
                output[dim] += weight * f64::from(element.to_f32());
                magnitude[dim] += weight * f64::from(element.to_f32().abs());
            }
        }
        (Attended { output, lse: max + sum.ln() }, magnitude)
    }
}

/// Merges into buffers full of stale values, larger than needed, and sees that nothing beyond the result is written.
///
/// # Panics
/// If something is, or the backend refuses the operands.
pub fn run_merge(operands: &MergeStatesOperands, backend: &Backend) -> Merged {
    const GUARD: usize = 64;
    let [_, rows, heads, _] = operands.partial_output.shape();
    let stale = bf16::from_f32(STALE);
    let mut output = vec![stale; rows * heads * HEAD_DIM + GUARD];
    let mut lse = vec![STALE; rows * heads + GUARD];
    let result = AttentionResult { output: &mut output, lse: Some(&mut lse) };
    backend.merge_states(operands, result).expect("operands that suit");
    let guard = (output.split_off(rows * heads * HEAD_DIM), lse.split_off(rows * heads));
    assert_eq!(guard.0, [stale; GUARD], "output was written past its end");
    assert_eq!(guard.1, [STALE; GUARD], "lse was written past its end");
    Merged {
        output: Tensor::new([rows, heads, HEAD_DIM], output),
        lse: Tensor::new([rows, heads], lse),
    }
}

/// The largest relative error of a rounding to bf16.
const ROUNDING: f64 = 1.0 / 256.0;

/// What errors of f32 add up to in a merge of up to 16 shards, relative to the magnitude of what is summed.
const F32_ERRORS: f64 = 2e-6;

/// What weights that are taken for 0, those below `exp(-87)`, add up to with elements as large as partials have here.
const LOST_WEIGHTS: f64 = 1e-36;

impl Merged {
    /// Its bits; NaN, of which no bits are promised, is always the same one.
    pub fn bits(&self) -> (Vec<u16>, Vec<u32>) {
        let output = self.output.data().iter();
        let lse = self.lse.data().iter();
        (
            output.map(|value| if value.is_nan() { 0x7fff } else { value.to_bits() }).collect(),
            lse.map(|value| if value.is_nan() { u32::MAX } else { value.to_bits() }).collect(),
        )
    }

    /// Holds a merge to the oracle: one rounding to bf16, and the errors of f32.
    ///
    /// # Panics
    /// If it is further off.
    pub fn assert_merges(&self, partials: &Partials) {
        let [rows, heads] = self.lse.shape();
        for (row, head) in (0..rows).flat_map(|row| (0..heads).map(move |head| (row, head))) {
            let (expected, magnitude) = partials.merged(row, head);
            let (output, lse) = self.line(row, head);
            for (dim, (got, magnitude)) in output.iter().zip(magnitude).enumerate() {
                let (got, expected) = (f64::from(got.to_f32()), expected.output[dim]);
                let bound = ROUNDING * expected.abs() + F32_ERRORS * magnitude + LOST_WEIGHTS;
                assert!(
                    (got - expected).abs() <= bound || got.is_nan() && expected.is_nan(),
                    "row {row}, head {head}, dim {dim}: {got} for {expected}"
                );
            }
            assert_lse(lse, expected.lse, (row, head));
        }
    }

    /// Holds a merge of shards that have each attended to a part of the keys to attention to all of them: that is off by
    /// the rounding of what each shard gave, and those of the two results.
    ///
    /// # Panics
    /// If it is further off.
    pub fn assert_equals_unsplit(&self, partials: &Partials, unsplit: &Merged) {
        let [rows, heads] = self.lse.shape();
        for (row, head) in (0..rows).flat_map(|row| (0..heads).map(move |head| (row, head))) {
            let (_, magnitude) = partials.merged(row, head);
            let ((output, lse), (all, all_lse)) = (self.line(row, head), unsplit.line(row, head));
            for (dim, magnitude) in magnitude.into_iter().enumerate() {
                let [got, expected] =
                    [output[dim], all[dim]].map(|value| f64::from(value.to_f32()));
                let bound = ROUNDING * (magnitude + got.abs() + expected.abs())
                    + 2.0 * F32_ERRORS * magnitude;
                assert!(
                    (got - expected).abs() <= bound,
                    "row {row}, head {head}, dim {dim}: {got} for {expected}"
                );
            }
            assert_lse(lse, all_lse.into(), (row, head));
        }
    }

    /// The output and the logarithm of a row and head.
    fn line(&self, row: usize, head: usize) -> (&[bf16], f32) {
        let line = row * self.lse.shape()[1] + head;
        (&self.output.data()[line * HEAD_DIM..][..HEAD_DIM], self.lse.data()[line])
    }
}

fn assert_lse(got: f32, expected: f64, place: (usize, usize)) {
    let got = f64::from(got);
    let is_right = got == expected
        || got.is_nan() && expected.is_nan()
        || (got - expected).abs() <= 2e-6 + 2.5e-7 * expected.abs();
    assert!(is_right, "row and head {place:?}: lse {got} for {expected}");
}
