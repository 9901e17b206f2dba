//! The arithmetic of matrices, and how their elements are spread over the lanes of a warp.
//!
//! The hardware's order of summation and its rounding in between are not documented. Here a product of
//! two 16-bit floats is exact, and C and the products are summed in f64 by ascending k; the sum is rounded
//! once, to nearest, to D's type. So it is nearer to the true sum than the hardware may be.

use super::rows;
use crate::exec::Lanes;
use crate::isa::rounding::{Rounding, nan, narrow};
use crate::ptx::Type;

/// Rows of A, columns of B, and the most columns of A.
pub(in crate::isa) const M: usize = 16;
pub(in crate::isa) const N: usize = 8;
pub(in crate::isa) const K: usize = 16;

/// Bytes of a row of A, or of a column of B.
pub(in crate::isa) const ROW_BYTES: usize = 2 * K;

/// A, by columns, and B, by rows: both by ascending k.
pub(in crate::isa) type Left = [[f64; M]; K];
pub(in crate::isa) type Right = [[f64; N]; K];

/// C, and in the end D, by rows.
pub(in crate::isa) type Sums = [[f64; N]; M];

/// Adds what columns of A and as many rows of B give.
pub(in crate::isa) fn accumulate(sums: &mut Sums, a: &[[f64; M]], b: &[[f64; N]]) {
    for (row, sums) in sums.iter_mut().enumerate() {
        // Kept apart, they stay in registers.
        let mut kept = *sums;
        for (a, b) in a.iter().zip(b) {
            for (sum, b) in kept.iter_mut().zip(b) {
                *sum += a[row] * b;
            }
        }
        *sums = kept;
    }
}

/// A, from 8 by 8 matrices in a register each: the upper one of the first 8 columns, the lower one, and so
/// those of the next 8.
pub(in crate::isa) fn left(ty: Type, registers: &[Lanes<u32>]) -> Left {
    let mut a = [[0.0; M]; K];
    for (index, words) in registers.iter().enumerate() {
        let (top, left) = (8 * (index % 2), 8 * (index / 2));
        for (row, values) in rows(words).iter().enumerate() {
            for (column, bits) in values.iter().enumerate() {
                a[left + column][top + row] = value(ty, *bits);
            }
        }
    }
    a
}

/// Registers that hold 16 by 8 sums of a type.
pub(in crate::isa) fn registers(sum: Type) -> usize {
    if sum == Type::F32 { 4 } else { 2 }
}

/// C, from its registers: two f32 of the upper rows, two of the lower, or as much f16 in halves.
pub(in crate::isa) fn sums(sum: Type, registers: &[Lanes<u32>]) -> Sums {
    let mut sums = [[0.0; N]; M];
    for (index, words) in registers.iter().enumerate() {
        for (lane, word) in words.iter().enumerate() {
            let (row, column) = (lane / 4, lane % 4 * 2);
            if sum == Type::F32 {
                sums[row + 8 * (index / 2)][column + index % 2] = self::sum(sum, *word);
            } else {
                sums[row + 8 * index][column] = self::sum(sum, *word);
                sums[row + 8 * index][column + 1] = self::sum(sum, word >> 16);
            }
        }
    }
    sums
}

/// D, to what [`sums`] reads: the register with this number.
pub(in crate::isa) fn register(sum: Type, sums: &Sums, index: usize) -> Lanes<u32> {
    let place = |lane: usize| (lane / 4, lane % 4 * 2);
    if sum == Type::F32 {
        return std::array::from_fn(|lane| {
            let (row, column) = place(lane);
            bits(sum, sums[row + 8 * (index / 2)][column + index % 2])
        });
    }
    std::array::from_fn(|lane| {
        let (row, column) = place(lane);
        let pair = &sums[row + 8 * index][column..];
        bits(sum, pair[1]) << 16 | bits(sum, pair[0])
    })
}

/// The value of a sum of a type, f32 or f16: that of the lower half of its bits.
pub(in crate::isa) fn sum(ty: Type, bits: u32) -> f64 {
    if ty == Type::F32 { f32::from_bits(bits).into() } else { value(Type::F16, bits as u16) }
}

/// The bits of a sum of a type, rounded.
pub(in crate::isa) fn bits(ty: Type, value: f64) -> u32 {
    match ty {
        Type::F32 if value.is_nan() => nan(Type::F32),
        Type::F32 => (value as f32).to_bits(),
        _ => narrow(ty, value, Rounding::Nearest),
    }
}

/// The value of a 16-bit float.
pub(in crate::isa) fn value(ty: Type, bits: u16) -> f64 {
    if ty == Type::BF16 {
        return f32::from_bits(u32::from(bits) << 16).into();
    }
    // With an exponent of 8 bits in place of 5 the value is 2^112 times too small, subnormals
    // included; infinities and NaN have their exponent filled.
    let filled = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    f32::from_bits(magnitude.to_bits() | filled | u32::from(bits & 0x8000) << 16).into()
}
