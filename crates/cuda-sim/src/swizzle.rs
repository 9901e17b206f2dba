//! How bulk tensor copies and `wgmma` lay out rows in shared memory so that columns can be read without
//! bank conflicts: chunks of 16 bytes trade places within each row, differently in each of 8 rows.
//!
//! What trades places is decided by the bits of an address, not by where a box or a matrix begins.

/// The bytes within which chunks trade places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Swizzle {
    None,
    Bytes32,
    Bytes64,
    Bytes128,
}

/// Bytes that stay together.
pub(crate) const CHUNK: u64 = 16;

impl Swizzle {
    /// The bytes within which chunks trade places: one chunk where there is no swizzle.
    pub(crate) fn span(self) -> u64 {
        match self {
            Self::None => CHUNK,
            Self::Bytes32 => 32,
            Self::Bytes64 => 64,
            Self::Bytes128 => 128,
        }
    }

    /// Where a byte goes that would be at this address without the swizzle. The pattern starts `base` times
    /// 128 bytes after each multiple of 1024.
    ///
    /// The number of the chunk, in the bits from the fourth on, is combined with that of the 128 bytes it
    /// is in, in the bits from the seventh on.
    pub(crate) fn place(self, address: u64, base: u64) -> u64 {
        let row = address.wrapping_sub(base << 7) >> 7;
        address ^ (row << 4 & (self.span() - CHUNK))
    }
}

#[cfg(test)]
mod tests {
    use super::Swizzle;

    /// The manual's tables: which chunk of each row is found at each place of it, the start aligned.
    const OF_128: [[u64; 8]; 8] = [
        [0, 1, 2, 3, 4, 5, 6, 7],
        [1, 0, 3, 2, 5, 4, 7, 6],
        [2, 3, 0, 1, 6, 7, 4, 5],
        [3, 2, 1, 0, 7, 6, 5, 4],
        [4, 5, 6, 7, 0, 1, 2, 3],
        [5, 4, 7, 6, 1, 0, 3, 2],
        [6, 7, 4, 5, 2, 3, 0, 1],
        [7, 6, 5, 4, 3, 2, 1, 0],
    ];

    #[test]
    fn chunks_go_where_the_manual_shows_them() {
        let rows_that_differ = [
            (Swizzle::None, 1),
            (Swizzle::Bytes32, 2),
            (Swizzle::Bytes64, 4),
            (Swizzle::Bytes128, 8),
        ];
        for (swizzle, period) in rows_that_differ {
            for row in 0..16 {
                for (place, chunk) in OF_128[row % period].into_iter().enumerate() {
                    let (row, place) = (128 * row as u64, 16 * place as u64);
                    let address = 4096 + row + 16 * chunk + 5;
                    assert_eq!(swizzle.place(address, 0), 4096 + row + place + 5, "{swizzle:?}");
                }
            }
        }
    }

    #[test]
    fn a_pattern_can_start_elsewhere() {
        for base in 0..8 {
            for address in (0..2048).step_by(16) {
                let moved = Swizzle::Bytes128.place(address + 128 * base, base);
                assert_eq!(moved, Swizzle::Bytes128.place(address, 0) + 128 * base);
            }
        }
    }
}
