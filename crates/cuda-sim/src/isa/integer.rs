//! Integer and bit arithmetic.

use super::decode::Text;
use super::lanewise::{doubles, words};
use super::program::{Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, Stop};
use crate::ptx::Type;

/// `add`, `mul`, `and`, `shl`, …: a function of up to four integers.
#[derive(Clone, Debug)]
pub(crate) struct Integer {
    function: Function,
    /// The operands' type.
    ty: Type,
    to: Register,
    from: [Source; 4],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    /// `.sat`: the nearest value there is in place of one that there is not.
    Add {
        saturate: bool,
    },
    Sub {
        saturate: bool,
    },
    MulLo,
    MulHi,
    MulWide,
    MadLo,
    MadHi,
    MadWide,
    /// The low or the high 32 of the 48 bits of a product of 24-bit factors.
    Mul24 {
        high: bool,
    },
    Mad24 {
        high: bool,
    },
    /// The third operand plus how far the first two are apart.
    Sad,
    /// The third operand plus the products of four pairs of bytes, which may be signed.
    Dp4a {
        a: bool,
        b: bool,
    },
    Div,
    Rem,
    Min,
    Max,
    Abs,
    Neg,
    And,
    Or,
    Xor,
    Not,
    /// Whether it is 0.
    CNot,
    Shl,
    Shr,
    Popc,
    Clz,
    /// Where the highest bit is that is not the sign's, or how far it is from the top.
    Bfind {
        shift: bool,
    },
    Brev,
    Bfe,
    Bfi,
    Lop3(u8),
    /// Whether to the left, and whether a shift of 32 or more stops at 32.
    Funnel {
        left: bool,
        clamp: bool,
    },
    Prmt(Pattern),
}

/// How `prmt` chooses its four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    /// Each by four bits of its own.
    Index,
    /// All by one number, as the manual's table says: a selector for each value of it.
    Table([u32; 4]),
}

impl Integer {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        use Function::*;
        let half = |lo, hi, wide| {
            text.one_of(&[("lo", lo), ("hi", hi), ("wide", wide)])
                .ok_or_else(|| text.refuse("expected .lo, .hi or .wide"))
        };
        let function = match text.mnemonic() {
            "add" => Add { saturate: text.eat("sat") },
            "sub" => Sub { saturate: text.eat("sat") },
            "mul24" | "mad24" => {
                let high = text.one_of(&[("lo", false), ("hi", true)]);
                let high = high.ok_or_else(|| text.refuse("expected .lo or .hi"))?;
                if text.mnemonic() == "mul24" { Mul24 { high } } else { Mad24 { high } }
            }
            "sad" => Sad,
            "dp4a" => Dp4a { a: false, b: false },
            "cnot" => CNot,
            "bfind" => Bfind { shift: text.eat("shiftamt") },
            "mul" => half(MulLo, MulHi, MulWide)?,
            "mad" => half(MadLo, MadHi, MadWide)?,
            "div" => Div,
            "rem" => Rem,
            "min" => Min,
            "max" => Max,
            "abs" => Abs,
            "neg" => Neg,
            "and" => And,
            "or" => Or,
            "xor" => Xor,
            "not" => Not,
            "shl" => Shl,
            "shr" => Shr,
            "popc" => Popc,
            "clz" => Clz,
            "brev" => Brev,
            "bfe" => Bfe,
            "bfi" => Bfi,
            "lop3" => Lop3(0),
            "prmt" => Prmt(Pattern::Index),
            "shf" => {
                let left = text.one_of(&[("l", true), ("r", false)]);
                let clamp = text.one_of(&[("clamp", true), ("wrap", false)]);
                match (left, clamp) {
                    (Some(left), Some(clamp)) => Funnel { left, clamp },
                    _ => return Err(text.refuse("expected .l or .r, then .clamp or .wrap")),
                }
            }
            _ => return Err(text.refuse("not simulated")),
        };
        let ty = text.ty()?;
        let function = match function {
            Dp4a { .. } => Dp4a { a: ty.is_signed(), b: text.ty()?.is_signed() },
            // Its modifier follows its type.
            Prmt(_) => Prmt(text.one_of(&PATTERNS).map_or(Pattern::Index, Pattern::Table)),
            function => function,
        };
        if ty == Type::Pred {
            return Err(text.refuse("logic of predicates is decoded elsewhere"));
        }
        let wide = match function {
            MulWide | MadWide => match ty {
                Type::U16 => Some(Type::U32),
                Type::S16 => Some(Type::S32),
                Type::U32 => Some(Type::U64),
                Type::S32 => Some(Type::S64),
                _ => return Err(text.refuse("a wide product is of 16 or 32 bits")),
            },
            Popc | Clz | Bfind { .. } => Some(Type::U32),
            _ => None,
        };
        let to = text.destination(0, wide.unwrap_or(ty))?;
        let source = |index, ty| text.source(index, ty);
        let none = Source::Immediate(0);
        let (count, from) = match function {
            Abs | Neg | Not | CNot | Popc | Clz | Brev | Bfind { .. } => {
                (2, [source(1, ty)?, none, none, none])
            }
            Shl | Shr => (3, [source(1, ty)?, source(2, Type::U32)?, none, none]),
            Add { .. }
            | Sub { .. }
            | MulLo
            | MulHi
            | MulWide
            | Mul24 { .. }
            | Div
            | Rem
            | Min
            | Max
            | And
            | Or
            | Xor => (3, [source(1, ty)?, source(2, ty)?, none, none]),
            MadLo | MadHi | Mad24 { .. } | Sad | Dp4a { .. } => {
                (4, [source(1, ty)?, source(2, ty)?, source(3, ty)?, none])
            }
            MadWide => {
                let sum = source(3, wide.unwrap_or(ty))?;
                (4, [source(1, ty)?, source(2, ty)?, sum, none])
            }
            Bfe => (4, [source(1, ty)?, source(2, Type::U32)?, source(3, Type::U32)?, none]),
            Funnel { .. } | Prmt(_) => {
                (4, [source(1, ty)?, source(2, ty)?, source(3, Type::U32)?, none])
            }
            Lop3(_) => (5, [source(1, ty)?, source(2, ty)?, source(3, ty)?, none]),
            Bfi => {
                let [start, len] = [source(3, Type::U32)?, source(4, Type::U32)?];
                (5, [source(1, ty)?, source(2, ty)?, start, len])
            }
        };
        text.finish(count)?;
        let function = match function {
            Lop3(_) => match text.source(4, Type::U32)? {
                Source::Immediate(table) => Lop3(table as u8),
                _ => return Err(text.refuse("the table is constant")),
            },
            function => function,
        };
        let bits = ty.bits();
        let of_bits = matches!(ty, Type::B16 | Type::B32 | Type::B64);
        let is_known = match function {
            Funnel { .. } | Prmt(_) | Lop3(_) => ty == Type::B32,
            Mul24 { .. } | Mad24 { .. } | Dp4a { .. } => matches!(ty, Type::U32 | Type::S32),
            Add { saturate: true } | Sub { saturate: true } => ty == Type::S32,
            Shl | And | Or | Xor | Not | CNot => of_bits,
            Popc | Clz | Brev | Bfi => of_bits && bits >= 32,
            Bfe | Bfind { .. } => !of_bits && bits >= 32,
            Abs | Neg => ty.is_signed() && bits >= 16,
            Shr => bits >= 16,
            _ => !of_bits && bits >= 16,
        };
        if !is_known || ty.is_float() {
            return Err(text.refuse("not an instruction of this type"));
        }
        Ok(Self { function, ty, to, from })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        use Function::*;
        let Self { function, ty, to, from } = *self;
        let ([a, b, c, _], bits, signed) = (from, ty.bits(), ty.is_signed());
        match (function, bits) {
            (MulWide, 32) => {
                return doubles(cx, mask, to, [a, b], |[a, b]| wide_product(a, b, signed));
            }
            (MadWide, 32) => {
                return doubles(cx, mask, to, [a, b, c], |[a, b, c]| {
                    wide_product(a, b, signed).wrapping_add(c)
                });
            }
            (Popc | Clz | Bfind { .. }, 64) => {
                let count = |value: u64| match function {
                    Popc => value.count_ones(),
                    Clz => value.leading_zeros(),
                    Bfind { shift } => highest(value, 64, signed, shift),
                    _ => unreachable!("one of these three"),
                };
                let value = cx.warp.double(a, mask)?.map(count);
                cx.warp.set_word(to, &value, mask);
                return Ok(());
            }
            // What kernels are made of, without a detour through 64 bits.
            (Add { saturate: false }, 32) => {
                return words(cx, mask, to, [a, b], |[a, b]| a.wrapping_add(b));
            }
            (And, 32) => return words(cx, mask, to, [a, b], |[a, b]| a & b),
            (Funnel { left, clamp }, _) => {
                return words(cx, mask, to, [a, b, c], |[low, high, by]| {
                    let by = if clamp { by.min(32) } else { by % 32 };
                    let pair = u64::from(high) << 32 | u64::from(low);
                    if left { (pair << by >> 32) as u32 } else { (pair >> by) as u32 }
                });
            }
            _ => {}
        }
        // Every function of one width: on 64-bit integers, of which the low bits are kept.
        let narrow = move |value: u64| value & (u64::MAX >> (64 - bits));
        let extend = move |value: u64| {
            if signed {
                ((value << (64 - bits)) as i64 >> (64 - bits)) as u64
            } else {
                narrow(value)
            }
        };
        let f = move |[a, b, c, d]: [u64; 4]| {
            let (sa, sb, sc) = (extend(a) as i64, extend(b) as i64, extend(c));
            let (ua, ub) = (extend(a), extend(b));
            narrow(match function {
                Add { saturate: true } => saturated(sa + sb),
                Add { .. } => ua.wrapping_add(ub),
                Sub { saturate: true } => saturated(sa - sb),
                Sub { .. } => ua.wrapping_sub(ub),
                Mul24 { high } => product_24(a, b, signed, high),
                Mad24 { high } => product_24(a, b, signed, high).wrapping_add(c),
                Sad if signed => (c as i64).wrapping_add_unsigned(sa.abs_diff(sb)) as u64,
                Sad => c.wrapping_add(ua.abs_diff(ub)),
                Dp4a { a: of_a, b: of_b } => c.wrapping_add(dot(a, b, of_a, of_b)),
                MulLo => ua.wrapping_mul(ub),
                MadLo => ua.wrapping_mul(ub).wrapping_add(sc),
                MulHi => high_product(ua, ub, bits, signed),
                MadHi => high_product(ua, ub, bits, signed).wrapping_add(sc),
                MulWide => sa.wrapping_mul(sb) as u64,
                MadWide => (sa.wrapping_mul(sb) as u64).wrapping_add(c),
                // Division by zero gives all ones, and so does its remainder, as on the hardware.
                Div if narrow(b) == 0 => u64::MAX,
                Div if signed => sa.wrapping_div(sb) as u64,
                Div => ua / ub,
                Rem if narrow(b) == 0 => u64::MAX,
                Rem if signed => sa.wrapping_rem(sb) as u64,
                Rem => ua % ub,
                Min if signed => sa.min(sb) as u64,
                Min => ua.min(ub),
                Max if signed => sa.max(sb) as u64,
                Max => ua.max(ub),
                Abs => sa.wrapping_abs() as u64,
                Neg => sa.wrapping_neg() as u64,
                And => a & b,
                Or => a | b,
                Xor => a ^ b,
                Not => !a,
                CNot => u64::from(narrow(a) == 0),
                Shl => {
                    if b as u32 >= bits {
                        0
                    } else {
                        a << b as u32
                    }
                }
                Shr if signed => (sa >> (b as u32).min(63)) as u64,
                Shr => {
                    if b as u32 >= bits {
                        0
                    } else {
                        narrow(a) >> b as u32
                    }
                }
                Popc => u64::from(narrow(a).count_ones()),
                Clz => u64::from(narrow(a).leading_zeros() - (64 - bits)),
                Bfind { shift } => highest(a, bits, signed, shift).into(),
                Brev => a.reverse_bits() >> (64 - bits),
                Bfe => extract(narrow(a), position(b, bits), position(c, bits), bits, signed),
                Bfi => insert(a, b, position(c, bits), position(d, bits), bits),
                Lop3(table) => look_up(table, a, b, c),
                Prmt(Pattern::Index) => permute(a as u32, b as u32, c as u32).into(),
                Prmt(Pattern::Table(table)) => {
                    permute(a as u32, b as u32, table[c as usize & 3]).into()
                }
                Funnel { .. } => unreachable!("done above"),
            })
        };
        match (function, bits) {
            // The low 16 bits of a word are kept; a wide product of 16 bits keeps all of it.
            (MulWide | MadWide, 16) => words(cx, mask, to, [a, b, c], |[a, b, c]| {
                let sign = |v: u32| if signed { i32::from(v as i16) } else { i32::from(v as u16) };
                let product = sign(a).wrapping_mul(sign(b)) as u32;
                if function == MadWide { product.wrapping_add(c) } else { product }
            }),
            (_, 64) => doubles(cx, mask, to, from, f),
            _ => words(cx, mask, to, from, |operands| f(operands.map(u64::from)) as u32),
        }
    }
}

/// The modes of `prmt`, and for each value of its third operand the bytes they choose.
const PATTERNS: [(&str, [u32; 4]); 6] = [
    ("f4e", [0x3210, 0x4321, 0x5432, 0x6543]),
    ("b4e", [0x5670, 0x6701, 0x7012, 0x0123]),
    ("rc8", [0x0000, 0x1111, 0x2222, 0x3333]),
    ("ecl", [0x3210, 0x3211, 0x3222, 0x3333]),
    ("ecr", [0x0000, 0x1110, 0x2210, 0x3210]),
    ("rc16", [0x1010, 0x3232, 0x1010, 0x3232]),
];

/// The nearest integer of 32 bits.
fn saturated(value: i64) -> u64 {
    value.clamp(i32::MIN.into(), i32::MAX.into()) as u64
}

/// `mul24`: the low or the high 32 of the 48 bits of the product of the operands' low 24.
fn product_24(a: u64, b: u64, signed: bool, high: bool) -> u64 {
    let [a, b] = [a, b].map(|value| match signed {
        true => (value << 40) as i64 >> 40,
        false => (value & 0xff_ffff) as i64,
    });
    (if high { (a * b) >> 16 } else { a * b }) as u64
}

/// The sum of the products of the bytes of two words.
fn dot(a: u64, b: u64, a_signed: bool, b_signed: bool) -> u64 {
    let byte = |word: u64, index: u32, signed: bool| {
        let byte = (word >> (8 * index)) as u8;
        if signed { i64::from(byte as i8) } else { i64::from(byte) }
    };
    (0..4).map(|index| byte(a, index, a_signed) * byte(b, index, b_signed)).sum::<i64>() as u64
}

/// `bfind`: the position of the highest bit that differs from the sign, or how far that is from the
/// top; all ones if there is none.
fn highest(value: u64, bits: u32, signed: bool, shift: bool) -> u32 {
    let value = value << (64 - bits);
    let value = if signed && (value as i64) < 0 { !value } else { value };
    let value = value >> (64 - bits) << (64 - bits);
    match value.leading_zeros() {
        64 => u32::MAX,
        from_top if shift => from_top,
        from_top => bits - 1 - from_top,
    }
}

fn wide_product(a: u64, b: u64, signed: bool) -> u64 {
    if signed {
        (i64::from(a as i32) * i64::from(b as i32)) as u64
    } else {
        u64::from(a as u32) * u64::from(b as u32)
    }
}

/// The upper half of a product of extended operands.
fn high_product(a: u64, b: u64, bits: u32, signed: bool) -> u64 {
    if signed {
        ((i128::from(a as i64) * i128::from(b as i64)) >> bits) as u64
    } else {
        ((u128::from(a) * u128::from(b)) >> bits) as u64
    }
}

/// A position or a length. The manual allows values below 256; of others the hardware takes the low
/// 8 bits in a word, and all bits in a double word.
fn position(value: u64, bits: u32) -> u32 {
    if bits == 32 { value as u32 & 0xff } else { value as u32 }
}

/// `bfe`: `len` bits from `start` on, extended by their last bit's value if signed.
fn extract(value: u64, start: u32, len: u32, bits: u32, signed: bool) -> u64 {
    let last = start.saturating_add(len).min(bits).saturating_sub(1);
    let sign = signed && len > 0 && value >> last & 1 != 0;
    let fill = if sign { u64::MAX } else { 0 };
    let field = if start >= bits { 0 } else { value >> start };
    let kept = bits.saturating_sub(start).min(len);
    let mask = if kept == 0 { 0 } else { u64::MAX >> (64 - kept) };
    field & mask | fill & !mask
}

/// `bfi`: the low `len` bits of `a` in place of those of `b` from `start` on.
fn insert(a: u64, b: u64, start: u32, len: u32, bits: u32) -> u64 {
    let kept = bits.saturating_sub(start).min(len);
    if kept == 0 {
        return b;
    }
    let mask = u64::MAX >> (64 - kept) << start;
    b & !mask | a << start & mask
}

/// `lop3`: each bit looked up in a table by the three operands' bits.
fn look_up(table: u8, a: u64, b: u64, c: u64) -> u64 {
    let chosen = |index: u32| if table >> index & 1 != 0 { u64::MAX } else { 0 };
    let pick = |value: u64, set: bool| if set { value } else { !value };
    (0..8).fold(0, |result, index| {
        let [a, b, c] = [(a, 4), (b, 2), (c, 1)].map(|(v, bit)| pick(v, index & bit != 0));
        result | a & b & c & chosen(index)
    })
}

/// `prmt`: each byte chosen of the eight of two words, or its sign spread over the byte.
fn permute(a: u32, b: u32, selectors: u32) -> u32 {
    let bytes = u64::from(b) << 32 | u64::from(a);
    (0..4).fold(0, |result, index| {
        let selector = selectors >> (4 * index);
        let byte = (bytes >> (8 * (selector & 7))) as u8;
        let byte = if selector & 8 != 0 { ((byte as i8) >> 7) as u8 } else { byte };
        result | u32::from(byte) << (8 * index)
    })
}
