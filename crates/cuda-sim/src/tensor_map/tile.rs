//! The copy of one box in tile mode, or of four rows by `.tile::gather4` and `.tile::scatter4`: which bytes of
//! shared memory are which bytes of global memory.
//!
//! Where the manual is silent this is as an H100 does it: rows that are narrower than the swizzle's span
//! lie a span apart, and what is between them is left alone, and not counted by the copy's barrier; the
//! box begins at a multiple of 16 bytes from the tensor's start, or the instruction is illegal.

use super::TensorMap;
use super::element::Element;
use crate::swizzle::{CHUNK, Swizzle};

/// A box of a tensor, and where in shared memory it is or goes to.
#[derive(Clone, Debug)]
pub(crate) struct Tile<'a> {
    map: &'a TensorMap,
    swizzle: Swizzle,
    /// Bytes of an element.
    element: u64,
    /// The coordinates of its first element.
    first: [i64; 5],
    /// Its elements along each dimension, 1 along those that the tensor has not.
    counts: [u64; 5],
    /// The rows of the tensor that stand one after the other in place of a box's.
    rows: Option<[i64; ROWS]>,
    shared: u64,
}

/// Some bytes of a box that are side by side on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where in the box they are: rows without gaps, dimension 0 innermost, not swizzled.
    pub(crate) offset: u64,
    /// Their address in shared memory.
    pub(crate) shared: u64,
    /// Their address in global memory; `None` outside of the tensor, where loads [fill](Tile::fill)
    /// and stores skip.
    pub(crate) global: Option<u64>,
    pub(crate) bytes: u32,
}

/// Why a copy cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TileError {
    #[error("data type {0} of tensor maps is not simulated")]
    DataType(u8),
    #[error("interleave {0} of tensor maps is not simulated")]
    Interleave(u8),
    #[error("swizzle {0} of tensor maps is not simulated")]
    Swizzle(u8),
    #[error("{given} coordinates for a tensor of rank {rank}")]
    Coordinates { given: usize, rank: u8 },
    #[error("rows of a tensor of rank {rank}, expected one of two dimensions")]
    NoMatrix { rank: u8 },
    #[error("single rows by a tensor map whose box has {extent} of them, expected one")]
    SeveralRows { extent: u16 },
    #[error("the box begins {bytes} bytes from the tensor's edge, no multiple of {CHUNK}")]
    InnerCoordinate { bytes: i64 },
    #[error("shared address {address:#x} of a box is no multiple of {ALIGNMENT}")]
    Misaligned { address: u64 },
}

/// How many rows `.tile::gather4` and `.tile::scatter4` move.
pub(crate) const ROWS: usize = 4;

/// What the address of a box in shared memory is a multiple of.
pub(crate) const ALIGNMENT: u64 = 128;

/// The NaN outside of tensors, of every type: `0x7ff7` again and again.
const NAN: [u8; 16] = {
    let [low, high] = 0x7ff7_u16.to_le_bytes();
    let mut bytes = [low; 16];
    let mut at = 1;
    while at < bytes.len() {
        bytes[at] = high;
        at += 2;
    }
    bytes
};

impl<'a> Tile<'a> {
    /// Four rows of a matrix from a column on, each as wide as the map's box, which has one row: the PTX
    /// manual's section on `.tile::scatter4` and `.tile::gather4`. In shared memory they are a box of four.
    pub(crate) fn of_rows(
        map: &'a TensorMap,
        column: i32,
        rows: [i32; ROWS],
        shared: u64,
    ) -> Result<Self, TileError> {
        if map.rank != 2 {
            return Err(TileError::NoMatrix { rank: map.rank });
        }
        let extent = map.box_extents[1];
        if extent != 1 {
            return Err(TileError::SeveralRows { extent });
        }
        let mut tile = Self::new(map, &[column, 0], shared)?;
        tile.counts[1] = ROWS as u64;
        tile.rows = Some(rows.map(i64::from));
        Ok(tile)
    }

    /// The box at some coordinates, dimension 0 first, and at an address of shared memory.
    pub(crate) fn new(
        map: &'a TensorMap,
        coordinates: &[i32],
        shared: u64,
    ) -> Result<Self, TileError> {
        let element = match Element::of(map.data_type) {
            Some(Element::Integer(bytes) | Element::Float(bytes)) => bytes,
            _ => return Err(TileError::DataType(map.data_type)),
        };
        let swizzle = match map.swizzle {
            0 => Swizzle::None,
            1 => Swizzle::Bytes32,
            2 => Swizzle::Bytes64,
            3 => Swizzle::Bytes128,
            other => return Err(TileError::Swizzle(other)),
        };
        if map.interleave != 0 {
            return Err(TileError::Interleave(map.interleave));
        }
        let given = coordinates.len();
        if given != usize::from(map.rank) {
            return Err(TileError::Coordinates { given, rank: map.rank });
        }
        let mut first = [0; 5];
        let mut counts = [1; 5];
        for (dimension, coordinate) in coordinates.iter().enumerate() {
            first[dimension] = i64::from(*coordinate);
            let elements = u64::from(map.box_extents[dimension]);
            counts[dimension] = elements.div_ceil(step(map, dimension));
        }
        let bytes = first[0] * element as i64;
        if bytes % CHUNK as i64 != 0 {
            return Err(TileError::InnerCoordinate { bytes });
        }
        if !shared.is_multiple_of(ALIGNMENT) {
            return Err(TileError::Misaligned { address: shared });
        }
        Ok(Self { map, swizzle, element, first, counts, rows: None, shared })
    }

    /// The bytes that the copy's barrier counts: those outside of the tensor too.
    pub(crate) fn bytes(&self) -> u64 {
        self.element * self.counts.iter().product::<u64>()
    }

    /// Whether a row of the tensor stands twice among single rows: what a store leaves there is nobody's guess.
    pub(crate) fn repeats(&self) -> bool {
        let inside = |row: &i64| (0..self.map.extents[1] as i64).contains(row);
        let mut rows: Vec<i64> = self.rows.iter().flatten().copied().filter(inside).collect();
        rows.sort_unstable();
        rows.windows(2).any(|pair| pair[0] == pair[1])
    }

    /// What elements outside of the tensor are loaded as, beginning with that of any run.
    pub(crate) fn fill(&self) -> [u8; 16] {
        if self.map.fill == 0 { [0; 16] } else { NAN }
    }

    /// All of the box: in pieces of up to a chunk where chunks are swizzled, otherwise of up to a row.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> {
        let rows = self.counts[1..].iter().product();
        (0..rows).flat_map(move |row| self.runs_of(row))
    }

    fn runs_of(&self, row: u64) -> impl Iterator<Item = Run> {
        let bytes = self.element * self.counts[0];
        let (pitch, piece) = match self.swizzle {
            Swizzle::None => (bytes, bytes),
            swizzle => (swizzle.span(), CHUNK),
        };
        let start = self.row_address(row);
        // Where the tensor begins and ends in the row.
        let clamp = |coordinate: i64| coordinate.clamp(0, self.counts[0] as i64) as u64;
        let extent = self.map.extents[0] as i64;
        let begin = self.element * clamp(-self.first[0]);
        let end = self.element * clamp(extent - self.first[0]);
        let mut at = 0;
        std::iter::from_fn(move || {
            let from = at;
            if from == bytes {
                return None;
            }
            let stops = [bytes, from - from % piece + piece, begin, end];
            at = stops.into_iter().filter(|stop| *stop > from).min()?;
            let inside = (begin..end).contains(&from);
            let ahead = self.first[0] * self.element as i64 + from as i64;
            Some(Run {
                offset: row * bytes + from,
                shared: self.swizzle.place(self.shared + row * pitch + from, 0),
                global: start.filter(|_| inside).map(|start| start.saturating_add_signed(ahead)),
                bytes: (at - from) as u32,
            })
        })
    }

    /// Where a row of the tensor begins, if there is such a row. One beyond all addresses is at the last.
    fn row_address(&self, mut row: u64) -> Option<u64> {
        let mut address = self.map.address;
        for dimension in 1..usize::from(self.map.rank) {
            let index = row % self.counts[dimension];
            row /= self.counts[dimension];
            let coordinate = match self.rows {
                Some(rows) => rows[index as usize],
                None => self.first[dimension] + (index * step(self.map, dimension)) as i64,
            };
            let coordinate = u64::try_from(coordinate).ok()?;
            if coordinate >= self.map.extents[dimension] {
                return None;
            }
            let stride = self.map.strides[dimension - 1];
            address = address.saturating_add(coordinate.saturating_mul(stride));
        }
        Some(address)
    }
}

/// Elements from one of the box to the next. Dimension 0 has no steps, whatever the map says; a step of 0
/// is in no map that was encoded.
fn step(map: &TensorMap, dimension: usize) -> u64 {
    if dimension == 0 { 1 } else { u64::from(map.element_strides[dimension]).max(1) }
}

#[cfg(test)]
mod tests {
    use super::{Run, Tile, TileError};
    use crate::tensor_map::TensorMap;

    /// bf16 in two dimensions.
    fn matrix(extents: [u64; 2], stride: u64, box_extents: [u16; 2]) -> TensorMap {
        TensorMap {
            address: 0x10000,
            data_type: 9,
            rank: 2,
            extents: [extents[0], extents[1], 0, 0, 0],
            strides: [stride, 0, 0, 0],
            box_extents: [box_extents[0], box_extents[1], 0, 0, 0],
            element_strides: [1, 1, 0, 0, 0],
            ..TensorMap::default()
        }
    }

    /// What is between rows, and where nothing is copied to.
    const LEFT_ALONE: u16 = 0xeeee;

    /// Shared memory after a load, as 16-bit words, if those of global memory count up from the tensor's
    /// start.
    fn loaded(map: &TensorMap, coordinates: &[i32], shared: u64) -> Vec<u16> {
        let tile = Tile::new(map, coordinates, shared).unwrap();
        let mut words = vec![LEFT_ALONE; 4096];
        let mut total = 0;
        for Run { offset, shared, global, bytes } in tile.runs() {
            assert_eq!(offset, total);
            total += u64::from(bytes);
            for at in (0..u64::from(bytes)).step_by(2) {
                let word = &mut words[((shared + at) / 2) as usize];
                assert_eq!(*word, LEFT_ALONE, "nothing is copied to the same place twice");
                let fill = &tile.fill()[at as usize % 16..];
                *word = match global {
                    Some(global) => ((global + at - map.address) / 2) as u16,
                    None => u16::from_le_bytes([fill[0], fill[1]]),
                };
            }
        }
        assert_eq!(total, tile.bytes());
        words
    }

    /// What an H100 gave for boxes at [16, 3] of 1024 by 64: the first element of each of the first chunks
    /// from the box's address on.
    #[test]
    fn rows_lie_a_span_apart_as_on_an_h100() {
        const NO: u16 = LEFT_ALONE;
        let given: [(u8, u16, u64, &[u16]); 5] = [
            (1, 8, 128, &[NO, 0xc10, NO, 0x1010, NO, 0x1410, NO, 0x1810, 0x1c10, NO, 0x2010, NO]),
            (2, 16, 384, &[NO, NO, 0xc18, 0xc10, NO, NO, 0x1018, 0x1010, 0x1410, 0x1418, NO, NO]),
            (3, 8, 384, &[NO, NO, NO, 0xc10, NO, NO, NO, NO, NO, NO, NO, NO, 0x1010, NO, NO, NO]),
            (3, 16, 512, &[NO, NO, NO, NO, 0xc10, 0xc18, NO, NO, NO, NO, NO, NO, 0x1018, 0x1010]),
            (
                3,
                32,
                128,
                &[0xc18, 0xc10, 0xc28, 0xc20, NO, NO, NO, NO, 0x1020, 0x1028, 0x1010, 0x1018],
            ),
        ];
        for (swizzle, width, shared, chunks) in given {
            let map = TensorMap { swizzle, ..matrix([1024, 64], 2048, [width, 16]) };
            let words = loaded(&map, &[16, 3], shared);
            let first = words[shared as usize / 2..].iter().step_by(8);
            assert!(first.take(chunks.len()).eq(chunks), "{swizzle} {width} {shared}");
        }
    }

    /// What an H100 gave for boxes that reach out of the tensor, with steps.
    #[test]
    fn the_tensor_s_edges_are_found_within_chunks() {
        let mut map = matrix([12, 8], 32, [8, 5]);
        map.element_strides = [7, 2, 0, 0, 0];
        let words = loaded(&map, &[8, 5], 0);
        let rows =
            [[0x58, 0x59, 0x5a, 0x5b, 0, 0, 0, 0], [0x78, 0x79, 0x7a, 0x7b, 0, 0, 0, 0], [0; 8]];
        assert_eq!(words[..24], *rows.as_flattened());
        assert_eq!(words[24], LEFT_ALONE);
        assert_eq!(loaded(&map, &[-8, -1], 0)[..24], [0; 24]);
    }

    /// What an H100 gave for floats of every size, here for those of 16 bits.
    #[test]
    fn the_nan_outside_is_the_same_bytes_for_every_type() {
        let mut map = matrix([20, 0], 0, [32, 0]);
        (map.rank, map.fill) = (1, 1);
        let words = loaded(&map, &[8], 0);
        assert!((8..20).eq(words[..12].iter().copied()));
        assert_eq!(words[12..32], [0x7ff7; 20]);
    }

    /// Every element by itself, from the definitions of a dense box and of a strided tensor.
    #[test]
    fn five_dimensions_are_traversed_in_order() {
        let extents = [24, 7, 5, 6, 3];
        let strides = [64, 512, 4096, 32768];
        let steps = [1, 2, 1, 3, 1];
        let box_extents = [32, 5, 2, 7, 2];
        for (data_type, size) in [(1, 2), (7, 4), (8, 8)] {
            let map = TensorMap {
                address: 1 << 40,
                data_type,
                rank: 5,
                extents,
                strides,
                box_extents,
                element_strides: steps,
                ..TensorMap::default()
            };
            for first in
                [[0, 0, 0, 0, 0], [-16, 3, -1, 2, 1], [16, -3, 4, -2, -1], [64, 0, 0, 0, 0]]
            {
                let tile = Tile::new(&map, &first, 1024).unwrap();
                let mut runs = tile.runs().flat_map(|run| {
                    (0..u64::from(run.bytes)).step_by(size as usize).map(move |at| {
                        (run.offset + at, run.shared + at, run.global.map(|global| global + at))
                    })
                });
                let mut index = 0;
                for v in 0..2 {
                    for w in 0..7_i64.div_euclid(3) + 1 {
                        for z in 0..2 {
                            for y in 0..3 {
                                for x in 0..32 {
                                    let at = [x, 2 * y, z, 3 * w, v];
                                    let at: [i64; 5] =
                                        std::array::from_fn(|d| at[d] + i64::from(first[d]));
                                    let inside = at
                                        .iter()
                                        .zip(&extents)
                                        .all(|(at, extent)| *at >= 0 && *at < *extent as i64);
                                    let bytes = [size as i64, 64, 512, 4096, 32768];
                                    let ahead: i64 =
                                        at.iter().zip(bytes).map(|(at, b)| at * b).sum();
                                    let global = inside.then(|| (1 << 40) + ahead as u64);
                                    let expected = (index, 1024 + index, global);
                                    assert_eq!(runs.next(), Some(expected), "{at:?}");
                                    index += size;
                                }
                            }
                        }
                    }
                }
                assert_eq!((runs.next(), tile.bytes()), (None, index));
            }
        }
    }

    #[test]
    fn a_row_that_is_not_swizzled_is_in_one_piece() {
        let map = matrix([64, 64], 128, [48, 2]);
        let tile = Tile::new(&map, &[32, 7], 256).unwrap();
        let run = |offset, shared, global, bytes| Run { offset, shared, global, bytes };
        let row = 0x10000 + 7 * 128 + 64;
        let expected = [
            run(0, 256, Some(row), 64),
            run(64, 320, None, 32),
            run(96, 352, Some(row + 128), 64),
            run(160, 416, None, 32),
        ];
        assert_eq!(tile.runs().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn single_rows_stand_one_after_the_other() {
        let map = matrix([64, 64], 128, [16, 1]);
        let tile = Tile::of_rows(&map, 56, [7, -1, 64, 7], 256).unwrap();
        let run = |offset, global, bytes| Run { offset, shared: 256 + offset, global, bytes };
        let row = Some(0x10000 + 7 * 128 + 112);
        let expected = [
            run(0, row, 16),
            run(16, None, 16),
            run(32, None, 16),
            run(48, None, 16),
            run(64, None, 16),
            run(80, None, 16),
            run(96, row, 16),
            run(112, None, 16),
        ];
        assert_eq!(tile.runs().collect::<Vec<_>>(), expected);
        assert_eq!(tile.bytes(), 128);
        assert!(tile.repeats());
        assert!(!Tile::of_rows(&map, 56, [7, -1, 64, -1], 256).unwrap().repeats());
        // Steps are between rows of a box, of which there is one.
        let steps = TensorMap { element_strides: [1, 8, 0, 0, 0], ..map };
        let tile = Tile::of_rows(&steps, 56, [7, -1, 64, 7], 256).unwrap();
        assert_eq!(tile.runs().collect::<Vec<_>>(), expected);
        for (map, error) in [
            (TensorMap { rank: 3, ..map }, TileError::NoMatrix { rank: 3 }),
            (TensorMap { rank: 1, ..map }, TileError::NoMatrix { rank: 1 }),
            (matrix([64, 64], 128, [16, 4]), TileError::SeveralRows { extent: 4 }),
            (TensorMap { interleave: 1, ..map }, TileError::Interleave(1)),
        ] {
            assert_eq!(Tile::of_rows(&map, 56, [0, 1, 2, 3], 256).err(), Some(error));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let map = matrix([64, 64], 128, [8, 8]);
        let refused = |change: &dyn Fn(&mut TensorMap), coordinates: &[i32], shared, error| {
            let mut map = map;
            change(&mut map);
            assert_eq!(Tile::new(&map, coordinates, shared).err(), Some(error));
        };
        let at = [8, 0];
        refused(&|map| map.data_type = 11, &at, 0, TileError::DataType(11));
        refused(&|map| map.data_type = 13, &at, 0, TileError::DataType(13));
        refused(&|map| map.data_type = 16, &at, 0, TileError::DataType(16));
        refused(&|map| map.interleave = 1, &at, 0, TileError::Interleave(1));
        refused(&|map| map.swizzle = 4, &at, 0, TileError::Swizzle(4));
        refused(&|_| {}, &[8], 0, TileError::Coordinates { given: 1, rank: 2 });
        refused(&|_| {}, &[4, 0], 0, TileError::InnerCoordinate { bytes: 8 });
        refused(&|_| {}, &[-1, 0], 0, TileError::InnerCoordinate { bytes: -2 });
        refused(&|_| {}, &at, 64, TileError::Misaligned { address: 64 });
        assert!(Tile::new(&map, &[-8, -1], 128).is_ok());
    }
}
