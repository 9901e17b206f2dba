//! The join of what shards have given of the same rows.

use half::bf16;
use msa_abi::{HEAD_DIM, exp, merged_lse};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::matrix::{Row, WIDTH, widen};
use crate::AttentionResult;
use crate::problem::MergeStatesProblem;

pub(super) fn run(arch: Arch, problem: &MergeStatesProblem, result: AttentionResult) {
    let [_, rows, heads, _] = problem.partial_output.shape();
    let AttentionResult { mut output, mut lse } = result;
    let rows: Vec<_> = (0..rows)
        .filter_map(|row| {
            let output = output.split_off_mut(..heads * HEAD_DIM)?;
            let lse = lse.as_mut().and_then(|lse| lse.split_off_mut(..heads));
            Some((row, output, lse))
        })
        .collect();
    rows.into_par_iter().for_each(|(row, output, mut lse)| {
        for (head, output) in output.chunks_exact_mut(HEAD_DIM).enumerate() {
            let merged = arch.dispatch(Merge { problem, row, head, output });
            if let Some(lse) = &mut lse {
                lse[head] = merged;
            }
        }
    });
}

/// The merge of one row and head: writes its output and returns its lse.
struct Merge<'a> {
    problem: &'a MergeStatesProblem<'a>,
    row: usize,
    head: usize,
    output: &'a mut [bf16],
}

impl WithSimd for Merge<'_> {
    type Output = f32;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> f32 {
        let Self { problem, row, head, output } = self;
        let shards = problem.partial_lse.shape()[0];
        let lse = |shard: usize| problem.partial_lse.run([shard, row, 0])[head];
        // NaN is passed over here, and not below.
        let max = (0..shards).map(lse).fold(
            f32::NEG_INFINITY,
            |max, lse| {
                if lse > max { lse } else { max }
            },
        );

        // The zero that changes no number that is added to it, not even -0.
        let (mut sum, mut total, mut mean): (f32, Row, Row) = (0.0, [-0.0; WIDTH], [0.0; WIDTH]);
        for shard in (0..shards).filter(|&shard| lse(shard) != f32::NEG_INFINITY) {
            let weight = exp(lse(shard) - max, f32::mul_add);
            sum += weight;
            widen(problem.partial_output.run([shard, row, head, 0]), &mut mean);
            for (total, mean) in total.iter_mut().zip(&mean) {
                *total = weight.mul_add(*mean, *total);
            }
        }
        if sum == 0.0 {
            output.fill(bf16::ZERO); // No shard saw a key.
        } else {
            let normaliser = 1.0 / sum;
            for (element, total) in output.iter_mut().zip(&total) {
                *element = bf16::from_f32(total * normaliser);
            }
        }
        merged_lse(max, sum, f32::mul_add)
    }
}
