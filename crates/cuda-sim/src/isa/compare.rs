//! Comparisons and selections.

use std::num::FpCategory;

use super::data::predicate;
use super::decode::Text;
use super::program::{Class, Register, Source};
use super::rounding::{flush, widen};
use crate::error::LoadError;
use crate::exec::{Cx, LANES, Lanes, Stop};
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) enum Compare {
    /// `setp`: the comparison, combined with another predicate, and its opposite.
    Predicate {
        test: Test,
        combine: Option<(Combine, (Register, bool))>,
        to: Option<Register>,
        opposite: Option<Register>,
    },
    /// `setp` of two pairs: a predicate for each half.
    PredicatePair {
        test: Test,
        combine: Option<(Combine, (Register, bool))>,
        to: [Option<Register>; 2],
    },
    /// `set`: what stands for true and for false, by a comparison.
    Value { test: Test, combine: Option<(Combine, (Register, bool))>, to: Register, yes: u32 },
    /// `slct`: the first value where the third is at least 0.
    BySign { to: Register, from: [Source; 2], by: Source, float: bool },
    /// `testp`: whether a float is of a category.
    Category { to: Register, of: Category, ty: Type, from: Source },
    /// `selp`
    Select { to: Register, from: [Source; 2], by: (Register, bool) },
}

/// A relation of two values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Test {
    relation: Relation,
    /// Whether NaN makes it true.
    unordered: bool,
    ftz: bool,
    ty: Type,
    from: [Source; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    /// Whether neither is NaN.
    Num,
    /// Whether one is.
    Nan,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Combine {
    And,
    Or,
    Xor,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Category {
    Finite,
    Infinite,
    Number,
    NotANumber,
    Normal,
    Subnormal,
}

impl Compare {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        match text.mnemonic() {
            "setp" | "set" => Self::decode_comparison(text),
            "slct" => {
                let ftz = text.eat("ftz");
                let (ty, by) = (text.ty()?, text.ty()?);
                text.finish(4)?;
                selectable(text, ty)?;
                // A subnormal that is flushed keeps its sign, and -0 is at least 0.
                if ftz || !matches!(by, Type::S32 | Type::F32) {
                    return Err(text.refuse("not simulated"));
                }
                let from = [text.source(1, ty)?, text.source(2, ty)?];
                let to = text.destination(0, ty)?;
                Ok(Self::BySign { to, from, by: text.source(3, by)?, float: by == Type::F32 })
            }
            "testp" => {
                let categories = [
                    ("finite", Category::Finite),
                    ("infinite", Category::Infinite),
                    ("number", Category::Number),
                    ("notanumber", Category::NotANumber),
                    ("normal", Category::Normal),
                    ("subnormal", Category::Subnormal),
                ];
                let of = text.one_of(&categories);
                let of = of.ok_or_else(|| text.refuse("expected a category"))?;
                let ty = text.ty()?;
                text.finish(2)?;
                if !matches!(ty, Type::F32 | Type::F64) {
                    return Err(text.refuse("not of this type"));
                }
                Ok(Self::Category { to: text.predicate(0)?, of, ty, from: text.source(1, ty)? })
            }
            "selp" => {
                let ty = text.ty()?;
                text.finish(4)?;
                selectable(text, ty)?;
                Ok(Self::Select {
                    to: text.destination(0, ty)?,
                    from: [text.source(1, ty)?, text.source(2, ty)?],
                    by: text.predicate_operand(text.operand(3)?)?,
                })
            }
            _ => Err(text.refuse("not simulated")),
        }
    }

    fn decode_comparison(text: &Text) -> Result<Self, LoadError> {
        use Relation::*;
        let relations = [
            ("eq", (Eq, false)),
            ("ne", (Ne, false)),
            ("lt", (Lt, false)),
            ("le", (Le, false)),
            ("gt", (Gt, false)),
            ("ge", (Ge, false)),
            ("lo", (Lt, false)),
            ("ls", (Le, false)),
            ("hi", (Gt, false)),
            ("hs", (Ge, false)),
            ("equ", (Eq, true)),
            ("neu", (Ne, true)),
            ("ltu", (Lt, true)),
            ("leu", (Le, true)),
            ("gtu", (Gt, true)),
            ("geu", (Ge, true)),
            ("num", (Num, false)),
            ("nan", (Nan, false)),
        ];
        let (relation, unordered) =
            text.one_of(&relations).ok_or_else(|| text.refuse("expected a relation"))?;
        let combine =
            text.one_of(&[("and", Combine::And), ("or", Combine::Or), ("xor", Combine::Xor)]);
        let ftz = text.eat("ftz");
        let result = if text.mnemonic() == "set" { Some(text.ty()?) } else { None };
        let ty = text.ty()?;
        text.finish(if combine.is_some() { 4 } else { 3 })?;
        let is_pair = matches!(ty, Type::F16x2 | Type::BF16x2);
        if !matches!(ty.bits(), 16 | 32 | 64) || (is_pair && result.is_some()) {
            return Err(text.refuse("not simulated for this type"));
        }
        if ftz && matches!(ty, Type::F64 | Type::BF16 | Type::BF16x2) {
            return Err(text.refuse("subnormals of this type are not flushed"));
        }
        if result == Some(Type::F32) && ty.is_float() && ty.bits() == 16 {
            return Err(text.refuse("no result of this type"));
        }
        if !ty.is_float() && (unordered || ftz || matches!(relation, Num | Nan)) {
            return Err(text.refuse("a relation of floats"));
        }
        let of_unsigned = ["lo", "ls", "hi", "hs"].iter().any(|relation| text.has(relation));
        let of_bits = matches!(ty, Type::B16 | Type::B32 | Type::B64);
        if of_unsigned && (ty.is_signed() || ty.is_float() || of_bits)
            || of_bits && !matches!(relation, Eq | Ne)
        {
            return Err(text.refuse("not a relation of this type"));
        }
        let combine = match combine {
            Some(combine) => Some((combine, text.predicate_operand(text.operand(3)?)?)),
            None => None,
        };
        let from = [text.source(1, ty)?, text.source(2, ty)?];
        let test = Test { relation, unordered, ftz, ty, from };
        if let Some(result) = result {
            let yes = match result {
                Type::U32 | Type::S32 => u32::MAX,
                Type::F32 => 1.0_f32.to_bits(),
                _ => return Err(text.refuse("not simulated for this type")),
            };
            return Ok(Self::Value { test, combine, to: text.destination(0, result)?, yes });
        }
        let destination = |operand: &Operand| match operand {
            Operand::Sink => Ok(None),
            operand => text.destination_of(operand, Type::Pred).map(Some),
        };
        let (to, other) = match text.operand(0)? {
            Operand::Pair(_) if matches!(ty, Type::F16 | Type::BF16) => {
                return Err(text.refuse("a comparison of 16-bit floats has one result"));
            }
            Operand::Pair(pair) => (destination(&pair[0])?, destination(&pair[1])?),
            _ if is_pair => return Err(text.refuse("a pair has two results")),
            operand => (destination(operand)?, None),
        };
        Ok(match is_pair {
            true => Self::PredicatePair { test, combine, to: [to, other] },
            false => Self::Predicate { test, combine, to, opposite: other },
        })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match self {
            Self::Predicate { test, combine, to, opposite } => {
                let holds = test.holds(cx, mask, 0)?;
                let with = combination(cx, combine, mask)?;
                if let Some(to) = to {
                    cx.warp.set_predicate(*to, combined(holds, with), mask);
                }
                if let Some(opposite) = opposite {
                    cx.warp.set_predicate(*opposite, combined(!holds, with), mask);
                }
            }
            Self::PredicatePair { test, combine, to } => {
                let halves = [test.holds(cx, mask, 0)?, test.holds(cx, mask, 16)?];
                let with = combination(cx, combine, mask)?;
                for (to, holds) in to.iter().zip(halves) {
                    if let Some(to) = to {
                        cx.warp.set_predicate(*to, combined(holds, with), mask);
                    }
                }
            }
            Self::Value { test, combine, to, yes } => {
                let holds = test.holds(cx, mask, 0)?;
                let holds = combined(holds, combination(cx, combine, mask)?);
                cx.warp.set_word(*to, &select(holds, &[*yes; LANES], &[0; LANES]), mask);
            }
            Self::BySign { to, from, by, float } => {
                let by = cx.warp.word(*by, mask)?;
                let positive = |bits| match float {
                    true => f32::from_bits(bits) >= 0.0,
                    false => bits as i32 >= 0,
                };
                let choose = bits_of(|lane| positive(by[lane]));
                choose_into(cx, mask, *to, *from, choose)?;
            }
            Self::Category { to, of, ty, from } => {
                let values = cx.warp.double(*from, mask)?;
                let holds = bits_of(|lane| match ty {
                    Type::F64 => of.holds(f64::from_bits(values[lane]).classify()),
                    _ => of.holds(f32::from_bits(values[lane] as u32).classify()),
                });
                cx.warp.set_predicate(*to, holds, mask);
            }
            Self::Select { to, from: [a, b], by } => {
                let choose = predicate(cx, *by, mask)?;
                choose_into(cx, mask, *to, [*a, *b], choose)?;
            }
        }
        Ok(())
    }
}

/// Refuses what is not selected by its type: 8 bits, and floats of 16 bits.
fn selectable(text: &Text, ty: Type) -> Result<(), LoadError> {
    let is_short_float = ty.is_float() && !matches!(ty, Type::F32 | Type::F64);
    match ty.bits() {
        16 | 32 | 64 if !is_short_float => Ok(()),
        _ => Err(text.refuse("not an instruction of this type")),
    }
}

impl Category {
    fn holds(self, of: FpCategory) -> bool {
        use FpCategory::*;
        match self {
            Self::Finite => !matches!(of, Nan | Infinite),
            Self::Infinite => of == Infinite,
            Self::Number => of != Nan,
            Self::NotANumber => of == Nan,
            // The manual counts zero among the normal values.
            Self::Normal => matches!(of, Normal | Zero),
            Self::Subnormal => of == Subnormal,
        }
    }
}

/// A bit for each lane.
fn bits_of(f: impl Fn(usize) -> bool) -> u32 {
    (0..LANES).fold(0, |bits, lane| bits | u32::from(f(lane)) << lane)
}

/// The predicate that a comparison is combined with.
fn combination(
    cx: &Cx,
    combine: &Option<(Combine, (Register, bool))>,
    mask: u32,
) -> Result<Option<(Combine, u32)>, Stop> {
    match combine {
        Some((combine, other)) => Ok(Some((*combine, predicate(cx, *other, mask)?))),
        None => Ok(None),
    }
}

fn combined(value: u32, with: Option<(Combine, u32)>) -> u32 {
    match with {
        None => value,
        Some((Combine::And, other)) => value & other,
        Some((Combine::Or, other)) => value | other,
        Some((Combine::Xor, other)) => value ^ other,
    }
}

/// Puts one of two values into a register, the first where a lane's bit is set.
fn choose_into(
    cx: &mut Cx,
    mask: u32,
    to: Register,
    [a, b]: [Source; 2],
    choose: u32,
) -> Result<(), Stop> {
    // What is not chosen need not have been written, and what is chosen stays as it is.
    let (known_a, known_b) = (cx.warp.known(a), cx.warp.known(b));
    if to.class == Class::Double {
        let (a, b) = (cx.warp.double(a, mask & known_a)?, cx.warp.double(b, mask & known_b)?);
        cx.warp.set_double(to, &select(choose, &a, &b), mask);
    } else {
        let (a, b) = (cx.warp.word(a, mask & known_a)?, cx.warp.word(b, mask & known_b)?);
        cx.warp.set_word(to, &select(choose, &a, &b), mask);
    }
    cx.warp.forget(to, mask & (choose & !known_a | !choose & !known_b));
    Ok(())
}

fn select<T: Copy>(choose: u32, a: &Lanes<T>, b: &Lanes<T>) -> Lanes<T> {
    std::array::from_fn(|lane| if choose >> lane & 1 != 0 { a[lane] } else { b[lane] })
}

impl Test {
    /// A bit for each lane. Of pairs, those elements are compared that start at bit `half`.
    fn holds(&self, cx: &Cx, mask: u32, half: u32) -> Result<u32, Stop> {
        let [a, b] = self.from;
        let (a, b) = (cx.warp.double(a, mask)?, cx.warp.double(b, mask)?);
        Ok(match self.ty {
            Type::F64 => {
                bits_of(|lane| self.of_floats(f64::from_bits(a[lane]), f64::from_bits(b[lane])))
            }
            ty if ty.is_float() => {
                let value = |bits: u64| {
                    let value = widen(ty, (bits >> half) as u32);
                    if self.ftz { flush(ty, value) } else { value }
                };
                bits_of(|lane| self.of_floats(value(a[lane]), value(b[lane])))
            }
            ty => {
                let shift = 64 - ty.bits();
                if ty.is_signed() {
                    bits_of(|lane| self.of((a[lane] << shift) as i64, (b[lane] << shift) as i64))
                } else {
                    bits_of(|lane| self.of(a[lane] << shift, b[lane] << shift))
                }
            }
        })
    }

    fn of_floats(&self, a: f64, b: f64) -> bool {
        match self.relation {
            Relation::Num => !a.is_nan() && !b.is_nan(),
            Relation::Nan => a.is_nan() || b.is_nan(),
            // `!=` is the one relation of floats that is true of NaN in Rust; in PTX it is `neu`.
            _ if a.is_nan() || b.is_nan() => self.unordered,
            _ => self.of(a, b),
        }
    }

    fn of<T: PartialOrd>(&self, a: T, b: T) -> bool {
        match self.relation {
            Relation::Eq => a == b,
            Relation::Ne => a != b,
            Relation::Lt => a < b,
            Relation::Le => a <= b,
            Relation::Gt => a > b,
            Relation::Ge => a >= b,
            Relation::Num | Relation::Nan => unreachable!("decoded for floats alone"),
        }
    }
}
