//! `tcgen05.ld` and `tcgen05.st`: between registers of a warp and the lanes of tensor memory that are its own.

use super::fragment::{Columns, Fragment, Shape};
use super::matrices::lower_half;
use super::steps::Steps;
use super::{agreed, aligned, refuse, words};
use crate::error::LoadError;
use crate::exec::{Cx, Stop, WARPS};
use crate::fault::FaultKind;
use crate::isa::decode::{Target, Text};
use crate::isa::matrix::whole_warp;
use crate::isa::memory::addresses;
use crate::isa::program::{Register, Source};
use crate::memory::{Act, Strip};
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) struct Transfer {
    fragment: Fragment,
    at: Target,
    registers: Registers,
}

#[derive(Clone, Debug)]
enum Registers {
    Load(Vec<Register>),
    Store(Vec<Register>),
}

/// Lanes of tensor memory that a warp may access.
const OF_WARP: u32 = 32;

impl Transfer {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        let loads = text.eat("ld");
        if !loads {
            text.eat("st");
        }
        if text.eat("red") {
            return Err(text.refuse("reductions are not simulated"));
        }
        aligned(text)?;
        let shapes = [
            ("32x32b", Shape::Lanes32),
            ("16x64b", Shape::Bits64),
            ("16x128b", Shape::Bits128),
            ("16x256b", Shape::Bits256),
            ("16x32bx2", Shape::Split(0)),
        ];
        let shape = text.one_of(&shapes).ok_or_else(|| text.refuse("expected a shape"))?;
        let repeats = ["x1", "x2", "x4", "x8", "x16", "x32", "x64", "x128"];
        let power = repeats.iter().position(|repeats| text.eat(repeats));
        let power = power.ok_or_else(|| text.refuse("expected .x1 to .x128"))?;
        let packed = text.eat(if loads { "pack::16b" } else { "unpack::16b" });
        let mut fragment = Fragment { shape, repeats: 1 << power, packed };
        let is_split = matches!(shape, Shape::Split(_));
        words(text, if is_split { 3 } else { 2 })?;
        // Registers stand before the address of a load and at the end of a store.
        let (vector, address, second) = match (loads, is_split) {
            (true, _) => (0, 1, 2),
            (false, true) => (2, 0, 1),
            (false, false) => (1, 0, 1),
        };
        if is_split {
            fragment.shape = match text.operand(second)? {
                Operand::Integer(columns) if (0..512).contains(columns) => {
                    Shape::Split(*columns as u32)
                }
                _ => {
                    return Err(text.refuse("the second half is a constant below 512 columns away"));
                }
            };
        }
        if fragment.registers() > 128 {
            return Err(text.refuse("no thread has more than 128 registers"));
        }
        let Operand::Vector(elements) = text.operand(vector)? else {
            return Err(text.refuse("expected registers in braces"));
        };
        if elements.len() != fragment.registers() as usize {
            let (got, expected) = (elements.len(), fragment.registers());
            return Err(text.refuse(format!("{got} registers, expected {expected}")));
        }
        let registers = if loads {
            let to = elements.iter().map(|element| text.destination_of(element, Type::B32));
            Registers::Load(to.collect::<Result<_, _>>()?)
        } else {
            let from = elements.iter().map(|element| text.destination_of(element, Type::B32));
            Registers::Store(from.collect::<Result<_, _>>()?)
        };
        Ok(Self { fragment, at: text.tensor_memory(address)?, registers })
    }

    pub(super) fn loads(&self) -> bool {
        matches!(self.registers, Registers::Load(_))
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        whole_warp(mask)?;
        let address = agreed(addresses(cx, &self.at, mask)?, "an address in tensor memory")?;
        let (lane, column) = (address >> 16, address & 0xffff);
        self.check_lanes(cx, lane).map_err(refuse)?;
        let Fragment { packed, .. } = self.fragment;
        let act = if self.loads() { Act::Load } else { Act::Store };
        let operation = Steps::operation(cx, 0, act);
        let (tensor, behind) = cx.block.tensor_by(cx.warp.index);
        for Columns { first, count } in self.fragment.columns() {
            tensor.check_columns(column + first, count).map_err(refuse)?;
            for column in column + first..column + first + count {
                let strips = lane / Strip::LANES..(lane + self.fragment.lanes()) / Strip::LANES;
                for number in strips {
                    let strip = Strip::whole(column, number);
                    let touched = tensor.touch(strip, &operation, behind, self.loads());
                    touched.map_err(refuse)?;
                }
            }
        }
        let places = |register: usize| {
            (0..32).map(move |thread| {
                let (own, across) = self.fragment.place(register as u32, thread);
                (thread as usize, lane + own, column + across)
            })
        };
        match &self.registers {
            Registers::Load(to) => {
                for (index, to) in to.iter().enumerate() {
                    let mut values = [0; 32];
                    for (thread, lane, column) in places(index) {
                        let tensor = &cx.block.tensor;
                        let low = tensor.cell(lane, column);
                        values[thread] = match packed {
                            true => low & 0xffff | tensor.cell(lane, column + 1) << 16,
                            false => low,
                        };
                    }
                    cx.warp.load_in_flight(*to, &values, operation.done.time)?;
                }
            }
            Registers::Store(from) => {
                for (index, from) in from.iter().enumerate() {
                    let values = cx.warp.word(Source::Register(*from), mask)?;
                    for (thread, lane, column) in places(index) {
                        let (tensor, value) = (&mut cx.block.tensor, values[thread]);
                        if packed {
                            tensor.set_cell(lane, column, lower_half(value & 0xffff));
                            tensor.set_cell(lane, column + 1, lower_half(value >> 16));
                        } else {
                            tensor.set_cell(lane, column, value);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Refuses lanes that are another warp's, by "Access restrictions", or do not start where the shape can.
    fn check_lanes(&self, cx: &Cx, lane: u32) -> Result<(), FaultKind> {
        let own = (cx.warp.index % WARPS) as u32 * OF_WARP;
        if !(own..own + OF_WARP).contains(&lane) {
            return Err(FaultKind::ForeignLanes { lane, own });
        }
        if lane.is_multiple_of(self.fragment.lanes()) {
            return Ok(());
        }
        let what = format!("lane {lane}, expected a multiple of {}", self.fragment.lanes());
        Err(FaultKind::InvalidOperand { what })
    }
}
