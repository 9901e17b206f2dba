use super::key::Key;

/// How far the row is sorted: a prefix of keys that splits it in three.
///
/// | a key whose upper bits are | is |
/// | --- | --- |
/// | below the prefix | chosen: there are `before` of them |
/// | the prefix | undecided: there are `within` of them, as many as are missing or more |
/// | above the prefix | dropped |
///
/// Each step takes one more [`DIGIT_BITS`](Self::DIGIT_BITS) into the prefix. Keys are unique, so with all
/// their bits in it one key at most is undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    prefix: u64,
    /// Bits below the prefix.
    shift: u32,
    before: u32,
    within: u32,
}

impl Cut {
    /// Bits of a key that a step looks at.
    pub(super) const DIGIT_BITS: u32 = 8;

    /// Values that a digit may have.
    pub(super) const DIGITS: u32 = 1 << Self::DIGIT_BITS;

    /// Steps until the prefix is all of a key.
    pub(super) const STEPS: u32 = Key::BITS / Self::DIGIT_BITS;

    /// Nothing is sorted yet: all of a row's `blocks` keys are undecided.
    pub(super) const fn nowhere(blocks: u32) -> Self {
        Self {
            prefix: 0,
            shift: Key::BITS,
            before: 0,
            within: blocks,
        }
    }

    /// Steps taken so far.
    pub(super) const fn steps(self) -> u32 {
        (Key::BITS - self.shift) / Self::DIGIT_BITS
    }

    /// Keys that are not dropped.
    pub(super) const fn kept(self) -> u32 {
        self.before + self.within
    }

    /// How many of the undecided keys are chosen, of `wanted` in all.
    pub(super) const fn missing(self, wanted: u32) -> u32 {
        wanted - self.before
    }

    /// Whether the key is not dropped.
    pub(super) const fn keeps(self, key: Key) -> bool {
        key.prefix(self.shift) <= self.prefix
    }

    /// Whether the key is undecided.
    pub(super) const fn undecided(self, key: Key) -> bool {
        key.prefix(self.shift) == self.prefix
    }

    /// The digit of an undecided key that the next step looks at.
    pub(super) const fn next_digit(self, key: Key) -> u32 {
        key.prefix(self.shift - Self::DIGIT_BITS) as u32 % Self::DIGITS
    }

    /// The next step: the undecided keys are now those with this digit.
    pub(super) const fn narrow(self, share: Share) -> Self {
        Self {
            prefix: self.prefix << Self::DIGIT_BITS | share.digit as u64,
            shift: self.shift - Self::DIGIT_BITS,
            before: self.before + share.before,
            within: share.within,
        }
    }
}

/// The digit at which a cut goes on, and what of the undecided keys has a smaller digit or this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) digit: u32,
    pub(super) before: u32,
    pub(super) within: u32,
}
