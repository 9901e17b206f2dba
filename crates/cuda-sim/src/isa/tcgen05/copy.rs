//! `tcgen05.cp`, from shared memory to tensor memory, and `tcgen05.shift` within tensor memory.

use super::Group;
use super::source::Source as Shared;
use super::steps::Steps;
use crate::error::LoadError;
use crate::exec::{Cx, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::decode::{Target, Text};
use crate::isa::memory::addresses;
use crate::isa::program::Source;
use crate::memory::{Act, Strip, TensorMemory};
use crate::ptx::Type;

#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(super) group: Group,
    at: Target,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Rows that a descriptor tells of.
    Copy { shape: Shape, from: Source },
    /// 31 rows of 8 columns go one lane down.
    Shift,
}

/// Rows, how many 16 bytes each has, and the lanes that the first of them go to: the manual's "tcgen05.cp", and
/// for the order of rows what a B200 was seen to do, as the tests of Apache TVM have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    rows: u32,
    chunks: u32,
    spread: Spread,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// A row in each lane.
    All,
    /// One in the first lane of each warp's.
    Apart,
    /// 64 rows twice: in the lanes of warps 0 and 1 and those of 2 and 3, or in those of warps 0 and 2 and those
    /// of 1 and 3.
    Pairs,
    Neighbours,
    /// 32 rows in the lanes of each warp.
    Each,
}

impl Shape {
    /// The lanes that a row goes to.
    fn lanes(self, row: u32) -> Vec<u32> {
        match self.spread {
            Spread::All => vec![row],
            Spread::Apart => vec![32 * row],
            Spread::Pairs => vec![row, row + 64],
            Spread::Neighbours => {
                let lane = row % 32 + row / 32 * 64;
                vec![lane, lane + 32]
            }
            Spread::Each => (0..4).map(|warp| 32 * warp + row).collect(),
        }
    }
}

/// Columns that a shift moves, and lanes that they move in.
const SHIFTED: u32 = 8;
const LANES_SHIFTED: u32 = 32;

impl Copy {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.eat("shift") {
            let group = Group::decode(text)?;
            if !text.eat("down") {
                return Err(text.refuse("expected .down"));
            }
            text.finish(1)?;
            return Ok(Self { group, at: text.tensor_memory(0)?, what: What::Shift });
        }
        text.eat("cp");
        let group = Group::decode(text)?;
        let shapes = [
            ("128x256b", (128, 2)),
            ("4x256b", (4, 2)),
            ("128x128b", (128, 1)),
            ("64x128b", (64, 1)),
            ("32x128b", (32, 1)),
        ];
        let shape = text.one_of(&shapes);
        let (rows, chunks) = shape.ok_or_else(|| text.refuse("expected a shape"))?;
        let spreads = [
            ("warpx2::02_13", Spread::Pairs),
            ("warpx2::01_23", Spread::Neighbours),
            ("warpx4", Spread::Each),
        ];
        let spread = match (rows, text.one_of(&spreads)) {
            (128, None) => Spread::All,
            (4, None) => Spread::Apart,
            (64, Some(spread @ (Spread::Pairs | Spread::Neighbours))) => spread,
            (32, Some(Spread::Each)) => Spread::Each,
            _ => return Err(text.refuse("not the warps that this shape is copied to")),
        };
        if text.eat("b8x16") {
            return Err(text.refuse("decompression is not simulated"));
        }
        text.finish(2)?;
        let shape = Shape { rows, chunks, spread };
        let what = What::Copy { shape, from: text.source(1, Type::B64)? };
        Ok(Self { group, at: text.tensor_memory(0)?, what })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let at = addresses(cx, &self.at, mask)?.map(|at| at as u32);
        match self.what {
            What::Copy { shape, from } => {
                let from = cx.warp.double(from, mask)?;
                self.each(cx, mask, |cx, lane, rank| {
                    copy(cx, (lane, rank), shape, from[lane], at[lane])
                })
            }
            What::Shift => self.each(cx, mask, |cx, lane, rank| shift(cx, (lane, rank), at[lane])),
        }
    }

    /// Does something for each thread, and each block.
    fn each(
        &self,
        cx: &mut Cx,
        mask: u32,
        act: impl Fn(&mut Cx, usize, u32) -> Result<(), FaultKind>,
    ) -> Result<(), Stop> {
        for lane in lanes(mask) {
            for rank in self.group.ranks(cx.rank()) {
                act(cx, lane, rank).map_err(|kind| Stop { lane: lane as u32, kind })?;
            }
        }
        Ok(())
    }
}

fn copy(
    cx: &mut Cx,
    (lane, rank): (usize, u32),
    shape: Shape,
    from: u64,
    at: u32,
) -> Result<(), FaultKind> {
    let from = Shared::decode(from)?;
    let four = shape.spread == Spread::Apart;
    let operation = Steps::operation(cx, lane, Act::Copy { four });
    let (first, column) = (at >> 16, at & 0xffff);
    if first >= if four { 32 } else { 1 } {
        let what = format!("a copy to lane {first} of tensor memory");
        return Err(FaultKind::InvalidOperand { what });
    }
    let mut rows = Vec::new();
    for row in 0..shape.rows {
        for number in 0..shape.chunks {
            let address = from.chunk(row, number);
            let chunk = from.read(cx, (rank, lane), address, operation.done)?;
            rows.push((row, number, chunk));
        }
    }
    let mut lanes = [0_u16; (TensorMemory::LANES / Strip::LANES) as usize];
    for lane in (0..shape.rows).flat_map(|row| shape.lanes(row)) {
        let lane = first + lane;
        lanes[(lane / Strip::LANES) as usize] |= 1 << (lane % Strip::LANES);
    }
    let (tensor, behind) = cx.tensor_of(rank)?;
    let columns = 4 * shape.chunks;
    tensor.check_columns(column, columns)?;
    for column in column..column + columns {
        for (number, lanes) in lanes.into_iter().enumerate().filter(|(_, lanes)| *lanes != 0) {
            let strip = Strip { column, number: number as u32, lanes };
            tensor.touch(strip, &operation, behind, false)?;
        }
    }
    for (row, number, chunk) in rows {
        for (word, bytes) in chunk.as_chunks().0.iter().enumerate() {
            let column = column + 4 * number + word as u32;
            for lane in shape.lanes(row) {
                tensor.set_cell(first + lane, column, u32::from_le_bytes(*bytes));
            }
        }
    }
    Ok(())
}

/// Every row but the last goes to the next lane.
fn shift(cx: &mut Cx, (lane, rank): (usize, u32), at: u32) -> Result<(), FaultKind> {
    let operation = Steps::operation(cx, lane, Act::Shift);
    let (first, column) = (at >> 16, at & 0xffff);
    if !first.is_multiple_of(LANES_SHIFTED) || first >= TensorMemory::LANES {
        let what = format!("a shift from lane {first} of tensor memory, expected a multiple of 32");
        return Err(FaultKind::InvalidOperand { what });
    }
    let (tensor, behind) = cx.tensor_of(rank)?;
    tensor.check_columns(column, SHIFTED)?;
    let (upper, last) = (first / Strip::LANES, first + LANES_SHIFTED - 1);
    for column in column..column + SHIFTED {
        for number in [upper, upper + 1] {
            tensor.touch(Strip::whole(column, number), &operation, behind, true)?;
        }
        for lane in (first..last).rev() {
            let value = tensor.cell(lane, column);
            tensor.set_cell(lane + 1, column, value);
        }
    }
    Ok(())
}
