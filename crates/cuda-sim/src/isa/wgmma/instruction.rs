//! `wgmma.mma_async`: D = A B + D or D = A B, and what orders it.

use super::fragment;
use crate::error::LoadError;
use crate::exec::Lanes;
use crate::isa::decode::Text;
use crate::isa::matrix::Major;
use crate::isa::matrix::product::{self, Right, accumulate};
use crate::isa::program::{Register, Source};
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) enum Wgmma {
    Multiply(Box<Multiply>),
    /// `wgmma.fence`: what registers hold and hold it for is settled.
    Fence,
    /// `wgmma.commit_group`
    Commit,
    /// `wgmma.wait_group`: for all groups but the last few.
    Wait {
        but: u32,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Multiply {
    /// f16 or bf16.
    pub(crate) ty: Type,
    /// f32 or f16.
    pub(crate) sum: Type,
    /// As counters name it.
    pub(crate) shape: &'static str,
    /// Columns of B and D.
    pub(crate) columns: usize,
    /// Read unless D is replaced, and written.
    pub(crate) d: Vec<Register>,
    pub(crate) a: Left,
    /// B's descriptor.
    pub(crate) b: (Source, Major),
    pub(crate) scale_d: ScaleD,
    /// Whether one of A and B is negated.
    negative: bool,
}

/// Where A is.
#[derive(Clone, Debug)]
pub(crate) enum Left {
    Registers([Source; 4]),
    /// Its descriptor.
    Shared(Source, Major),
}

/// Whether D is added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScaleD {
    /// If a predicate holds, or if it does not.
    Predicate(Register, bool),
    Constant(bool),
}

/// Products of a warpgroup for each column of D.
const PRODUCTS_PER_COLUMN: usize = 64 * product::K;

impl Wgmma {
    pub(in crate::isa) fn decode(text: &Text) -> Result<Self, LoadError> {
        let orders = [("fence", Self::Fence), ("commit_group", Self::Commit)];
        for (name, order) in orders {
            if text.eat(name) {
                aligned(text)?;
                text.finish(0)?;
                return Ok(order);
            }
        }
        if text.eat("wait_group") {
            aligned(text)?;
            text.finish(1)?;
            return match text.source(0, Type::U32)? {
                Source::Immediate(but) => Ok(Self::Wait { but: but as u32 }),
                _ => Err(text.refuse("the number of groups is constant")),
            };
        }
        if text.eat("mma_async") {
            return Ok(Self::Multiply(Box::new(Multiply::decode(text)?)));
        }
        Err(text.refuse("not simulated"))
    }
}

impl Multiply {
    fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.eat("sp") {
            return Err(text.refuse("sparse matrices are not simulated"));
        }
        aligned(text)?;
        let shape = text.peek().unwrap_or_default();
        let columns = shape.strip_prefix("m64n").and_then(|rest| rest.strip_suffix("k16"));
        let columns = columns.and_then(|columns| columns.parse().ok());
        let columns = columns.filter(|n: &usize| n.is_multiple_of(8) && (8..=256).contains(n));
        let columns = columns.ok_or_else(|| text.refuse("not a shape that is simulated"))?;
        text.eat(shape);
        let types = [text.ty()?, text.ty()?, text.ty()?];
        let [sum, ty, _] = types;
        let shape = match types {
            [Type::F32, Type::BF16, Type::BF16] => "m64nNk16.f32.bf16",
            [Type::F32, Type::F16, Type::F16] => "m64nNk16.f32.f16",
            [Type::F16, Type::F16, Type::F16] => "m64nNk16.f16.f16",
            _ => return Err(text.refuse("not simulated for these types")),
        };
        // A in shared memory can be transposed, and has one more operand to say so.
        let registers = matches!(text.operand(1)?, Operand::Vector(_));
        text.finish(if registers { 7 } else { 8 })?;
        let d = vector(text, 0, columns / 8 * product::registers(sum))?;
        let d = d.iter().map(|element| text.destination_of(element, Type::B32));
        let a = if registers {
            let [a, b, c, d] = vector(text, 1, 4)? else { unreachable!("it has four elements") };
            let source = |element| text.source_of(element, Type::B32);
            Left::Registers([source(a)?, source(b)?, source(c)?, source(d)?])
        } else {
            let transposed = constant(text, 6, [0, 1])?;
            Left::Shared(text.source(1, Type::B64)?, major(transposed))
        };
        let transposed = constant(text, if registers { 6 } else { 7 }, [0, 1])?;
        let scales = [constant(text, 4, [1, -1])?, constant(text, 5, [1, -1])?];
        Ok(Self {
            ty,
            sum,
            shape,
            columns,
            d: d.collect::<Result<_, _>>()?,
            a,
            b: (text.source(2, Type::B64)?, major(transposed)),
            scale_d: match text.operand(3)? {
                Operand::Integer(_) => ScaleD::Constant(constant(text, 3, [0, 1])? == 1),
                operand => {
                    let (register, negated) = text.predicate_operand(operand)?;
                    ScaleD::Predicate(register, negated)
                }
            },
            negative: scales[0] != scales[1],
        })
    }

    /// The products that the whole warpgroup computes.
    pub(crate) fn products(&self) -> usize {
        PRODUCTS_PER_COLUMN * self.columns
    }

    /// What D's registers hold in the end, of a warp that has these rows of A and B's
    /// panels of 8 columns. `d` is what they held, where D is added to.
    pub(crate) fn compute(
        &self,
        d: Option<&[Lanes<u32>]>,
        a: &product::Left,
        b: &[Right],
    ) -> Vec<Lanes<u32>> {
        let mut a = *a;
        if self.negative {
            a.as_flattened_mut().iter_mut().for_each(|value| *value = -*value);
        }
        let mut sums = match d {
            Some(registers) => fragment::panels(self.sum, registers),
            None => vec![[[0.0; product::N]; product::M]; b.len()],
        };
        for (sums, b) in sums.iter_mut().zip(b) {
            accumulate(sums, &a, b);
        }
        fragment::registers(self.sum, &sums)
    }
}

fn aligned(text: &Text) -> Result<(), LoadError> {
    if text.eat("sync") && text.eat("aligned") {
        return Ok(());
    }
    Err(text.refuse("expected .sync.aligned"))
}

fn major(transposed: i64) -> Major {
    if transposed == 0 { Major::K } else { Major::Mn }
}

/// A constant operand that is one of two.
fn constant(text: &Text, index: usize, choices: [i64; 2]) -> Result<i64, LoadError> {
    match text.operand(index)? {
        Operand::Integer(value) if choices.contains(value) => Ok(*value),
        other => {
            let [one, two] = choices;
            Err(text.refuse(format!("{other} where {one} or {two} is expected")))
        }
    }
}

fn vector<'a>(text: &Text<'a>, index: usize, count: usize) -> Result<&'a [Operand], LoadError> {
    let elements = text.vector(index)?;
    if elements.len() != count {
        return Err(text.refuse(format!("operand {} has {count} registers", index + 1)));
    }
    Ok(elements)
}

#[cfg(test)]
mod tests {
    use super::{Left, Multiply, ScaleD, Wgmma};
    use crate::error::LoadError;
    use crate::exec::Lanes;
    use crate::isa::availability::Edition;
    use crate::isa::decode::{Binding, Scope, Symbols, Text};
    use crate::isa::matrix::descriptor::tests::{canonical, encode, swizzled};
    use crate::isa::matrix::descriptor::{Descriptor, Major};
    use crate::isa::matrix::operand::{left, right};
    use crate::isa::matrix::product;
    use crate::isa::program::{Class, Register, Source};
    use crate::ptx::{StatementKind, Type, parse};

    /// Decodes what stands between the declarations of registers and the end of a kernel.
    fn decode(instruction: &str) -> Result<Wgmma, LoadError> {
        let source = format!(
            ".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry kernel() {{\n\
             .reg .f32 f<128>;\n.reg .b32 r<128>;\n.reg .b64 d<4>;\n.reg .pred p;\n{instruction}\n}}\n"
        );
        let module = parse(&source)?;
        let edition = Edition { version: module.version, target: module.target };
        let symbols = Symbols::new(edition);
        let mut scope = Scope::new(&symbols);
        for statement in module.functions[0].body.as_deref().unwrap() {
            match &statement.kind {
                StatementKind::Registers(declarations) => {
                    for declaration in declarations {
                        let class = Class::of(declaration.ty).unwrap();
                        for index in 0..declaration.count.unwrap_or(1) as u16 {
                            let name = match declaration.count {
                                Some(_) => format!("{}{index}", declaration.name),
                                None => declaration.name.clone(),
                            };
                            let register = Register { class, index };
                            scope.bind(&name, Binding::Register(register, declaration.ty));
                        }
                    }
                }
                StatementKind::Instruction { opcode, operands, .. } => {
                    return Wgmma::decode(&Text::new(statement.line, opcode, operands, &scope));
                }
                _ => {}
            }
        }
        unreachable!("there is an instruction")
    }

    /// `{f0, f1, ...}`
    fn names(prefix: &str, count: usize) -> String {
        let names: Vec<_> = (0..count).map(|index| format!("{prefix}{index}")).collect();
        format!("{{{}}}", names.join(", "))
    }

    fn multiply(instruction: &str) -> Multiply {
        match decode(instruction) {
            Ok(Wgmma::Multiply(multiply)) => *multiply,
            other => panic!("{instruction}: {other:?}"),
        }
    }

    const OF_64: &str = "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16";

    #[test]
    fn operands_are_read() {
        let d = names("f", 32);
        let both = multiply(&format!("{OF_64} {d}, d1, d2, p, 1, -1, 1, 0;"));
        assert_eq!((both.ty, both.sum, both.columns), (Type::BF16, Type::F32, 64));
        assert_eq!((both.d.len(), both.d[31].index, both.negative), (32, 31, true));
        let is = |source, at| matches!(source, Source::Register(register) if register.index == at);
        assert!(matches!(both.a, Left::Shared(a, Major::Mn) if is(a, 1)));
        assert!(matches!(both.b, (b, Major::K) if is(b, 2)));
        let p = Register { class: Class::Predicate, index: 0 };
        assert_eq!(both.scale_d, ScaleD::Predicate(p, false));
        assert_eq!(both.products(), 64 * 64 * 16);

        let one = multiply(&format!("{OF_64} {d}, {}, d2, !p, -1, -1, 1;", names("r", 4)));
        assert!(matches!(one.a, Left::Registers([first, .., last]) if is(first, 0) && is(last, 3)));
        assert!(matches!(one.b, (b, Major::Mn) if is(b, 2)));
        assert_eq!((one.scale_d, one.negative), (ScaleD::Predicate(p, true), false));

        for n in (8..=256).step_by(8) {
            for (types, prefix, count) in [
                ("f32.f16.f16", "f", n / 2),
                ("f32.bf16.bf16", "r", n / 2),
                ("f16.f16.f16", "r", n / 4),
            ] {
                let d = names(prefix, count);
                let text = format!(
                    "wgmma.mma_async.sync.aligned.m64n{n}k16.{types} {d}, d0, d1, 0, 1, 1, 0, 1;"
                );
                let of_n = multiply(&text);
                assert_eq!((of_n.columns, of_n.d.len()), (n, count));
                assert_eq!(of_n.scale_d, ScaleD::Constant(false));
            }
        }
    }

    #[test]
    fn orders_are_read() {
        assert!(matches!(decode("wgmma.fence.sync.aligned;"), Ok(Wgmma::Fence)));
        assert!(matches!(decode("wgmma.commit_group.sync.aligned;"), Ok(Wgmma::Commit)));
        let wait = decode("wgmma.wait_group.sync.aligned 3;");
        assert!(matches!(wait, Ok(Wgmma::Wait { but: 3 })));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let (d, a) = (names("f", 32), names("r", 4));
        let refused = |text: &str, why: &str| {
            let error = decode(text).expect_err(text);
            assert!(error.reason.contains(why), "{text}: {error}");
        };
        let of = |shape: &str| {
            format!("wgmma.mma_async.sync.aligned.{shape} {d}, d1, d2, p, 1, 1, 0, 0;")
        };
        refused(&of("m64n64k8.f32.tf32.tf32"), "shape");
        refused(&of("m64n64k32.f32.e4m3.e4m3"), "shape");
        refused(&of("m64n4k16.f32.f16.f16"), "shape");
        refused(&of("m64n264k16.f32.f16.f16"), "shape");
        refused(&of("m64n12k16.f32.f16.f16"), "shape");
        refused(&of("m64n64k16.f16.bf16.bf16"), "types");
        refused(&of("m64n64k16.f32.f16.bf16"), "types");
        refused(&of("m64n32k16.f32.f16.f16"), "operand 1 has 16 registers");
        refused("wgmma.mma_async.sp.sync.aligned.m64n64k32.f32.f16.f16 d1;", "sparse");
        refused(&format!("{OF_64} {d}, d1, d2, p, 1, 1, 0;"), "7 operands, expected 8");
        refused(&format!("{OF_64} {d}, {a}, d2, p, 1, 1, 0, 0;"), "8 operands, expected 7");
        refused(&format!("{OF_64} {d}, {}, d2, p, 1, 1, 0;", names("r", 3)), "operand 2 has 4");
        refused(&format!("{OF_64} {d}, d1, d2, p, 2, 1, 0, 0;"), "1 or -1");
        refused(&format!("{OF_64} {d}, d1, d2, p, 1, 0, 0, 0;"), "1 or -1");
        refused(&format!("{OF_64} {d}, d1, d2, p, 1, 1, 2, 0;"), "0 or 1");
        refused(&format!("{OF_64} {d}, d1, d2, p, 1, 1, 0, r1;"), "0 or 1");
        refused(&format!("{OF_64} {d}, d1, d2, 2, 1, 1, 0, 0;"), "0 or 1");
        refused(&format!("{OF_64} {d}, r1, d2, p, 1, 1, 0, 0;"), "32 bits");
        refused("wgmma.fence.aligned;", ".sync.aligned");
        refused("wgmma.wait_group.sync.aligned r1;", "constant");
    }

    /// Numbers that look random.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            self.0 >> 33
        }

        /// The bits of a 16-bit float of a magnitude between 1/8 and 8.
        fn float(&mut self, ty: Type) -> u16 {
            let (exponent, fraction) =
                if ty == Type::BF16 { (124 << 7, 0x7f) } else { (12 << 10, 0x3ff) };
            let step = fraction + 1;
            let number = self.next() as u16;
            number & 0x8000 | (exponent + step * (number % 6) + (self.next() as u16 & fraction))
        }
    }

    fn widened(ty: Type, bits: u16) -> f64 {
        match ty {
            Type::BF16 => half::bf16::from_bits(bits).to_f64(),
            _ => half::f16::from_bits(bits).to_f64(),
        }
    }

    /// The nearest number of 11 bits: what follows them is more than `half` looks at.
    fn to_11_bits(value: f64) -> f64 {
        let unit = 2.0_f64.powi(value.abs().log2().floor() as i32 - 10);
        (value / unit).round_ties_even() * unit
    }

    /// A matrix in shared memory, as rows of A or columns of B, of 16 elements each.
    struct Stored {
        bits: Vec<[u16; 16]>,
        memory: Vec<u8>,
        descriptor: Descriptor,
    }

    /// Puts random elements where the canonical layout has them.
    fn stored(numbers: &mut Numbers, ty: Type, major: Major, mode: u64, rows: usize) -> Stored {
        let span = [16, 128, 64, 32][mode as usize];
        let (leading, stride) = match (major, mode) {
            (_, 0) => (128, 256),
            (Major::K, _) => (16, 8 * span),
            (Major::Mn, _) => (16 * span, 8 * span),
        };
        let layout = canonical(major, mode, 32, leading, stride);
        let start = 1024;
        let mut memory = vec![0xff; 1 << 16];
        let mut bits = vec![[0; 16]; rows];
        for (mn, row) in bits.iter_mut().enumerate() {
            for (k, bits) in row.iter_mut().enumerate() {
                *bits = numbers.float(ty);
                let at = swizzled(start + layout.offset(mn as u64, k as u64), mode) as usize;
                memory[at..at + 2].copy_from_slice(&bits.to_le_bytes());
            }
        }
        let descriptor = Descriptor::decode(encode(start, leading, stride, 0, mode)).unwrap();
        Stored { bits, memory, descriptor }
    }

    fn read(memory: &[u8], address: u64) -> Result<[u8; 16], ()> {
        memory.get(address as usize..).and_then(|bytes| bytes.first_chunk()).copied().ok_or(())
    }

    /// The manual's figure: the row and column of element `d<index>` of a lane.
    fn place(lane: usize, index: usize) -> (usize, usize) {
        (lane / 4 + 8 * (index / 2 % 2), 8 * (index / 4) + 2 * (lane % 4) + index % 2)
    }

    fn check(ty: Type, sum: Type, majors: [Major; 2], modes: [u64; 2], n: usize) {
        let mut numbers = Numbers(n as u64 + 7);
        let a = stored(&mut numbers, ty, majors[0], modes[0], 64);
        let b = stored(&mut numbers, ty, majors[1], modes[1], n);
        let types = match (sum, ty) {
            (Type::F32, Type::BF16) => "f32.bf16.bf16",
            (Type::F32, _) => "f32.f16.f16",
            _ => "f16.f16.f16",
        };
        let count = n / 8 * product::registers(sum);
        let text = |scale| {
            let d = names("r", count);
            format!(
                "wgmma.mma_async.sync.aligned.m64n{n}k16.{types} {d}, d1, d2, p, {scale}, 1, 0, 0;"
            )
        };
        let (plus, minus) = (multiply(&text("1")), multiply(&text("-1")));
        let columns = right(&b.descriptor, majors[1], ty, n, |at| read(&b.memory, at)).unwrap();
        for warp in 0..4 {
            let rows = left(&a.descriptor, majors[0], ty, warp, |at| read(&a.memory, at)).unwrap();
            let held: Vec<Lanes<u32>> = (0..count)
                .map(|_| {
                    std::array::from_fn(|_| match sum {
                        Type::F32 => (numbers.next() as f32 / 1e9).to_bits(),
                        _ => u32::from(numbers.float(ty)) << 16 | u32::from(numbers.float(ty)),
                    })
                })
                .collect();
            let results = [
                (0.0, 1.0, plus.compute(None, &rows, &columns)),
                (1.0, 1.0, plus.compute(Some(&held), &rows, &columns)),
                (1.0, -1.0, minus.compute(Some(&held), &rows, &columns)),
            ];
            for (keeps, sign, given) in results {
                assert_eq!(given.len(), count);
                for index in 0..n / 2 {
                    for lane in 0..32 {
                        let element = |registers: &[Lanes<u32>]| match sum {
                            Type::F32 => registers[index][lane],
                            _ => registers[index / 2][lane] >> (16 * (index % 2)) & 0xffff,
                        };
                        let (row, column) = place(lane, index);
                        let mut expected = keeps
                            * match sum {
                                Type::F32 => f64::from(f32::from_bits(element(&held))),
                                _ => widened(sum, element(&held) as u16),
                            };
                        for k in 0..16 {
                            let a = widened(ty, a.bits[16 * warp + row][k]);
                            expected += sign * a * widened(ty, b.bits[column][k]);
                        }
                        let expected = match sum {
                            Type::F32 => (expected as f32).to_bits(),
                            _ => u32::from(half::f16::from_f64(to_11_bits(expected)).to_bits()),
                        };
                        assert_eq!(
                            element(&given),
                            expected,
                            "{majors:?} {modes:?} {row} {column}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn products_are_those_of_the_matrices_stored() {
        for (ty, sum) in [(Type::BF16, Type::F32), (Type::F16, Type::F32), (Type::F16, Type::F16)] {
            for n in [8, 24, 64, 136, 256] {
                check(ty, sum, [Major::K, Major::K], [1, 1], n);
            }
        }
        for of_a in 0..4 {
            for of_b in 0..4 {
                for majors in [[Major::K, Major::Mn], [Major::Mn, Major::K], [Major::Mn, Major::Mn]]
                {
                    check(Type::BF16, Type::F32, majors, [of_a, of_b], 72);
                }
                check(Type::F16, Type::F32, [Major::K, Major::K], [of_a, of_b], 192);
            }
        }
    }

    /// A 128-byte swizzled row has 64 columns: four steps of 16, the start 32 bytes further for each.
    #[test]
    fn starts_are_advanced_within_swizzled_rows() {
        let mut memory = vec![0; 8192];
        for column in 0..16_u16 {
            for k in 0..64 {
                let chunk = (k / 8) ^ (column % 8);
                let at = usize::from(1024 + 128 * column + 16 * chunk + 2 * (k % 8));
                let bits = half::bf16::from_f32(f32::from(64 * (column % 4) + k)).to_bits();
                memory[at..at + 2].copy_from_slice(&bits.to_le_bytes());
            }
        }
        for step in 0..4 {
            let bits = encode(1024, 16, 1024, 0, 1) + 2 * step;
            let descriptor = Descriptor::decode(bits).unwrap();
            let panels =
                right(&descriptor, Major::K, Type::BF16, 16, |at| read(&memory, at)).unwrap();
            for (column, k) in (0..16).flat_map(|column| (0..16).map(move |k| (column, k))) {
                let expected = 64 * (column % 4) + 16 * step as usize + k;
                assert_eq!(panels[column / 8][k][column % 8], expected as f64);
            }
        }
    }

    #[test]
    fn a_read_that_fails_is_told() {
        let stored = stored(&mut Numbers(1), Type::F16, Major::K, 1, 64);
        let memory = &stored.memory[..4096];
        let read = |at| read(memory, at);
        assert!(right(&stored.descriptor, Major::K, Type::F16, 16, read).is_ok());
        assert_eq!(right(&stored.descriptor, Major::K, Type::F16, 64, read), Err(()));
        assert_eq!(left(&stored.descriptor, Major::K, Type::F16, 3, read), Err(()));
    }

    /// A in registers is that of `mma.sync`: the figure for matrix A.
    #[test]
    fn a_in_registers_is_where_the_figure_has_it() {
        let bits = |row: usize, k: usize| half::f16::from_f32((16 * row + k) as f32).to_bits();
        let registers: Vec<Lanes<u32>> = (0..4)
            .map(|register| {
                std::array::from_fn(|lane| {
                    let (row, k) =
                        (lane / 4 + 8 * (register % 2), lane % 4 * 2 + 8 * (register / 2));
                    u32::from(bits(row, k + 1)) << 16 | u32::from(bits(row, k))
                })
            })
            .collect();
        let a = product::left(Type::F16, &registers);
        for (k, column) in a.iter().enumerate() {
            for (row, value) in column.iter().enumerate() {
                assert_eq!(*value, (16 * row + k) as f64);
            }
        }
    }
}
