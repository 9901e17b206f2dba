//! Functions of each lane's values on their own.

use super::program::{Register, Source};
use crate::exec::{Cx, LANES, Stop};

/// Applies a function to values of up to 32 bits.
pub(super) fn words<const N: usize>(
    cx: &mut Cx,
    mask: u32,
    to: Register,
    from: [Source; N],
    f: impl Fn([u32; N]) -> u32,
) -> Result<(), Stop> {
    let mut operands = [[0; LANES]; N];
    for (operand, source) in operands.iter_mut().zip(from) {
        *operand = cx.warp.word(source, mask)?;
    }
    let result = std::array::from_fn(|lane| f(operands.map(|operand| operand[lane])));
    cx.warp.set_word(to, &result, mask);
    Ok(())
}

/// Applies a function to values of 64 bits, or narrower ones that are zero-extended.
pub(super) fn doubles<const N: usize>(
    cx: &mut Cx,
    mask: u32,
    to: Register,
    from: [Source; N],
    f: impl Fn([u64; N]) -> u64,
) -> Result<(), Stop> {
    let mut operands = [[0; LANES]; N];
    for (operand, source) in operands.iter_mut().zip(from) {
        *operand = cx.warp.double(source, mask)?;
    }
    let result = std::array::from_fn(|lane| f(operands.map(|operand| operand[lane])));
    cx.warp.set_double(to, &result, mask);
    Ok(())
}
