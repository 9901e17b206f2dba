//! Descriptors of tensors in global memory, as `cuTensorMapEncodeTiled` makes them and bulk tensor copies
//! read them. NVIDIA's layout of the 128 bytes is not public; this one is ours.

pub(crate) mod element;
pub(crate) mod tile;

/// A tensor, and the box of it that one copy moves. Dimension 0 is the innermost; those from `rank` on
/// are 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TensorMap {
    /// Where it begins in global memory.
    pub address: u64,
    /// `CUtensorMapDataType`
    pub data_type: u8,
    /// Dimensions, 1 to 5.
    pub rank: u8,
    /// `CUtensorMapInterleave`
    pub interleave: u8,
    /// `CUtensorMapSwizzle`
    pub swizzle: u8,
    /// `CUtensorMapL2promotion`
    pub l2_promotion: u8,
    /// `CUtensorMapFloatOOBfill`
    pub fill: u8,
    /// Elements of each dimension.
    pub extents: [u64; 5],
    /// Bytes from an element to the next, of each dimension but the first.
    pub strides: [u64; 4],
    /// Elements of the box along each dimension.
    pub box_extents: [u16; 5],
    /// Steps from an element of the box to the next, in elements.
    pub element_strides: [u8; 5],
}

/// What the first word holds: other bytes are no tensor map.
const MAGIC: u64 = u64::from_le_bytes(*b"cuda-sim");

impl TensorMap {
    /// Its 128 bytes, as words.
    pub fn encode(&self) -> [u64; 16] {
        let pack =
            |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let mut words = [0; 16];
        words[0] = MAGIC;
        words[1] = self.address;
        words[2] = pack(&[
            self.data_type,
            self.rank,
            self.interleave,
            self.swizzle,
            self.l2_promotion,
            self.fill,
        ]);
        words[3..8].copy_from_slice(&self.extents);
        words[8..12].copy_from_slice(&self.strides);
        let boxes: Vec<_> =
            self.box_extents.iter().flat_map(|extent| extent.to_le_bytes()).collect();
        words[12] = pack(&boxes[..8]);
        words[13] = pack(&boxes[8..]);
        words[14] = pack(&self.element_strides);
        words
    }

    /// What [`encode`](Self::encode) made; `None` for anything else.
    pub fn decode(words: &[u64; 16]) -> Option<Self> {
        let [magic, address, kinds, ..] = *words;
        let [data_type, rank, interleave, swizzle, l2_promotion, fill, ..] = kinds.to_le_bytes();
        let extent = |at: usize| (words[12 + at / 4] >> (16 * (at % 4))) as u16;
        let steps = words[14].to_le_bytes();
        let map = Self {
            address,
            data_type,
            rank,
            interleave,
            swizzle,
            l2_promotion,
            fill,
            extents: std::array::from_fn(|at| words[3 + at]),
            strides: std::array::from_fn(|at| words[8 + at]),
            box_extents: std::array::from_fn(extent),
            element_strides: std::array::from_fn(|at| steps[at]),
        };
        // Whatever is not part of it is zero, so this finds bytes that were changed.
        (magic == MAGIC && map.encode() == *words).then_some(map)
    }
}

#[cfg(test)]
mod tests {
    use super::TensorMap;

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_else() {
        let map = TensorMap {
            address: 0x7000_0000_0200,
            data_type: 9,
            rank: 5,
            interleave: 1,
            swizzle: 3,
            l2_promotion: 2,
            fill: 1,
            extents: [1 << 31, 2, 3, 4, 5],
            strides: [16, 32, 48, (1 << 40) - 16],
            box_extents: [256, 1, 2, 3, 256],
            element_strides: [1, 2, 3, 4, 8],
        };
        let words = map.encode();
        assert_eq!(TensorMap::decode(&words), Some(map));
        assert_eq!(TensorMap::decode(&[0; 16]), None);
        let mut changed = words;
        changed[15] = 1;
        assert_eq!(TensorMap::decode(&changed), None);
    }
}
