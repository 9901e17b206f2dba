use msa_abi::MAX_BLOCKS;

/// A block of a row as the row's list orders it: the smaller key comes first.
///
/// The upper 32 bits rank the score, the lower 16 are the block's id. So no two blocks of a row have the
/// same key, a higher score comes before a lower one, and equal scores go by ascending id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct Key(u64);

/// Bits of a key that hold the id.
const ID_BITS: u32 = 16;

const _: () = assert!(MAX_BLOCKS <= 1 << ID_BITS);

impl Key {
    /// Bits of a key that are in use.
    pub(crate) const BITS: u32 = u32::BITS + ID_BITS;

    /// Comes after every other key; stands where there is none.
    pub(crate) const LAST: Self = Self(u64::MAX);

    /// The key of a block by its score's rank.
    pub(crate) const fn new(rank: ScoreRank, id: u32) -> Self {
        Self((rank.0 as u64) << ID_BITS | id as u64)
    }

    /// The key that orders blocks by their id alone.
    pub(crate) const fn by_id(id: u32) -> Self {
        Self(id as u64)
    }

    /// The block's id.
    pub(crate) const fn id(self) -> u32 {
        self.0 as u32 % (1 << ID_BITS)
    }

    /// All of the key but its last `shift` bits.
    pub(crate) const fn prefix(self, shift: u32) -> u64 {
        self.0 >> shift
    }
}

/// Where a score stands among all floats, the highest first: infinity is rank `0x007f_ffff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub(crate) struct ScoreRank(u32);

impl ScoreRank {
    /// The rank of a block that is never chosen.
    pub(crate) const NEVER: Self = Self(u32::MAX);

    /// The score's rank; [`NEVER`](Self::NEVER) for negative infinity and NaN.
    pub(crate) const fn of(score: f32) -> Self {
        // Of NaN this is false as well.
        if score > f32::NEG_INFINITY {
            // -0.0 + 0.0 is 0.0: the two zeros are one score.
            let bits = (score + 0.0).to_bits();
            let is_negative = bits >> 31 != 0;
            // Magnitudes ascend with their bits. That is the order of the negative scores; the positive
            // ones are turned round, and come first because their sign bit is clear.
            Self(if is_negative { bits } else { bits ^ 0x7fff_ffff })
        } else {
            Self::NEVER
        }
    }

    /// Whether a block of this rank can be chosen.
    pub(crate) fn is_selectable(self) -> bool {
        self != Self::NEVER
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, ScoreRank};

    /// Every kind of float, in the order of the list.
    const DESCENDING: [f32; 15] = [
        f32::INFINITY,
        f32::MAX,
        1e30,
        1e29,
        1.0000001,
        1.0,
        f32::MIN_POSITIVE,
        1e-45,
        0.0,
        -1e-45,
        -f32::MIN_POSITIVE,
        -1.0,
        -1.0000001,
        -1e30,
        f32::MIN,
    ];

    #[test]
    fn ranks_go_by_descending_score() {
        for pair in DESCENDING.windows(2) {
            assert!(ScoreRank::of(pair[0]) < ScoreRank::of(pair[1]), "{pair:?}");
        }
        assert!(DESCENDING.iter().all(|&score| ScoreRank::of(score).is_selectable()));
    }

    #[test]
    fn the_zeros_tie() {
        assert_eq!(ScoreRank::of(0.0), ScoreRank::of(-0.0));
    }

    #[test]
    fn negative_infinity_and_nan_are_never_chosen() {
        let nans = [0x7fc0_0000, 0x7f80_0001, 0x7fff_ffff, 0xff80_0001, 0xffff_ffff];
        for score in nans.map(f32::from_bits).into_iter().chain([f32::NEG_INFINITY]) {
            assert_eq!(ScoreRank::of(score), ScoreRank::NEVER, "{score}");
        }
    }

    #[test]
    fn keys_go_by_score_and_then_by_id() {
        let key = |score, id| Key::new(ScoreRank::of(score), id);
        assert!(key(2.0, 8191) < key(1.0, 0));
        assert!(key(1.0, 3) < key(1.0, 4));
        assert!(key(-0.0, 3) < key(0.0, 4));
        assert!(key(f32::MIN, 8191) < Key::LAST);
        assert!(Key::by_id(3) < Key::by_id(4));
        assert_eq!((key(1.0, 8191).id(), Key::by_id(8191).id()), (8191, 8191));
        assert_eq!(key(f32::MIN, 8191).prefix(Key::BITS), 0);
    }
}
