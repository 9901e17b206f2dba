//! Integer and bit arithmetic.

use super::decode::Text;
use super::lanewise::{doubles, words};
use super::program::{Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, Stop};
use crate::ptx::Type;

/// `add`, `mul`, `and`, `shl`, …: a function of up to three integers.
#[derive(Clone, Debug)]
pub(crate) struct Integer {
    function: Function,
    /// The operands' type.
    ty: Type,
    to: Register,
    from: [Source; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Add,
    Sub,
    MulLo,
    MulHi,
    MulWide,
    MadLo,
    MadHi,
    MadWide,
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
    Shl,
    Shr,
    Popc,
    Clz,
    Brev,
    Bfe,
    Bfi,
    Lop3(u8),
    /// Whether to the left, and whether a shift of 32 or more stops at 32.
    Funnel {
        left: bool,
        clamp: bool,
    },
    Prmt,
}

impl Integer {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        use Function::*;
        let half = |lo, hi, wide| {
            text.one_of(&[("lo", lo), ("hi", hi), ("wide", wide)])
                .ok_or_else(|| text.refuse("expected .lo, .hi or .wide"))
        };
        let function = match text.mnemonic() {
            "add" => Add,
            "sub" => Sub,
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
            "prmt" => Prmt,
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
            Popc | Clz => Some(Type::U32),
            _ => None,
        };
        let to = text.destination(0, wide.unwrap_or(ty))?;
        let source = |index, ty| text.source(index, ty);
        let none = Source::Immediate(0);
        let (count, from) = match function {
            Abs | Neg | Not | Popc | Clz | Brev => (2, [source(1, ty)?, none, none]),
            Shl | Shr => (3, [source(1, ty)?, source(2, Type::U32)?, none]),
            Add | Sub | MulLo | MulHi | MulWide | Div | Rem | Min | Max | And | Or | Xor => {
                (3, [source(1, ty)?, source(2, ty)?, none])
            }
            MadLo | MadHi => (4, [source(1, ty)?, source(2, ty)?, source(3, ty)?]),
            MadWide => (4, [source(1, ty)?, source(2, ty)?, source(3, wide.unwrap_or(ty))?]),
            Bfe => (4, [source(1, ty)?, source(2, Type::U32)?, source(3, Type::U32)?]),
            Funnel { .. } | Prmt => (4, [source(1, ty)?, source(2, ty)?, source(3, Type::U32)?]),
            Lop3(_) => (5, [source(1, ty)?, source(2, ty)?, source(3, ty)?]),
            Bfi => {
                // Four values: the start and the length share a word, each below 256.
                let [start, len] = [text.source(3, Type::U32)?, text.source(4, Type::U32)?];
                let (Source::Immediate(start), Source::Immediate(len)) = (start, len) else {
                    return Err(text.refuse("only constant positions are simulated"));
                };
                let field = Source::Immediate(start & 0xff | (len & 0xff) << 8);
                (5, [source(1, ty)?, source(2, ty)?, field])
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
        let is_known = match function {
            Funnel { .. } | Prmt | Lop3(_) => ty == Type::B32,
            Shl | And | Or | Xor | Not | Brev | Bfi => ty.bits() >= 16,
            _ => ty.bits() >= 16 || matches!(function, MulLo),
        };
        if !is_known {
            return Err(text.refuse("not an instruction of this type"));
        }
        Ok(Self { function, ty, to, from })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        use Function::*;
        let Self { function, ty, to, from } = *self;
        let ([a, b, _], bits, signed) = (from, ty.bits(), ty.is_signed());
        match (function, bits) {
            (MulWide, 32) => {
                return doubles(cx, mask, to, [a, b], |[a, b]| wide_product(a, b, signed));
            }
            (MadWide, 32) => {
                return doubles(cx, mask, to, from, |[a, b, c]| {
                    wide_product(a, b, signed).wrapping_add(c)
                });
            }
            (Popc, 64) => {
                let value = cx.warp.double(a, mask)?.map(u64::count_ones);
                cx.warp.set_word(to, &value, mask);
                return Ok(());
            }
            (Clz, 64) => {
                let value = cx.warp.double(a, mask)?.map(u64::leading_zeros);
                cx.warp.set_word(to, &value, mask);
                return Ok(());
            }
            (Funnel { left, clamp }, _) => {
                return words(cx, mask, to, from, |[low, high, by]| {
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
        let f = move |[a, b, c]: [u64; 3]| {
            let (sa, sb, sc) = (extend(a) as i64, extend(b) as i64, extend(c));
            let (ua, ub) = (extend(a), extend(b));
            narrow(match function {
                Add => ua.wrapping_add(ub),
                Sub => ua.wrapping_sub(ub),
                MulLo => ua.wrapping_mul(ub),
                MadLo => ua.wrapping_mul(ub).wrapping_add(sc),
                MulHi => high_product(ua, ub, bits, signed),
                MadHi => high_product(ua, ub, bits, signed).wrapping_add(sc),
                MulWide => sa.wrapping_mul(sb) as u64,
                MadWide => (sa.wrapping_mul(sb) as u64).wrapping_add(c),
                // Division by zero gives all ones, as the hardware does.
                Div if narrow(b) == 0 => u64::MAX,
                Div if signed => sa.wrapping_div(sb) as u64,
                Div => ua / ub,
                Rem if narrow(b) == 0 => ua,
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
                Brev => a.reverse_bits() >> (64 - bits),
                Bfe => extract(narrow(a), b as u8, c as u8, bits, signed),
                Bfi => insert(a, b, c as u8, (c >> 8) as u8, bits),
                Lop3(table) => look_up(table, a, b, c),
                Prmt => permute(a as u32, b as u32, c as u32).into(),
                Funnel { .. } => unreachable!("done above"),
            })
        };
        match (function, bits) {
            // The low 16 bits of a word are kept; a wide product of 16 bits keeps all of it.
            (MulWide | MadWide, 16) => words(cx, mask, to, from, |[a, b, c]| {
                let sign = |v: u32| if signed { i32::from(v as i16) } else { i32::from(v as u16) };
                let product = sign(a).wrapping_mul(sign(b)) as u32;
                if function == MadWide { product.wrapping_add(c) } else { product }
            }),
            (_, 64) => doubles(cx, mask, to, from, f),
            _ => words(cx, mask, to, from, |operands| f(operands.map(u64::from)) as u32),
        }
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

/// `bfe`: `len` bits from `start` on, extended by their last bit's value if signed.
fn extract(value: u64, start: u8, len: u8, bits: u32, signed: bool) -> u64 {
    let last = (u32::from(start) + u32::from(len)).min(bits).saturating_sub(1);
    let sign = signed && len > 0 && value >> last & 1 != 0;
    let fill = if sign { u64::MAX } else { 0 };
    let field = if u32::from(start) >= bits { 0 } else { value >> start };
    let kept = bits.saturating_sub(start.into()).min(len.into());
    let mask = if kept == 0 { 0 } else { u64::MAX >> (64 - kept) };
    field & mask | fill & !mask
}

/// `bfi`: the low `len` bits of `a` in place of those of `b` from `start` on.
fn insert(a: u64, b: u64, start: u8, len: u8, bits: u32) -> u64 {
    let kept = bits.saturating_sub(start.into()).min(len.into());
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
