//! Operands from shared memory. They are read in chunks of 16 bytes, which `read` gives for an address.

use super::descriptor::{Descriptor, Major};
use crate::isa::matrix::product::{K, Left, M, N, Right, value};
use crate::ptx::Type;

/// A's rows of a warp, by its number in the warpgroup.
pub(crate) fn left<E>(
    descriptor: &Descriptor,
    major: Major,
    ty: Type,
    warp: usize,
    mut read: impl FnMut(u64) -> Result<[u8; 16], E>,
) -> Result<Left, E> {
    let mut a = [[0.0; M]; K];
    for chunk in descriptor.chunks(major, M * warp, M) {
        let row = chunk.mn - M * warp;
        for (at, value) in values(ty, &read(chunk.address)?).into_iter().enumerate() {
            match major {
                Major::K => a[chunk.k + at][row] = value,
                Major::Mn => a[chunk.k][row + at] = value,
            }
        }
    }
    Ok(a)
}

/// B, as panels of 8 columns.
pub(crate) fn right<E>(
    descriptor: &Descriptor,
    major: Major,
    ty: Type,
    columns: usize,
    mut read: impl FnMut(u64) -> Result<[u8; 16], E>,
) -> Result<Vec<Right>, E> {
    let mut b = vec![[[0.0; N]; K]; columns / N];
    for chunk in descriptor.chunks(major, 0, columns) {
        let values = values(ty, &read(chunk.address)?);
        let panel = &mut b[chunk.mn / N];
        match major {
            Major::K => {
                for (row, value) in panel[chunk.k..].iter_mut().zip(values) {
                    row[chunk.mn % N] = value;
                }
            }
            Major::Mn => panel[chunk.k] = values,
        }
    }
    Ok(b)
}

fn values(ty: Type, bytes: &[u8; 16]) -> [f64; 8] {
    let bits: [u16; 8] =
        std::array::from_fn(|at| u16::from_le_bytes([bytes[2 * at], bytes[2 * at + 1]]));
    bits.map(|bits| value(ty, bits))
}
