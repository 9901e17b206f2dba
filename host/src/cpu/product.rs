//! The one matrix product of the CPU backend.

use pulp::Simd;

use super::matrix::{Row, WIDTH};

/// `c[i][j] = sum over k of a[i][k] * b[k][j]`, each sum in ascending order of `k` by fused
/// multiply-adds. The rows of `a` are at least as long as `b` has rows.
#[inline(always)]
pub(super) fn multiply<S: Simd>(simd: S, a: &[&[f32]], b: &[Row], c: &mut [Row]) {
    // A tile of 8 rows by 2 vectors keeps 16 sums, 2 loads and 1 broadcast in 32 registers, enough
    // independent sums to hide the latency of an addition; 16 registers hold half of it.
    if S::REGISTER_COUNT >= 32 {
        let done = strip::<S, 8>(simd, a, b, c);
        remainder(simd, &a[done..], b, &mut c[done..]);
    } else {
        remainder(simd, a, b, c);
    }
}

#[inline(always)]
fn remainder<S: Simd>(simd: S, a: &[&[f32]], b: &[Row], c: &mut [Row]) {
    let done = strip::<S, 4>(simd, a, b, c);
    strip::<S, 1>(simd, &a[done..], b, &mut c[done..]);
}

/// Multiplies as many rows as come in full groups of `R`, and returns how many those are.
#[inline(always)]
fn strip<S: Simd, const R: usize>(simd: S, a: &[&[f32]], b: &[Row], c: &mut [Row]) -> usize {
    const VECTORS: usize = 2;
    let done = a.len() / R * R;
    let lanes = size_of::<S::f32s>() / size_of::<f32>();
    for column in (0..WIDTH / lanes).step_by(VECTORS) {
        for (a, c) in a.chunks_exact(R).zip(c.chunks_exact_mut(R)) {
            let a: [&[f32]; R] = core::array::from_fn(|i| &a[i][..b.len()]);
            let mut sums = [[simd.splat_f32s(0.0); VECTORS]; R];
            for (k, row) in b.iter().enumerate() {
                let (row, _) = S::as_simd_f32s(row);
                let row: [S::f32s; VECTORS] = core::array::from_fn(|j| row[column + j]);
                for i in 0..R {
                    let factor = simd.splat_f32s(a[i][k]);
                    for j in 0..VECTORS {
                        sums[i][j] = simd.mul_add_f32s(factor, row[j], sums[i][j]);
                    }
                }
            }
            for (sums, c) in sums.iter().zip(c) {
                let (c, _) = S::as_mut_simd_f32s(c);
                c[column..column + VECTORS].copy_from_slice(sums);
            }
        }
    }
    done
}
