//! Comparisons and selections.

use super::data::predicate;
use super::decode::Text;
use super::program::{Class, Register, Source};
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

impl Compare {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        match text.mnemonic() {
            "setp" => Self::decode_predicate(text),
            "selp" => {
                let ty = text.ty()?;
                text.finish(4)?;
                Ok(Self::Select {
                    to: text.destination(0, ty)?,
                    from: [text.source(1, ty)?, text.source(2, ty)?],
                    by: text.predicate_operand(text.operand(3)?)?,
                })
            }
            _ => Err(text.refuse("not simulated")),
        }
    }

    fn decode_predicate(text: &Text) -> Result<Self, LoadError> {
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
        let ty = text.ty()?;
        text.finish(if combine.is_some() { 4 } else { 3 })?;
        if !matches!(ty.bits(), 16 | 32 | 64) || matches!(ty, Type::F16x2 | Type::BF16x2) {
            return Err(text.refuse("not simulated for this type"));
        }
        if !ty.is_float() && (unordered || matches!(relation, Num | Nan)) {
            return Err(text.refuse("a relation of floats"));
        }
        let destination = |operand: &Operand| match operand {
            Operand::Sink => Ok(None),
            operand => text.destination_of(operand, Type::Pred).map(Some),
        };
        let (to, opposite) = match text.operand(0)? {
            Operand::Pair(pair) => (destination(&pair[0])?, destination(&pair[1])?),
            operand => (destination(operand)?, None),
        };
        let combine = match combine {
            Some(combine) => Some((combine, text.predicate_operand(text.operand(3)?)?)),
            None => None,
        };
        let from = [text.source(1, ty)?, text.source(2, ty)?];
        Ok(Self::Predicate {
            test: Test { relation, unordered, ftz, ty, from },
            combine,
            to,
            opposite,
        })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        match self {
            Self::Predicate { test, combine, to, opposite } => {
                let holds = test.holds(cx, mask)?;
                let combined = |value: u32, with: Option<(Combine, u32)>| match with {
                    None => value,
                    Some((Combine::And, other)) => value & other,
                    Some((Combine::Or, other)) => value | other,
                    Some((Combine::Xor, other)) => value ^ other,
                };
                let with = match combine {
                    Some((combine, other)) => Some((*combine, predicate(cx, *other, mask)?)),
                    None => None,
                };
                if let Some(to) = to {
                    cx.warp.set_predicate(*to, combined(holds, with), mask);
                }
                if let Some(opposite) = opposite {
                    cx.warp.set_predicate(*opposite, combined(!holds, with), mask);
                }
            }
            Self::Select { to, from: [a, b], by } => {
                let choose = predicate(cx, *by, mask)?;
                if to.class == Class::Double {
                    let (a, b) = (cx.warp.double(*a, mask)?, cx.warp.double(*b, mask)?);
                    cx.warp.set_double(*to, &select(choose, &a, &b), mask);
                } else {
                    let (a, b) = (cx.warp.word(*a, mask)?, cx.warp.word(*b, mask)?);
                    cx.warp.set_word(*to, &select(choose, &a, &b), mask);
                }
            }
        }
        Ok(())
    }
}

fn select<T: Copy>(choose: u32, a: &Lanes<T>, b: &Lanes<T>) -> Lanes<T> {
    std::array::from_fn(|lane| if choose >> lane & 1 != 0 { a[lane] } else { b[lane] })
}

impl Test {
    /// A bit for each lane.
    fn holds(&self, cx: &Cx, mask: u32) -> Result<u32, Stop> {
        let [a, b] = self.from;
        let (a, b) = (cx.warp.double(a, mask)?, cx.warp.double(b, mask)?);
        let each = |f: &dyn Fn(u64, u64) -> bool| {
            (0..LANES).fold(0, |bits, lane| bits | u32::from(f(a[lane], b[lane])) << lane)
        };
        Ok(match self.ty {
            Type::F32 => each(&|a, b| {
                let [a, b] = [a, b].map(|bits| flush(f32::from_bits(bits as u32), self.ftz));
                self.of_floats(a.into(), b.into())
            }),
            Type::F64 => each(&|a, b| self.of_floats(f64::from_bits(a), f64::from_bits(b))),
            Type::F16 | Type::BF16 => each(&|a, b| {
                let [a, b] = [a, b].map(|bits| super::float::half_to_f32(self.ty, bits as u16));
                self.of_floats(a.into(), b.into())
            }),
            ty => {
                let shift = 64 - ty.bits();
                if ty.is_signed() {
                    each(&|a, b| self.of((a << shift) as i64, (b << shift) as i64))
                } else {
                    each(&|a, b| self.of(a << shift, b << shift))
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

/// Subnormals become zero of the same sign under `.ftz`.
fn flush(value: f32, ftz: bool) -> f32 {
    if ftz && value.is_subnormal() { 0.0_f32.copysign(value) } else { value }
}
