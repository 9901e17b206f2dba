//! `tcgen05.mma`: D = A B + D or D = A B, for which one thread suffices.

use super::datapath::{Part, parts};
use super::instruction::Instruction;
use super::steps::Steps;
use super::{Group, malformed, word};
use crate::error::LoadError;
use crate::exec::clock::Epoch;
use crate::exec::{Cx, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::data::predicate;
use crate::isa::decode::{Target, Text};
use crate::isa::matrix::product::{self, K, Left, M, N, Right, Sums};
use crate::isa::matrix::{Descriptor, Major, count, operand};
use crate::isa::memory::addresses;
use crate::isa::program::{Register, Source};
use crate::memory::{Access, Accumulator, Act, Operation, Strip};
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
    /// Whether D is added to, and by how many powers of two it is made smaller before.
    adds: (Register, bool),
    scale: i32,
}

/// Where A is.
#[derive(Clone, Debug)]
enum Factor {
    /// Its descriptor.
    Shared(Source),
    Tensor(Target),
}

/// The operands that a thread gives, but for those of the same for all that it multiplies.
struct Operands {
    d: u32,
    /// A descriptor, or an address in tensor memory.
    a: u64,
    b: u64,
    instruction: u32,
    disabled: Vec<u32>,
    adds: bool,
}

/// Columns of tensor memory that A takes, two elements in each.
const COLUMNS_OF_A: u32 = K as u32 / 2;

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
            None => 0,
            Some(Operand::Integer(scale)) if (0..16).contains(scale) => *scale as i32,
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
            adds: text.predicate_operand(text.operand(adds)?)?,
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
        let adds = predicate(cx, self.adds, mask)?;
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
        let (d, first) = (operands.d, operands.d & 0xffff);
        let (parts, width) = parts(&instruction, group, d >> 16)
            .map_err(|what| FaultKind::InvalidOperand { what: format!("{what}, not at {d:#x}") })?;
        if in_tensor_memory {
            check_apart(operands.a as u32, d, width)?;
        }
        let Instruction { rows, columns, .. } = instruction;
        let of_d = Act::Accumulate(Accumulator { address: d, rows, columns });
        let writes = Steps::operation(cx, lane, of_d);
        let reads = Operation { act: Act::Multiply, ..writes };

        let ranks = group.ranks(cx.rank());
        let b = descriptor(operands.b)?;
        let of_block = columns as usize / ranks.len();
        let mut panels = Vec::new();
        for rank in &ranks {
            let read = |at| read(cx, (*rank, lane), at, writes.done);
            panels.extend(operand::right(&b, instruction.b, instruction.ty, of_block, read)?);
        }
        for (place, rank) in ranks.iter().enumerate() {
            let shared = match &self.a {
                Factor::Shared(_) => {
                    let a = descriptor(operands.a)?;
                    let blocks = rows as usize / ranks.len() / M;
                    let of_rows = |block| {
                        let read = |at| read(cx, (*rank, lane), at, writes.done);
                        operand::left(&a, instruction.a, instruction.ty, block, read)
                    };
                    (0..blocks).map(of_rows).collect::<Result<_, _>>()?
                }
                Factor::Tensor(_) => Vec::new(),
            };
            let (tensor, _) = cx.tensor_of(*rank)?;
            tensor.check_columns(first, width)?;
            for part in &parts {
                let mut a = match &self.a {
                    Factor::Shared(_) => shared[part.rows],
                    Factor::Tensor(_) => {
                        fragment(cx, *rank, (part.strip, operands.a as u32), &instruction, &reads)?
                    }
                };
                if instruction.negative {
                    a.as_flattened_mut().iter_mut().for_each(|value| *value = -*value);
                }
                let disabled = operands.disabled.get(4 * place + part.strip as usize / 2);
                let disabled = disabled.map_or(0, |lanes| (lanes >> (part.strip % 2 * 16)) as u16);
                let strip = Strip { column: first, number: part.strip, lanes: !disabled };
                let of_part = OfPart { rank: *rank, part, strip, a: &a, panels: &panels };
                let adds = operands.adds.then_some(self.scale);
                of_part.accumulate(cx, instruction.sum, &writes, adds)?;
            }
        }
        count(cx, instruction.name(group), rows as usize * columns as usize * K);
        cx.block.progress = true;
        Ok(())
    }
}

/// What is multiplied for a part of D.
struct OfPart<'a> {
    /// The block whose tensor memory it is in.
    rank: u32,
    part: &'a Part,
    /// The first of its strips, and the lanes that are updated.
    strip: Strip,
    a: &'a Left,
    /// All of B.
    panels: &'a [Right],
}

impl OfPart<'_> {
    /// Adds to D, made smaller by so many powers of two, or replaces it.
    fn accumulate(
        &self,
        cx: &mut Cx,
        sum: Type,
        operation: &Operation,
        adds: Option<i32>,
    ) -> Result<(), FaultKind> {
        let Strip { column: first, number, lanes: updated } = self.strip;
        let (tensor, behind) = cx.tensor_of(self.rank)?;
        let is_updated = |row: usize| updated >> row & 1 != 0;
        for n in self.part.columns.clone().step_by(N) {
            let column = first + n - self.part.columns.start;
            let mut sums: Sums = [[0.0; N]; M];
            for across in 0..N as u32 {
                let strip = Strip { column: column + across, ..self.strip };
                tensor.touch(strip, operation, behind, adds.is_some())?;
                for row in 0..M {
                    if let Some(scale) = adds.filter(|_| is_updated(row)) {
                        let lane = number * Strip::LANES + row as u32;
                        let held = product::sum(sum, tensor.cell(lane, strip.column));
                        sums[row][across as usize] = held * 2.0_f64.powi(-scale);
                    }
                }
            }
            product::accumulate(&mut sums, self.a, &self.panels[n as usize / N]);
            for (row, sums) in sums.iter().enumerate().filter(|(row, _)| is_updated(*row)) {
                let lane = number * Strip::LANES + row as u32;
                for (across, value) in sums.iter().enumerate() {
                    let column = column + across as u32;
                    let bits = product::bits(sum, *value);
                    let held = tensor.cell(lane, column);
                    // A sum of 16 bits is the lower half of its cell.
                    let bits = if sum == Type::F32 { bits } else { held & 0xffff_0000 | bits };
                    tensor.set_cell(lane, column, bits);
                }
            }
        }
        Ok(())
    }
}

/// 16 rows of A in a strip of tensor memory, which starts at an address.
fn fragment(
    cx: &mut Cx,
    rank: u32,
    (strip, address): (u32, u32),
    instruction: &Instruction,
    operation: &Operation,
) -> Result<Left, FaultKind> {
    let (tensor, behind) = cx.tensor_of(rank)?;
    let first = address & 0xffff;
    tensor.check_columns(first, COLUMNS_OF_A)?;
    let mut a = [[0.0; M]; K];
    for column in first..first + COLUMNS_OF_A {
        tensor.touch(Strip::whole(column, strip), operation, behind, true)?;
        let k = 2 * (column - first) as usize;
        for row in 0..M {
            let pair = tensor.cell(strip * Strip::LANES + row as u32, column);
            a[k][row] = product::value(instruction.ty, pair as u16);
            a[k + 1][row] = product::value(instruction.ty, (pair >> 16) as u16);
        }
    }
    Ok(a)
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

/// What a descriptor of a matrix in shared memory says.
pub(super) fn descriptor(bits: u64) -> Result<Descriptor, FaultKind> {
    Descriptor::decode_tcgen05(bits).map_err(|field| malformed(bits, field))
}

/// 16 bytes of shared memory of a block, read for a lane as a step of its commits.
pub(super) fn read(
    cx: &mut Cx,
    (rank, lane): (u32, usize),
    address: u64,
    reader: Epoch,
) -> Result<[u8; 16], FaultKind> {
    let (shared, by) = cx.shared_of(rank, lane)?;
    let access = Access { address, bytes: 16 };
    shared.check(access)?;
    let mut chunk = [0; 16];
    chunk.copy_from_slice(shared.read_async(access, reader, by)?);
    Ok(chunk)
}

/// Where 16 bytes of a row are: of so many in the row the one of this number.
pub(super) fn chunk_of_row(descriptor: &Descriptor, row: usize, number: usize) -> u64 {
    descriptor.address(Major::K, row, 8 * number)
}
