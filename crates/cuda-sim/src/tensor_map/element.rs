//! The types of a tensor's elements.

/// An element type of `CUtensorMapDataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    /// Of so many bytes.
    Integer(u64),
    Float(u64),
    /// An f32 that is rounded to tf32 when it is loaded.
    Tf32,
    /// Four bits each, packed in shared memory as in global memory.
    Packed4,
    /// Sixteen of 4 or 6 bits at the start of each 16 bytes of shared memory.
    Spread4,
    Spread6,
}

/// By their numbers. Those that flush subnormals do so when they are added up, not when they are copied.
const ELEMENTS: [Element; 16] = [
    Element::Integer(1),
    Element::Integer(2),
    Element::Integer(4),
    Element::Integer(4),
    Element::Integer(8),
    Element::Integer(8),
    Element::Float(2),
    Element::Float(4),
    Element::Float(8),
    Element::Float(2),
    Element::Float(4),
    Element::Tf32,
    Element::Tf32,
    Element::Packed4,
    Element::Spread4,
    Element::Spread6,
];

impl Element {
    /// The type with this number.
    pub(crate) fn of(data_type: u8) -> Option<Self> {
        ELEMENTS.get(usize::from(data_type)).copied()
    }
}
