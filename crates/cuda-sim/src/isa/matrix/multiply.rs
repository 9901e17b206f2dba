//! `mma.sync`: D = A B + C.
//!
//! The hardware's order of summation and its rounding in between are not documented. Here a product of
//! two 16-bit floats is exact, and C and the products are summed in f64 by ascending k; the sum is rounded
//! once, to nearest, to D's type. So it is nearer to the true sum than the hardware may be.

use super::{count, rows, whole_warp};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Stop};
use crate::isa::decode::Text;
use crate::isa::program::{Register, Source};
use crate::isa::rounding::{Rounding, narrow, widen};
use crate::ptx::Type;

#[derive(Clone, Debug)]
pub(crate) struct Multiply {
    /// f16 or bf16.
    ty: Type,
    /// f32 or f16.
    sum: Type,
    shape: &'static str,
    to: Vec<Register>,
    a: Vec<Source>,
    b: Vec<Source>,
    c: Vec<Source>,
}

/// Rows of A, columns of B, and the most columns of A.
const M: usize = 16;
const N: usize = 8;
const K: usize = 16;

impl Multiply {
    pub(in crate::isa) fn decode(text: &Text) -> Result<Self, LoadError> {
        if !(text.eat("sync") && text.eat("aligned")) {
            return Err(text.refuse("expected .sync.aligned"));
        }
        let shape = text.one_of(&[("m16n8k16", 16), ("m16n8k8", 8)]);
        let k = shape.ok_or_else(|| text.refuse("not a shape that is simulated"))?;
        if !(text.eat("row") && text.eat("col")) {
            return Err(text.refuse("expected .row.col"));
        }
        let types = [text.ty()?, text.ty()?, text.ty()?, text.ty()?];
        text.finish(4)?;
        let (ty, sum, shape) = match (types, k) {
            ([Type::F32, Type::BF16, Type::BF16, Type::F32], 16) => {
                (Type::BF16, Type::F32, "m16n8k16.f32.bf16")
            }
            ([Type::F32, Type::BF16, Type::BF16, Type::F32], 8) => {
                (Type::BF16, Type::F32, "m16n8k8.f32.bf16")
            }
            ([Type::F32, Type::F16, Type::F16, Type::F32], 16) => {
                (Type::F16, Type::F32, "m16n8k16.f32.f16")
            }
            ([Type::F32, Type::F16, Type::F16, Type::F32], 8) => {
                (Type::F16, Type::F32, "m16n8k8.f32.f16")
            }
            ([Type::F16, Type::F16, Type::F16, Type::F16], 16) => {
                (Type::F16, Type::F16, "m16n8k16.f16.f16")
            }
            ([Type::F16, Type::F16, Type::F16, Type::F16], 8) => {
                (Type::F16, Type::F16, "m16n8k8.f16.f16")
            }
            _ => return Err(text.refuse("not simulated for these types")),
        };
        let of_sum = if sum == Type::F32 { 4 } else { 2 };
        let registers = |operand: usize, count: usize| {
            let elements = text.vector(operand)?;
            if elements.len() != count {
                return Err(text.refuse(format!("operand {} has {count} registers", operand + 1)));
            }
            Ok(elements)
        };
        let sources = |operand, count, ty| -> Result<Vec<Source>, LoadError> {
            registers(operand, count)?.iter().map(|element| text.source_of(element, ty)).collect()
        };
        let to = registers(0, of_sum)?.iter();
        let to = to.map(|element| text.destination_of(element, Type::B32));
        let c = if sum == Type::F32 { Type::F32 } else { Type::B32 };
        Ok(Self {
            ty,
            sum,
            shape,
            to: to.collect::<Result<_, _>>()?,
            a: sources(1, k / 4, Type::B32)?,
            b: sources(2, k / 8, Type::B32)?,
            c: sources(3, of_sum, c)?,
        })
    }

    pub(in crate::isa) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        whole_warp(mask)?;
        // A's columns beyond its own stay zero, and so add nothing. It is stored by columns.
        let mut a = [[0.0_f64; M]; K];
        let mut b = [[0.0_f64; N]; K];
        for (index, source) in self.a.iter().enumerate() {
            let (top, left) = (8 * (index % 2), 8 * (index / 2));
            for (row, values) in rows(&cx.warp.word(*source, mask)?).iter().enumerate() {
                for (column, bits) in values.iter().enumerate() {
                    a[left + column][top + row] = value(self.ty, *bits);
                }
            }
        }
        for (index, source) in self.b.iter().enumerate() {
            // The fragment's rows are B's columns.
            for (column, values) in rows(&cx.warp.word(*source, mask)?).iter().enumerate() {
                for (row, bits) in values.iter().enumerate() {
                    b[8 * index + row][column] = value(self.ty, *bits);
                }
            }
        }
        let mut sums = self.sums(cx, mask)?;
        let depth = 8 * self.b.len();
        for (a, b) in a.iter().zip(&b).take(depth) {
            for (sums, a) in sums.iter_mut().zip(a) {
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum += a * b;
                }
            }
        }
        self.put(cx, &sums);
        count(cx, self.shape, M * N * depth);
        Ok(())
    }

    /// C.
    fn sums(&self, cx: &Cx, mask: u32) -> Result<[[f64; N]; M], Stop> {
        let mut sums = [[0.0; N]; M];
        for (index, source) in self.c.iter().enumerate() {
            let words = cx.warp.word(*source, mask)?;
            for (lane, word) in words.into_iter().enumerate() {
                let (row, column) = (lane / 4, lane % 4 * 2);
                if self.sum == Type::F32 {
                    sums[row + 8 * (index / 2)][column + index % 2] = f32::from_bits(word).into();
                } else {
                    sums[row + 8 * index][column] = widen(Type::F16, word & 0xffff);
                    sums[row + 8 * index][column + 1] = widen(Type::F16, word >> 16);
                }
            }
        }
        Ok(sums)
    }

    /// D.
    fn put(&self, cx: &mut Cx, sums: &[[f64; N]; M]) {
        for (index, to) in self.to.iter().enumerate() {
            let mut words = [0; LANES];
            for (lane, word) in words.iter_mut().enumerate() {
                let (row, column) = (lane / 4, lane % 4 * 2);
                let bits = |row: usize, column: usize| {
                    narrow(self.sum, sums[row][column], Rounding::Nearest)
                };
                *word = if self.sum == Type::F32 {
                    bits(row + 8 * (index / 2), column + index % 2)
                } else {
                    let row = row + 8 * index;
                    bits(row, column + 1) << 16 | bits(row, column)
                };
            }
            cx.warp.set_word(*to, &words, u32::MAX);
        }
    }
}

/// The value of a 16-bit float.
fn value(ty: Type, bits: u16) -> f64 {
    if ty == Type::BF16 {
        return f32::from_bits(u32::from(bits) << 16).into();
    }
    // With an exponent of 8 bits in place of 5 the value is 2^112 times too small, subnormals
    // included; infinities and NaN have their exponent filled.
    let filled = if bits & 0x7c00 == 0x7c00 { 0x7f80_0000 } else { 0 };
    let magnitude = f32::from_bits(u32::from(bits & 0x7fff) << 13) * f32::from_bits(0x7780_0000);
    f32::from_bits(magnitude.to_bits() | filled | u32::from(bits & 0x8000) << 16).into()
}
