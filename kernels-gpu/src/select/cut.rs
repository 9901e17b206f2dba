use super::key::Key;

/// How far the row is sorted: a prefix of keys that splits it in three.
///
/// | a key whose upper bits are | is |
/// | --- | --- |
/// | below the prefix | chosen: there are `before` of them |
/// | the prefix | undecided: there are `within` of them |
/// | above the prefix | dropped |
///
/// Each step takes one more [`DIGIT_BITS`](Self::DIGIT_BITS) into the prefix. Keys are unique, so with all
/// their bits in it one key at most is undecided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    prefix: u64,
    /// Bits below the prefix.
    shift: u32,
    before: u32,
    within: u32,
}

impl Cut {
    /// Bits of a key that a step looks at.
    pub(crate) const DIGIT_BITS: u32 = 8;

    /// Values that a digit may have.
    pub(crate) const DIGITS: u32 = 1 << Self::DIGIT_BITS;

    /// Steps until the prefix is all of a key.
    pub(crate) const STEPS: u32 = Key::BITS / Self::DIGIT_BITS;

    /// Nothing is sorted yet: all of a row's `blocks` keys are undecided.
    pub(crate) const fn nowhere(blocks: u32) -> Self {
        Self { prefix: 0, shift: Key::BITS, before: 0, within: blocks }
    }

    /// Steps taken so far.
    pub(crate) const fn steps(self) -> u32 {
        (Key::BITS - self.shift) / Self::DIGIT_BITS
    }

    /// Keys that are not dropped.
    pub(crate) const fn kept(self) -> u32 {
        self.before + self.within
    }

    /// How many of the undecided keys are chosen, of `wanted` in all.
    pub(crate) const fn missing(self, wanted: u32) -> u32 {
        wanted - self.before
    }

    /// Whether the key is not dropped.
    pub(crate) const fn keeps(self, key: Key) -> bool {
        key.prefix(self.shift) <= self.prefix
    }

    /// Whether the key is undecided.
    pub(crate) const fn undecided(self, key: Key) -> bool {
        key.prefix(self.shift) == self.prefix
    }

    /// The digit of an undecided key that the next step looks at.
    pub(crate) const fn next_digit(self, key: Key) -> u32 {
        key.prefix(self.shift - Self::DIGIT_BITS) as u32 % Self::DIGITS
    }

    /// The next step: the undecided keys are now those with this digit.
    pub(crate) const fn narrow(self, share: Share) -> Self {
        Self {
            prefix: self.prefix << Self::DIGIT_BITS | share.digit as u64,
            shift: self.shift - Self::DIGIT_BITS,
            before: self.before + share.before,
            within: share.within,
        }
    }
}

/// Where a cut goes on: a digit, and how many undecided keys have a smaller one or this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) digit: u32,
    pub(crate) before: u32,
    pub(crate) within: u32,
}

impl Share {
    /// The first digit up to which `missing` keys are counted, the last one where there are fewer.
    /// `counts` are those of some successive digits, and `self` is the share of the first of them.
    pub(crate) fn advance(mut self, counts: &[u32], missing: u32) -> Self {
        let mut up_to = self.before + self.within;
        for &count in &counts[1..] {
            if up_to < missing {
                self.digit += 1;
                self.before = up_to;
                self.within = count;
            }
            // Past the digit that is looked for as well: so the sums do not wait for the comparisons.
            up_to += count;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::{Key, ScoreRank};
    use super::{Cut, Share};

    /// Narrows down a row until at most `enough` keys are left, as the kernel does.
    fn cut(keys: &[Key], wanted: u32, enough: u32) -> Cut {
        let mut cut = Cut::nowhere(keys.len() as u32);
        while cut.kept() > enough {
            assert!(cut.steps() < Cut::STEPS);
            let mut counts = [0; Cut::DIGITS as usize];
            for &key in keys.iter().filter(|key| cut.undecided(**key)) {
                counts[cut.next_digit(key) as usize] += 1;
            }
            let first = Share { digit: 0, before: 0, within: counts[0] };
            cut = cut.narrow(first.advance(&counts, cut.missing(wanted)));
        }
        cut
    }

    /// The cut of these scores keeps as many keys as it says, the first `wanted` among them.
    fn check(scores: impl Iterator<Item = f32>, wanted: u32, enough: u32) {
        let keys = scores.zip(0..).map(|(score, id)| Key::new(ScoreRank::of(score), id));
        let mut keys: Vec<_> = keys.collect();
        let cut = cut(&keys, wanted, enough);
        let kept = keys.iter().filter(|key| cut.keeps(**key)).count();
        assert_eq!(kept, cut.kept() as usize);
        keys.sort();
        assert!(keys.iter().take(wanted as usize).all(|&key| cut.keeps(key)));
    }

    #[test]
    fn the_first_keys_are_kept_and_few_others() {
        for (wanted, enough) in [(1, 1), (1, 32), (16, 16), (16, 32), (64, 64), (64, 128)] {
            for len in [1, 15, 16, 17, 64, 65, 255, 256, 257, 8192u32] {
                let numbers = || (0..len).map(|n| n.wrapping_mul(2654435761));
                check((0..len).map(|_| 1.5), wanted, enough);
                check((0..len).map(|n| n as f32), wanted, enough);
                check((0..len).map(|n| -(n as f32)), wanted, enough);
                check((0..len).map(|n| if n % 2 == 0 { 0.0 } else { -0.0 }), wanted, enough);
                check(numbers().map(|n| (n >> 28) as f32), wanted, enough);
                check(numbers().map(|n| f32::from_bits(0x3f80_0000 | n & 0xff)), wanted, enough);
                check(numbers().map(|n| n as f32 - 2e9), wanted, enough);
            }
        }
    }

    #[test]
    fn a_share_ends_at_the_last_digit() {
        let first = Share { digit: 8, before: 5, within: 2 };
        let reached = |missing| first.advance(&[2, 0, 3, 1], missing);
        assert_eq!(reached(6), first);
        assert_eq!(reached(7), first);
        assert_eq!(reached(8), Share { digit: 10, before: 7, within: 3 });
        assert_eq!(reached(11), Share { digit: 11, before: 10, within: 1 });
        assert_eq!(reached(99), Share { digit: 11, before: 10, within: 1 });
    }
}
