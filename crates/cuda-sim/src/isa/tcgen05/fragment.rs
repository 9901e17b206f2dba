//! Where the registers of `tcgen05.ld` and `tcgen05.st` are in tensor memory: the figures of "Data Movement
//! Shape", "Matrix fragments for shape".

/// A shape, with how often it is repeated along the columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) shape: Shape,
    pub(super) repeats: u32,
    /// Whether each register is two columns, of which it holds the lower halves: `.pack::16b`, `.unpack::16b`.
    pub(super) packed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Lanes32,
    Bits64,
    Bits128,
    Bits256,
    /// Two runs of columns, the second of which starts so many columns after the first.
    Split(u32),
}

/// A rectangle of tensor memory: the first of its columns, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Fragment {
    /// How many registers each thread has.
    pub(super) fn registers(self) -> u32 {
        self.repeats
            * match self.shape {
                Shape::Lanes32 | Shape::Bits64 | Shape::Split(_) => 1,
                Shape::Bits128 => 2,
                Shape::Bits256 => 4,
            }
    }

    /// How many lanes of tensor memory it has.
    pub(super) fn lanes(self) -> u32 {
        if self.shape == Shape::Lanes32 { 32 } else { 16 }
    }

    /// How many columns a register is.
    pub(super) fn width(self) -> u32 {
        if self.packed { 2 } else { 1 }
    }

    /// The columns that it has, behind that of its address.
    pub(super) fn columns(self) -> Vec<Columns> {
        let across = self.repeats
            * match self.shape {
                Shape::Lanes32 | Shape::Split(_) => 1,
                Shape::Bits64 => 2,
                Shape::Bits128 => 4,
                Shape::Bits256 => 8,
            };
        let count = across * self.width();
        match self.shape {
            Shape::Split(second) => {
                vec![Columns { first: 0, count }, Columns { first: second, count }]
            }
            _ => vec![Columns { first: 0, count }],
        }
    }

    /// The lane and the first column of a thread's register, behind those of its address.
    pub(super) fn place(self, register: u32, thread: u32) -> (u32, u32) {
        let (lane, column) = match self.shape {
            Shape::Lanes32 => (thread, register),
            // The threads of a row are every other two.
            Shape::Bits64 => (thread / 4 + thread % 2 * 8, 2 * register + thread / 2 % 2),
            Shape::Bits128 => (thread / 4 + register % 2 * 8, thread % 4 + register / 2 * 4),
            Shape::Bits256 => (
                thread / 4 + register / 2 % 2 * 8,
                thread % 4 * 2 + register % 2 + register / 4 * 8,
            ),
            Shape::Split(second) => {
                let start = if thread < 16 { 0 } else { second };
                return (thread % 16, start + register * self.width());
            }
        };
        (lane, column * self.width())
    }
}

#[cfg(test)]
mod tests {
    use super::{Fragment, Shape};

    const SHAPES: [Shape; 5] =
        [Shape::Lanes32, Shape::Bits64, Shape::Bits128, Shape::Bits256, Shape::Split(300)];

    /// Corners of the figures.
    #[test]
    fn some_places_by_hand() {
        let place = |shape, register, thread| {
            Fragment { shape, repeats: 2, packed: false }.place(register, thread)
        };
        assert_eq!(place(Shape::Lanes32, 1, 31), (31, 1));
        assert_eq!(place(Shape::Bits64, 0, 1), (8, 0));
        assert_eq!(place(Shape::Bits64, 0, 2), (0, 1));
        assert_eq!(place(Shape::Bits64, 1, 7), (9, 3));
        assert_eq!(place(Shape::Bits128, 0, 5), (1, 1));
        assert_eq!(place(Shape::Bits128, 1, 5), (9, 1));
        assert_eq!(place(Shape::Bits128, 2, 3), (0, 7));
        assert_eq!(place(Shape::Bits256, 1, 5), (1, 3));
        assert_eq!(place(Shape::Bits256, 2, 31), (15, 6));
        assert_eq!(place(Shape::Bits256, 4, 0), (0, 8));
        assert_eq!(place(Shape::Split(300), 1, 18), (2, 301));
    }

    #[test]
    fn every_cell_is_one_thread_s() {
        for shape in SHAPES {
            for repeats in [1, 2, 8, 32] {
                for packed in [false, true] {
                    let fragment = Fragment { shape, repeats, packed };
                    let mut places = Vec::new();
                    for register in 0..fragment.registers() {
                        for thread in 0..32 {
                            let (lane, column) = fragment.place(register, thread);
                            places.extend((column..column + fragment.width()).map(|c| (c, lane)));
                        }
                    }
                    places.sort_unstable();
                    let columns = fragment.columns().into_iter();
                    let columns = columns.flat_map(|run| run.first..run.first + run.count);
                    let all = columns.flat_map(|c| (0..fragment.lanes()).map(move |l| (c, l)));
                    assert_eq!(places, all.collect::<Vec<_>>(), "{fragment:?}");
                }
            }
        }
    }
}
