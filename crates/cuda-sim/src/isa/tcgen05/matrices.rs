//! The matrices of `tcgen05.mma` in tensor memory: A, with two elements in each cell, and D, with one.

use super::datapath::Part;
use crate::fault::FaultKind;
use crate::isa::matrix::product::{self, K, Left, M, N, Right, Sums};
use crate::memory::{Behind, Operation, Strip, TensorMemory};
use crate::ptx::Type;

/// A cell of which only the lower half is said to hold something.
pub(super) fn lower_half(bits: u32) -> u32 {
    // As whatever nothing has written: NaN in every format of floats.
    0xffff_0000 | bits
}

/// Columns of tensor memory that A takes.
pub(super) const COLUMNS_OF_A: u32 = K as u32 / 2;

/// 16 rows of A, of which the first two columns are in a strip.
pub(super) fn fragment(
    tensor: &mut TensorMemory,
    behind: Behind,
    first: Strip,
    ty: Type,
    operation: &Operation,
) -> Result<Left, FaultKind> {
    tensor.check_columns(first.column, COLUMNS_OF_A)?;
    let mut a = [[0.0; M]; K];
    for (pair, column) in a.chunks_exact_mut(2).zip(first.column..) {
        let strip = Strip { column, ..first };
        tensor.touch(strip, operation, behind, true)?;
        for (row, cell) in tensor.strip(strip).iter().enumerate() {
            pair[0][row] = product::value(ty, *cell as u16);
            pair[1][row] = product::value(ty, (cell >> 16) as u16);
        }
    }
    Ok(a)
}

/// What is done to a part of D.
pub(super) struct Accumulation<'a> {
    pub(super) part: &'a Part,
    /// The strip of its first column, with the lanes that are updated.
    pub(super) first: Strip,
    pub(super) a: &'a Left,
    /// All of B, 8 columns each.
    pub(super) panels: &'a [Right],
    /// D's type.
    pub(super) sum: Type,
    /// What D is multiplied by before it is added to, or nothing if it is replaced.
    pub(super) adds: Option<f64>,
}

impl Accumulation<'_> {
    pub(super) fn execute(
        &self,
        tensor: &mut TensorMemory,
        behind: Behind,
        operation: &Operation,
    ) -> Result<(), FaultKind> {
        for n in self.part.columns.clone().step_by(N) {
            let strips: [Strip; N] = std::array::from_fn(|across| self.strip(n + across as u32));
            let mut sums: Sums = [[0.0; N]; M];
            for (across, strip) in strips.into_iter().enumerate() {
                tensor.touch(strip, operation, behind, self.adds.is_some())?;
                let Some(scale) = self.adds else { continue };
                for (sums, held) in sums.iter_mut().zip(tensor.strip(strip)) {
                    sums[across] = scale * product::sum(self.sum, *held);
                }
            }
            product::accumulate(&mut sums, self.a, &self.panels[n as usize / N]);
            for (across, strip) in strips.into_iter().enumerate() {
                let cells = tensor.strip_mut(strip).iter_mut().zip(&sums).enumerate();
                for (_, (cell, sums)) in cells.filter(|(row, _)| strip.lanes >> row & 1 != 0) {
                    let bits = product::bits(self.sum, sums[across]);
                    *cell = if self.sum == Type::F32 { bits } else { lower_half(bits) };
                }
            }
        }
        Ok(())
    }

    /// That of a column of D.
    fn strip(&self, n: u32) -> Strip {
        Strip { column: self.first.column + n - self.part.columns.start, ..self.first }
    }
}
