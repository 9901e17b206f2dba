//! The one matrix product of the CPU backend.

use std::array::from_fn;

use pulp::Simd;

use super::matrix::{PANEL, Panel, Row};

/// `c[i][j] = sum over k < depth of a[i][k] * b[k][j]`, each sum in ascending order of `k` by fused
/// multiply-adds. The rows of `a` are at least `depth` long.
#[inline(always)]
pub(super) fn multiply<S: Simd>(simd: S, depth: usize, a: &[&[f32]], b: &[Panel], c: &mut [Row]) {
    // A tile of 8 rows by 2 vectors keeps 16 sums, 2 loads and 1 broadcast in 32 registers, enough
    // independent sums to hide the latency of an addition; 16 registers hold half of it.
    let done = if S::REGISTER_COUNT >= 32 { strip::<S, 8>(simd, depth, a, b, c) } else { 0 };
    let (a, c) = (&a[done..], &mut c[done..]);
    let done = strip::<S, 4>(simd, depth, a, b, c);
    strip::<S, 1>(simd, depth, &a[done..], b, &mut c[done..]);
}

/// Multiplies as many rows as come in full groups of `R`, and returns how many those are.
#[inline(always)]
fn strip<S: Simd, const R: usize>(
    simd: S,
    depth: usize,
    a: &[&[f32]],
    b: &[Panel],
    c: &mut [Row],
) -> usize {
    const VECTORS: usize = 2;
    for (index, panel) in b.iter().enumerate() {
        let first = index * PANEL / S::F32_LANES;
        for vector in (0..PANEL / S::F32_LANES).step_by(VECTORS) {
            for (a, c) in a.chunks_exact(R).zip(c.chunks_exact_mut(R)) {
                let a: [&[f32]; R] = from_fn(|i| &a[i][..depth]);
                let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
                for (k, row) in panel[..depth].iter().enumerate() {
                    let (row, _) = S::as_simd_f32s(row);
                    let row: [S::f32s; VECTORS] = from_fn(|j| row[vector + j]);
                    for i in 0..R {
                        let factor = simd.splat_f32s(a[i][k]);
                        for j in 0..VECTORS {
                            sums[i][j] = simd.mul_add_f32s(factor, row[j], sums[i][j]);
                        }
                    }
                }
                for (sums, c) in sums.iter().zip(c) {
                    let (c, _) = S::as_mut_simd_f32s(c);
                    c[first + vector..][..VECTORS].copy_from_slice(sums);
                }
            }
        }
    }
    a.len() / R * R
}
