//! `tcgen05.mma`: D = A B + D or D = A B, for which one thread suffices.

use super::datapath::parts;
use super::instruction::Instruction;
use super::matrices::{Accumulation, COLUMNS_OF_A, fragment};
use super::source::Source as Shared;
use super::steps::Steps;
use super::{Group, malformed, word};
use crate::error::LoadError;
use crate::exec::{Cx, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::availability::{SCALED_SUM, require};
use crate::isa::data::predicate;
use crate::isa::decode::{Target, Text};
use crate::isa::matrix::product::{K, M, ROW_BYTES};
use crate::isa::matrix::{count, operand};
use crate::isa::memory::addresses;
use crate::isa::program::{Register, Source};
use crate::memory::{Accumulator, Act, Operation, Strip};
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) struct Multiply {
    pub(super) group: Group,
    d: Target,
    a: Factor,
    /// B's descriptor.
    b: Source,
    instruction: Source,
    /// Lanes of D that stay as they are, a bit for each; none where it does not say so.
    disabled: Vec<Source>,
    /// Whether D is added to, and what it is multiplied by before.
    adds: Adds,
    scale: f64,
}

/// Where A is.
#[derive(Clone, Debug)]
enum Factor {
    /// Its descriptor.
    Shared(Source),
    Tensor(Target),
}

/// `enable-input-d`
#[derive(Clone, Copy, Debug)]
enum Adds {
    /// If a predicate holds, or if it does not.
    Predicate(Register, bool),
    Constant(bool),
}

/// The operands as a thread gives them.
struct Operands {
    d: u32,
    /// A descriptor, or an address in tensor memory.
    a: u64,
    b: u64,
    instruction: u32,
    disabled: Vec<u32>,
    adds: bool,
}

impl Multiply {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        text.eat("mma");
        if text.has("ws") || text.has("sp") || text.has("ashift") {
            return Err(text.refuse(".ws, .sp and .ashift are not simulated"));
        }
        let group = Group::decode(text)?;
        if !text.eat("kind::f16") {
            return Err(text.refuse("other kinds than .kind::f16 are not simulated"));
        }
        // A is read again in any case.
        let fills = text.eat("collector::a::fill") || text.eat("collector::a::discard");
        if !fills && text.peek().is_some_and(|modifier| modifier.starts_with("collector::")) {
            return Err(text.refuse("what the collector holds is not simulated"));
        }
        let disabled = match text.operand(4)? {
            Operand::Vector(words) => {
                let expected = if group == Group::One { 4 } else { 8 };
                if words.len() != expected {
                    return Err(text.refuse(format!("lanes of D are {expected} words")));
                }
                let words = words.iter().map(|word| text.source_of(word, Type::B32));
                words.collect::<Result<_, _>>()?
            }
            _ => Vec::new(),
        };
        let adds = 4 + usize::from(!disabled.is_empty());
        text.finish(text.operand_count().clamp(adds + 1, adds + 2))?;
        let scale = match text.operands().get(adds + 1) {
            None => 1.0,
            Some(Operand::Integer(scale)) if (0..16).contains(scale) => {
                require(text, SCALED_SUM)?;
                2.0_f64.powi(-(*scale as i32))
            }
            _ => return Err(text.refuse("D is scaled by a constant from 0 to 15")),
        };
        let a = match text.operand(1)? {
            Operand::Address(_) => Factor::Tensor(text.tensor_memory(1)?),
            _ => Factor::Shared(text.source(1, Type::B64)?),
        };
        Ok(Self {
            group,
            d: text.tensor_memory(0)?,
            a,
            b: text.source(2, Type::B64)?,
            instruction: word(text, 3)?,
            disabled,
            adds: match text.operand(adds)? {
                Operand::Integer(adds @ (0 | 1)) => Adds::Constant(*adds == 1),
                operand => {
                    let (register, negated) = text.predicate_operand(operand)?;
                    Adds::Predicate(register, negated)
                }
            },
            scale,
        })
    }

    /// Each thread of the mask issues a product of its own.
    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let d = addresses(cx, &self.d, mask)?;
        let a = match &self.a {
            Factor::Shared(descriptor) => cx.warp.double(*descriptor, mask)?,
            Factor::Tensor(address) => addresses(cx, address, mask)?,
        };
        let b = cx.warp.double(self.b, mask)?;
        let instruction = cx.warp.word(self.instruction, mask)?;
        let disabled = self.disabled.iter().map(|words| cx.warp.word(*words, mask));
        let disabled = disabled.collect::<Result<Vec<_>, _>>()?;
        let adds = match self.adds {
            Adds::Predicate(register, negated) => predicate(cx, (register, negated), mask)?,
            Adds::Constant(true) => mask,
            Adds::Constant(false) => 0,
        };
        for lane in lanes(mask) {
            let operands = Operands {
                d: d[lane] as u32,
                a: a[lane],
                b: b[lane],
                instruction: instruction[lane],
                disabled: disabled.iter().map(|words| words[lane]).collect(),
                adds: adds >> lane & 1 != 0,
            };
            self.issue(cx, lane, &operands).map_err(|kind| Stop { lane: lane as u32, kind })?;
        }
        Ok(())
    }

    fn issue(&self, cx: &mut Cx, lane: usize, operands: &Operands) -> Result<(), FaultKind> {
        let (group, bits) = (self.group, operands.instruction);
        let in_tensor_memory = matches!(self.a, Factor::Tensor(_));
        let instruction = Instruction::decode(bits, group, in_tensor_memory)
            .map_err(|field| malformed(bits.into(), field))?;
        let Instruction { ty, sum, rows, columns, .. } = instruction;
        let (d, first) = (operands.d, operands.d & 0xffff);
        let (parts, width) = parts(&instruction, group, d >> 16)
            .map_err(|what| FaultKind::InvalidOperand { what: format!("{what}, not at {d:#x}") })?;
        if in_tensor_memory {
            check_apart(operands.a as u32, d, width)?;
        }
        let of_d = Act::Accumulate(Accumulator { address: d, rows, columns });
        let writes = Steps::operation(cx, lane, of_d);
        let reads = Operation { act: Act::Multiply, ..writes };

        let ranks = group.ranks(cx.rank());
        let b = Shared::decode(operands.b)?;
        let of_block = columns as usize / ranks.len();
        let mut panels = Vec::new();
        for rank in &ranks {
            let read = |at| b.read(cx, (*rank, lane), at, writes.done);
            panels.extend(operand::right(&b.matrix, instruction.b, ty, of_block, read)?);
        }
        for (place, rank) in ranks.iter().enumerate() {
            let a = match &self.a {
                Factor::Shared(_) => {
                    let a = Shared::decode(operands.a)?;
                    let blocks = rows as usize / ranks.len() / M;
                    let rows = (0..blocks).map(|block| {
                        let read = |at| a.read(cx, (*rank, lane), at, writes.done);
                        operand::left(&a.matrix, instruction.a, ty, block, read)
                    });
                    Some(rows.collect::<Result<Vec<_>, _>>()?)
                }
                Factor::Tensor(_) => None,
            };
            let (tensor, behind) = cx.tensor_of(*rank)?;
            tensor.check_columns(first, width)?;
            for part in &parts {
                let mut a = match &a {
                    Some(a) => a[part.rows],
                    None => {
                        let first = operands.a as u32 & 0xffff;
                        let strip = Strip::whole(first, part.strip);
                        fragment(tensor, behind, strip, ty, &reads)?
                    }
                };
                if instruction.negative {
                    a.as_flattened_mut().iter_mut().for_each(|value| *value = -*value);
                }
                let disabled = operands.disabled.get(4 * place + part.strip as usize / 2);
                let disabled = disabled.map_or(0, |lanes| (lanes >> (part.strip % 2 * 16)) as u16);
                let accumulation = Accumulation {
                    part,
                    first: Strip { column: first, number: part.strip, lanes: !disabled },
                    a: &a,
                    panels: &panels,
                    sum,
                    adds: operands.adds.then_some(self.scale),
                };
                accumulation.execute(tensor, behind, &writes)?;
            }
        }
        let (rows, columns) = (rows as usize, columns as usize);
        let read = if in_tensor_memory { columns } else { rows + columns };
        count(cx, instruction.name(group), rows * columns * K, ROW_BYTES * read);
        Ok(())
    }
}

/// Refuses A in tensor memory that does not start in D's lane, or lies in D's columns.
fn check_apart(a: u32, d: u32, width: u32) -> Result<(), FaultKind> {
    let refuse = |what| Err(FaultKind::InvalidOperand { what });
    if a >> 16 != d >> 16 {
        return refuse(format!(
            "A at {a:#x} of tensor memory starts in another lane than D at {d:#x}"
        ));
    }
    let (of_a, of_d) = (a & 0xffff, d & 0xffff);
    if of_a < of_d + width && of_d < of_a + COLUMNS_OF_A {
        return refuse(format!("A at {a:#x} of tensor memory lies in D at {d:#x}"));
    }
    Ok(())
}
