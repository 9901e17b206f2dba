//! `mma.sync`: D = A B + C.

use super::product::{self, K, M, N, value};
use super::{count, rows, whole_warp};
use crate::error::LoadError;
use crate::exec::{Cx, Lanes, Stop};
use crate::isa::decode::Text;
use crate::isa::program::{Register, Source};
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
        let of_sum = product::registers(sum);
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
        // Registers of pairs, or of bits.
        let pairs = if ty == Type::F16 { Type::F16x2 } else { Type::BF16x2 };
        let c = if sum == Type::F32 { Type::F32 } else { Type::F16x2 };
        let to = registers(0, of_sum)?.iter();
        let to = to.map(|element| text.destination_of(element, c));
        Ok(Self {
            ty,
            sum,
            shape,
            to: to.collect::<Result<_, _>>()?,
            a: sources(1, k / 4, pairs)?,
            b: sources(2, k / 8, pairs)?,
            c: sources(3, of_sum, c)?,
        })
    }

    pub(in crate::isa) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        whole_warp(mask)?;
        let words = |sources: &[Source]| -> Result<Vec<Lanes<u32>>, Stop> {
            sources.iter().map(|source| cx.warp.word(*source, mask)).collect()
        };
        // A's columns beyond its own stay zero, and are not used.
        let a = product::left(self.ty, &words(&self.a)?);
        let mut b: product::Right = [[0.0; N]; K];
        for (index, words) in words(&self.b)?.iter().enumerate() {
            // The fragment's rows are B's columns.
            for (column, values) in rows(words).iter().enumerate() {
                for (row, bits) in values.iter().enumerate() {
                    b[8 * index + row][column] = value(self.ty, *bits);
                }
            }
        }
        let mut sums = product::sums(self.sum, &words(&self.c)?);
        let depth = 8 * self.b.len();
        product::accumulate(&mut sums, &a[..depth], &b[..depth]);
        for (index, to) in self.to.iter().enumerate() {
            cx.warp.set_word(*to, &product::register(self.sum, &sums, index), u32::MAX);
        }
        count(cx, self.shape, M * N * depth, 0);
        Ok(())
    }
}
