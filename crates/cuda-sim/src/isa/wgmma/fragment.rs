//! D in registers: the manual's figure "WGMMA .m64nNk16 register fragment layout for accumulator matrix D".
//!
//! A warp's 16 rows are panels of 8 columns, each of them spread over the lanes as the result of an
//! `mma.sync.m16n8k16` is, in as many registers. A in registers is that instruction's A as well.

use crate::exec::Lanes;
use crate::isa::matrix::product::{self, Sums};
use crate::ptx::Type;

/// The panels that registers hold.
pub(super) fn panels(sum: Type, registers: &[Lanes<u32>]) -> Vec<Sums> {
    let panels = registers.chunks_exact(product::registers(sum));
    panels.map(|registers| product::sums(sum, registers)).collect()
}

/// The registers that hold panels.
pub(super) fn registers(sum: Type, panels: &[Sums]) -> Vec<Lanes<u32>> {
    let indices = 0..product::registers(sum);
    let of_panel = |panel| indices.clone().map(move |index| product::register(sum, panel, index));
    panels.iter().flat_map(of_panel).collect()
}

#[cfg(test)]
mod tests {
    use super::{panels, registers};
    use crate::ptx::Type;

    /// The figure's rule for element `d<index>` of a lane, its rows those of the warp.
    fn place(lane: usize, index: usize) -> (usize, usize) {
        let row = lane / 4 + if index % 4 < 2 { 0 } else { 8 };
        (row, 8 * (index / 4) + lane % 4 * 2 + index % 2)
    }

    #[test]
    fn accumulators_are_where_the_figure_has_them() {
        let n = 24;
        let bits = |row: usize, column: usize| (row * n + column) as f32;
        let single: Vec<_> = (0..n / 2)
            .map(|register| {
                std::array::from_fn(|lane| {
                    let (row, column) = place(lane, register);
                    bits(row, column).to_bits()
                })
            })
            .collect();
        let half: Vec<_> = (0..n / 4)
            .map(|register| {
                std::array::from_fn(|lane| {
                    let [low, high] = [2 * register, 2 * register + 1].map(|index| {
                        let (row, column) = place(lane, index);
                        u32::from(half::f16::from_f32(bits(row, column)).to_bits())
                    });
                    high << 16 | low
                })
            })
            .collect();
        for (ty, held) in [(Type::F32, single), (Type::F16, half)] {
            let panels = panels(ty, &held);
            for (row, column) in (0..16).flat_map(|row| (0..n).map(move |column| (row, column))) {
                let value = panels[column / 8][row][column % 8];
                assert_eq!(value, f64::from(bits(row, column)), "{ty:?} {row} {column}");
            }
            assert_eq!(registers(ty, &panels), held);
        }
    }

    /// Corners of the figure.
    #[test]
    fn some_places_by_hand() {
        assert_eq!(place(0, 0), (0, 0));
        assert_eq!(place(3, 1), (0, 7));
        assert_eq!(place(4, 0), (1, 0));
        assert_eq!(place(31, 3), (15, 7));
        assert_eq!(place(0, 4), (0, 8));
        assert_eq!(place(31, 127), (15, 255));
    }
}
