//! The descriptor of a matrix in shared memory: where each of its elements is.
//!
//! Elements have 16 bits here, so that a chunk of 16 bytes holds 8 neighbours along the dimension that is
//! contiguous in memory: k, or m of A and n of B. The layouts are the canonical ones of the PTX manual,
//! "Shared Memory Matrix Layout" of the asynchronous warpgroup instructions; an H100 reads them so, from
//! every start and with strides and base offsets that fit no matrix too. Those of "Shared memory descriptor" of
//! the fifth generation of tensor cores are the same, in other bits.

use crate::swizzle::{CHUNK, Swizzle};

/// The dimension along which elements are contiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Major {
    K,
    /// m of A, n of B: `imm-trans-a` or `imm-trans-b` is 1.
    Mn,
}

/// What a 64-bit descriptor says. Addresses and offsets are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    start: u64,
    /// "Leading dimension byte offset".
    leading: u64,
    /// "Stride dimension byte offset".
    stride: u64,
    /// Where the swizzle's pattern starts, in 128 bytes after a multiple of 1024.
    base: u64,
    swizzle: Swizzle,
}

/// A descriptor with bits set that have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("matrix descriptor {0:#018x} has reserved bits set")]
pub(crate) struct ReservedBits(u64);

const RESERVED: u64 = 0x3ff1_c000_c000_c000;
const RESERVED_BY_TCGEN05: u64 = 0x1fe0_0000_c000_c000;

/// 8 neighbouring elements, whose first is that of row `mn` and column `k` of A, or of column `mn` and row
/// `k` of B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    pub(super) address: u64,
    pub(super) mn: usize,
    pub(super) k: usize,
}

impl Descriptor {
    pub(crate) fn decode(bits: u64) -> Result<Self, ReservedBits> {
        if bits & RESERVED != 0 {
            return Err(ReservedBits(bits));
        }
        let bytes = |at: u32| (bits >> at & 0x3fff) << 4;
        Ok(Self {
            start: bytes(0),
            leading: bytes(16),
            stride: bytes(32),
            base: bits >> 49 & 7,
            swizzle: match bits >> 62 {
                0 => Swizzle::None,
                1 => Swizzle::Bytes128,
                2 => Swizzle::Bytes64,
                _ => Swizzle::Bytes32,
            },
        })
    }

    /// What `tcgen05` has: the manual's table of "Shared memory descriptor". Fails with what is wrong.
    pub(in crate::isa) fn decode_tcgen05(bits: u64) -> Result<Self, &'static str> {
        if bits & RESERVED_BY_TCGEN05 != 0 {
            return Err("reserved bits are set");
        }
        if bits >> 46 & 7 != 1 {
            return Err("bits 46 to 48 are not 0b001");
        }
        if bits >> 52 & 1 != 0 {
            return Err("bit 52: an absolute leading dimension address is not simulated");
        }
        let bytes = |at: u32| (bits >> at & 0x3fff) << 4;
        Ok(Self {
            start: bytes(0),
            leading: bytes(16),
            stride: bytes(32),
            base: bits >> 49 & 7,
            swizzle: match bits >> 61 {
                0 => Swizzle::None,
                2 => Swizzle::Bytes128,
                4 => Swizzle::Bytes64,
                6 => Swizzle::Bytes32,
                1 => return Err("bits 61 to 63: swizzling of 32 bytes at a time is not simulated"),
                _ => return Err("bits 61 to 63: not a swizzling mode"),
            },
        })
    }

    /// The address of an element: in row `mn` of A or column `mn` of B.
    pub(in crate::isa) fn address(&self, major: Major, mn: usize, k: usize) -> u64 {
        let (mn, k) = (mn as u64, k as u64);
        let span = self.swizzle.span();
        let plain = self.swizzle == Swizzle::None;
        let offset = match major {
            // 8 rows of a span each, and the next 8 a stride away. Of these rows 16 columns are used, two
            // chunks, which lie side by side where rows are wide enough for two.
            Major::K => {
                let across = if plain { self.leading } else { CHUNK };
                mn % 8 * span + mn / 8 * self.stride + k / 8 * across + 2 * (k % 8)
            }
            // 8 rows of a span each, one for each k; elsewhere the next along mn, and the next 8 k. Which
            // offset is which depends on there being a swizzle.
            Major::Mn => {
                let (along_mn, along_k) =
                    if plain { (self.stride, self.leading) } else { (self.leading, self.stride) };
                let width = span / 2;
                2 * (mn % width) + mn / width * along_mn + k % 8 * span + k / 8 * along_k
            }
        };
        // Kernels step through a swizzled row by advancing the start: the swizzle is the address's own.
        self.swizzle.place(self.start + offset, self.base)
    }

    /// The chunks that hold rows of A or columns of B from a multiple of 8 on, 16 elements each.
    pub(super) fn chunks(
        &self,
        major: Major,
        first: usize,
        count: usize,
    ) -> impl Iterator<Item = Chunk> {
        let (mn_step, k_step) = match major {
            Major::K => (1, 8),
            Major::Mn => (8, 1),
        };
        (first..first + count).step_by(mn_step).flat_map(move |mn| {
            (0..16).step_by(k_step).map(move |k| {
                let address = self.address(major, mn, k);
                Chunk { address, mn, k }
            })
        })
    }
}

#[cfg(test)]
pub(in crate::isa) mod tests {
    use super::{Descriptor, Major, RESERVED, ReservedBits};

    /// The bits of a descriptor; `mode` as it numbers the swizzles.
    pub(in crate::isa) fn encode(
        start: u64,
        leading: u64,
        stride: u64,
        base: u64,
        mode: u64,
    ) -> u64 {
        start >> 4 | leading >> 4 << 16 | stride >> 4 << 32 | base << 49 | mode << 62
    }

    /// A layout as CuTe writes it: shapes and strides of mn and of k, the first of each the innermost.
    pub(in crate::isa) struct Layout {
        pub(in crate::isa) mn: [Vec<u64>; 2],
        pub(in crate::isa) k: [Vec<u64>; 2],
    }

    impl Layout {
        fn along([shape, strides]: &[Vec<u64>; 2], mut index: u64) -> u64 {
            let mut offset = 0;
            for (extent, stride) in shape.iter().zip(strides) {
                offset += index % extent * stride;
                index /= extent;
            }
            assert_eq!(index, 0, "beyond the layout");
            offset
        }

        /// Bytes from the start, not swizzled.
        pub(in crate::isa) fn offset(&self, mn: u64, k: u64) -> u64 {
            2 * (Self::along(&self.mn, mn) + Self::along(&self.k, k))
        }
    }

    /// The manual's table of canonical layouts, with T = 8, for as many repetitions along mn.
    pub(in crate::isa) fn canonical(
        major: Major,
        mode: u64,
        repeated: u64,
        leading: u64,
        stride: u64,
    ) -> Layout {
        let (lbo, sbo, m) = (leading / 2, stride / 2, repeated);
        let [mn, k] = match (major, mode) {
            (Major::Mn, 0) => [[vec![8, 1, m], vec![1, 8, sbo]], [vec![8, 2], vec![8, lbo]]],
            (Major::Mn, 3) => [[vec![8, 2, m], vec![1, 8, lbo]], [vec![8, 2], vec![16, sbo]]],
            (Major::Mn, 2) => [[vec![8, 4, m], vec![1, 8, lbo]], [vec![8, 2], vec![32, sbo]]],
            (Major::Mn, _) => [[vec![8, 8, m], vec![1, 8, lbo]], [vec![8, 2], vec![64, sbo]]],
            (Major::K, 0) => [[vec![8, m], vec![8, sbo]], [vec![8, 2], vec![1, lbo]]],
            (Major::K, 3) => [[vec![8, m], vec![16, sbo]], [vec![8, 2], vec![1, 8]]],
            (Major::K, 2) => [[vec![8, m], vec![32, sbo]], [vec![8, 2], vec![1, 8]]],
            (Major::K, _) => [[vec![8, m], vec![64, sbo]], [vec![8, 2], vec![1, 8]]],
        };
        Layout { mn, k }
    }

    /// `Swizzle<B, 4, 3>`: B bits from the seventh on are added, without carry, to those from the fourth on.
    pub(in crate::isa) fn swizzled(address: u64, mode: u64) -> u64 {
        let bits = [0, 3, 2, 1][mode as usize];
        (0..bits).fold(address, |moved, bit| moved ^ (address >> (7 + bit) & 1) << (4 + bit))
    }

    const MAJORS: [Major; 2] = [Major::K, Major::Mn];

    #[test]
    fn every_element_is_where_the_canonical_layout_has_it() {
        for major in MAJORS {
            for mode in 0..4 {
                let (start, leading, stride) = (3072, 8192, 2048);
                let layout = canonical(major, mode, 32, leading, stride);
                let bits = encode(start, leading, stride, 0, mode);
                let descriptor = Descriptor::decode(bits).unwrap();
                for mn in 0..256 {
                    for k in 0..16 {
                        let expected = swizzled(start + layout.offset(mn, k), mode);
                        let address = descriptor.address(major, mn as usize, k as usize);
                        assert_eq!(address, expected, "{major:?} {mode} {mn} {k}");
                    }
                }
            }
        }
    }

    /// The exact layouts of the manual's figures for bf16, and what they say of the offsets.
    #[test]
    fn the_manual_s_figures_are_read() {
        let figures = [
            (0, 16, 8, [vec![8, 1, 2], vec![1, 8, 64]], [vec![8, 2], vec![8, 128]]),
            (3, 16, 32, [vec![8, 2, 2], vec![1, 8, 128]], [vec![8, 2], vec![16, 256]]),
            (2, 32, 64, [vec![8, 4, 2], vec![1, 8, 256]], [vec![8, 2], vec![32, 512]]),
        ];
        for (mode, leading, stride, mn, k) in figures {
            let descriptor = Descriptor::decode(mode << 62 | stride << 32 | leading << 16).unwrap();
            let rows: u64 = mn[0].iter().product();
            let layout = Layout { mn, k };
            for mn in 0..rows {
                for k in 0..16 {
                    let address = descriptor.address(Major::Mn, mn as usize, k as usize);
                    assert_eq!(address, swizzled(layout.offset(mn, k), mode), "{mode} {mn} {k}");
                }
            }
        }
    }

    #[test]
    fn some_addresses_by_hand() {
        let at = |bits, major, mn, k| Descriptor::decode(bits).unwrap().address(major, mn, k);
        // 64 columns of 128 bytes, as a tensor copy with a swizzle of 128 bytes leaves them.
        let of_128 = encode(1024, 16, 1024, 0, 1);
        assert_eq!(at(of_128, Major::K, 0, 0), 1024);
        assert_eq!(at(of_128, Major::K, 0, 9), 1024 + 18);
        assert_eq!(at(of_128, Major::K, 1, 0), 1024 + 128 + 16);
        assert_eq!(at(of_128, Major::K, 9, 8), 2048 + 128);
        // The same, two steps of 16 along k on.
        let advanced = of_128 + (64 >> 4);
        assert_eq!(at(advanced, Major::K, 0, 0), 1024 + 64);
        assert_eq!(at(advanced, Major::K, 1, 8), 1024 + 128 + 64);
        assert_eq!(at(advanced, Major::K, 5, 8), 1024 + 5 * 128);
        // Core matrices of 128 bytes, one after the other along k, then along n.
        let plain = encode(0, 128, 256, 0, 0);
        assert_eq!(at(plain, Major::K, 3, 12), 128 + 3 * 16 + 8);
        assert_eq!(at(plain, Major::K, 8, 0), 256);
        // The same where n is contiguous: the offsets change places.
        assert_eq!(at(plain, Major::Mn, 8, 0), 256);
        assert_eq!(at(plain, Major::Mn, 3, 12), 128 + 4 * 16 + 6);
    }

    #[test]
    fn a_pattern_can_start_at_a_multiple_of_128_bytes() {
        for major in MAJORS {
            for mode in 0..4 {
                let aligned = Descriptor::decode(encode(1024, 4096, 2048, 0, mode)).unwrap();
                for base in 0..8 {
                    let bits = encode(1024 + 128 * base, 4096, 2048, base, mode);
                    let moved = Descriptor::decode(bits).unwrap();
                    for (mn, k) in (0..128).flat_map(|mn| (0..16).map(move |k| (mn, k))) {
                        let expected = aligned.address(major, mn, k) + 128 * base;
                        assert_eq!(moved.address(major, mn, k), expected);
                    }
                }
            }
        }
    }

    #[test]
    fn chunks_hold_every_element_once() {
        for major in MAJORS {
            let descriptor = Descriptor::decode(encode(0, 4096, 1024, 0, 1)).unwrap();
            let mut seen = [[false; 16]; 48];
            for chunk in descriptor.chunks(major, 16, 32) {
                for at in 0..8 {
                    let (mn, k) = match major {
                        Major::K => (chunk.mn, chunk.k + at),
                        Major::Mn => (chunk.mn + at, chunk.k),
                    };
                    let address = chunk.address + 2 * at as u64;
                    assert_eq!(descriptor.address(major, mn, k), address);
                    assert!(!std::mem::replace(&mut seen[mn][k], true));
                }
            }
            assert_eq!(seen[..16], [[false; 16]; 16]);
            assert_eq!(seen[16..], [[true; 16]; 32]);
        }
    }

    /// The fields that both kinds of descriptors have are in other bits for `tcgen05`, and say the same.
    #[test]
    fn descriptors_of_tcgen05_say_the_same() {
        for (mode, of_tcgen05) in [(0, 0), (1, 2), (2, 4), (3, 6)] {
            let bits = encode(3072, 4096, 2048, 5, mode);
            let other = bits & 0x3fff_3fff_3fff | 1 << 46 | 5 << 49 | of_tcgen05 << 61;
            let expected = Descriptor::decode(bits).unwrap();
            assert_eq!(Descriptor::decode_tcgen05(other), Ok(expected));
        }
        let plain = 1 << 46;
        for bit in (0..64).filter(|bit| !(46..49).contains(bit)) {
            let meant = [0..14, 16..30, 32..46, 49..52, 62..64];
            let known = meant.iter().any(|bits| bits.contains(&bit));
            assert_eq!(Descriptor::decode_tcgen05(plain | 1 << bit).is_ok(), known, "{bit}");
        }
        for constant in [0, 2, 3, 7] {
            assert!(Descriptor::decode_tcgen05(constant << 46).is_err());
        }
        assert!(Descriptor::decode_tcgen05(plain | 3 << 61).is_err());
    }

    #[test]
    fn bits_without_a_meaning_are_refused() {
        let meant = [0..14, 16..30, 32..46, 49..52, 62..64];
        for bit in 0..64 {
            let bits = 1 << bit;
            let known = meant.iter().any(|bits| bits.contains(&bit));
            let expected = if known { None } else { Some(ReservedBits(bits)) };
            assert_eq!(Descriptor::decode(bits).err(), expected, "{bit}");
            assert_eq!(RESERVED >> bit & 1 == 0, known);
        }
    }
}
