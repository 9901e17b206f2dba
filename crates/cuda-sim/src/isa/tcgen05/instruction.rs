//! The instruction descriptor of `tcgen05.mma`: the manual's table "Instruction descriptor format for .kind::tf32,
//! .kind::f16, .kind::f8f6f4 and .kind::i8", of which this is the second.

use super::Group;
use crate::isa::matrix::Major;
use crate::ptx::Type;

/// What a descriptor says of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    /// That of A and B: f16 or bf16.
    pub(super) ty: Type,
    /// That of D: f32 or f16.
    pub(super) sum: Type,
    /// Whether one of A and B is negated.
    pub(super) negative: bool,
    pub(super) a: Major,
    pub(super) b: Major,
    /// Rows of A and D.
    pub(super) rows: u32,
    /// Columns of B and D.
    pub(super) columns: u32,
}

impl Instruction {
    /// Fails with what is wrong. Where A is says more than the table: in tensor memory it has one layout alone.
    pub(super) fn decode(
        bits: u32,
        group: Group,
        a_is_in_tensor_memory: bool,
    ) -> Result<Self, &'static str> {
        let field = |at: u32, width: u32| bits >> at & ((1 << width) - 1);
        if field(2, 1) != 0 {
            return Err("bit 2: sparse matrices are not simulated");
        }
        if field(0, 2) != 0 {
            return Err("bits 0 and 1 select the sparsity of a matrix that is dense");
        }
        if field(3, 1) != 0 {
            return Err("bit 3: floats are not saturated");
        }
        if field(6, 1) | field(23, 1) | field(29, 1) != 0 {
            return Err("reserved bits are set");
        }
        if field(30, 2) != 0 {
            return Err("bits 30 and 31: a shift of B is of .ws alone");
        }
        let of = |at| match field(at, 3) {
            0 => Ok(Type::F16),
            1 => Ok(Type::BF16),
            _ => Err("bits 7 to 12: A and B are f16 or bf16"),
        };
        let (ty, other) = (of(7)?, of(10)?);
        if ty != other {
            return Err("bits 7 to 12: A and B of different types are not simulated");
        }
        let sum = match (field(4, 2), ty) {
            (1, _) => Type::F32,
            (0, Type::F16) => Type::F16,
            (0, _) => return Err("bits 4 and 5: products of bf16 are summed in f32"),
            _ => return Err("bits 4 and 5: D is f16 or f32"),
        };
        let major = |at| if field(at, 1) == 0 { Major::K } else { Major::Mn };
        let (a, b) = (major(15), major(16));
        if a == Major::Mn && a_is_in_tensor_memory {
            return Err("bit 15: A in tensor memory cannot be transposed");
        }
        let (rows, columns) = (field(24, 5) << 4, field(17, 6) << 3);
        // The widest of which the manual and CUTLASS say both that there are such products.
        let step = match (group, rows) {
            (Group::One, 64) => 8,
            (Group::One, 128) => 16,
            (Group::Two, 128 | 256) if a_is_in_tensor_memory => 32,
            (Group::Two, 128 | 256) => 16,
            (Group::One, _) => return Err("bits 24 to 28: M is 64 or 128"),
            (Group::Two, _) => return Err("bits 24 to 28: M of two blocks is 128 or 256"),
        };
        if columns == 0 || columns > 256 || columns % step != 0 {
            return Err(match step {
                8 => "bits 17 to 22: N is a multiple of 8 up to 256",
                16 => "bits 17 to 22: N is a multiple of 16 up to 256",
                _ => "bits 17 to 22: N is a multiple of 32 up to 256",
            });
        }
        let negative = field(13, 1) != field(14, 1);
        Ok(Self { ty, sum, negative, a, b, rows, columns })
    }

    /// As counters name it.
    pub(super) fn name(&self, group: Group) -> &'static str {
        let index = match (self.sum, self.ty) {
            (Type::F32, Type::BF16) => 0,
            (Type::F32, _) => 1,
            _ => 2,
        };
        match (group, self.rows) {
            (Group::One, 64) => [
                "tcgen05.m64nNk16.f32.bf16",
                "tcgen05.m64nNk16.f32.f16",
                "tcgen05.m64nNk16.f16.f16",
            ][index],
            (Group::One, _) => [
                "tcgen05.m128nNk16.f32.bf16",
                "tcgen05.m128nNk16.f32.f16",
                "tcgen05.m128nNk16.f16.f16",
            ][index],
            (Group::Two, 128) => [
                "tcgen05.pair.m128nNk16.f32.bf16",
                "tcgen05.pair.m128nNk16.f32.f16",
                "tcgen05.pair.m128nNk16.f16.f16",
            ][index],
            (Group::Two, _) => [
                "tcgen05.pair.m256nNk16.f32.bf16",
                "tcgen05.pair.m256nNk16.f32.f16",
                "tcgen05.pair.m256nNk16.f16.f16",
            ][index],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Group, Instruction};
    use crate::isa::matrix::Major;
    use crate::ptx::Type;

    /// bf16, sums in f32, M = 128, N = 64.
    const BITS: u32 = 1 << 4 | 1 << 7 | 1 << 10 | 64 >> 3 << 17 | 128 >> 4 << 24;

    #[test]
    fn fields_are_read() {
        let decoded = Instruction::decode(BITS | 1 << 13 | 1 << 16, Group::One, false);
        let expected = Instruction {
            ty: Type::BF16,
            sum: Type::F32,
            negative: true,
            a: Major::K,
            b: Major::Mn,
            rows: 128,
            columns: 64,
        };
        assert_eq!(decoded, Ok(expected));
        let both = Instruction::decode(BITS | 3 << 13 | 1 << 15, Group::Two, false);
        assert_eq!(
            both,
            Ok(Instruction { negative: false, a: Major::Mn, b: Major::K, ..expected })
        );
    }

    #[test]
    fn what_means_nothing_is_refused() {
        let refused = |bits, group, in_tensor_memory, why: &str| {
            let reason = Instruction::decode(bits, group, in_tensor_memory).expect_err(why);
            assert!(reason.contains(why), "{bits:#x}: {reason}");
        };
        let plain = |bits, why| refused(bits, Group::One, false, why);
        plain(BITS | 1, "dense");
        plain(BITS | 1 << 2, "sparse");
        plain(BITS | 1 << 3, "saturated");
        plain(BITS & !(1 << 4), "summed in f32");
        plain(BITS | 2 << 4, "D is f16 or f32");
        plain(BITS | 1 << 6, "reserved");
        plain(BITS | 2 << 7, "f16 or bf16");
        plain(BITS | 4 << 10, "f16 or bf16");
        plain(BITS & !(1 << 7), "different types");
        plain(BITS | 1 << 23, "reserved");
        plain(BITS | 1 << 29, "reserved");
        plain(BITS | 1 << 30, ".ws");
        plain(BITS & !(0x3f << 17), "N is");
        plain(BITS + (1 << 17), "multiple of 16");
        plain(BITS | 0x3f << 17, "multiple of 16");
        plain(BITS + (2 << 24), "M is 64 or 128");
        refused(BITS - (4 << 24), Group::Two, false, "M of two blocks");
        refused(BITS + (2 << 17), Group::Two, true, "multiple of 32");
        refused(BITS | 1 << 15, Group::One, true, "transposed");
    }
}
