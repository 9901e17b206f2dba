use crate::div_rem::div_rem;

/// A divisor, 1 to 16, of many numbers below 4096, each of which takes a multiplication and a shift.
#[derive(Clone, Copy)]
pub(super) struct SmallDivisor {
    divisor: u32,
    /// As a fraction of 2^16, rounded up: the error of a quotient is less than `number / 2^16`, so less than
    /// the 16th part that it may lack to the next whole number.
    reciprocal: u32,
}

impl SmallDivisor {
    #[inline(always)]
    pub(super) const fn new(divisor: u32) -> Self {
        let (reciprocal, rest) = div_rem(1 << 16, divisor);
        Self { divisor, reciprocal: reciprocal + (rest > 0) as u32 }
    }

    /// How often it goes into a number, and what is left.
    #[inline(always)]
    pub(super) const fn div_rem(self, number: u32) -> (u32, u32) {
        let quotient = (number * self.reciprocal) >> 16;
        (quotient, number - quotient * self.divisor)
    }
}

#[cfg(test)]
mod tests {
    use super::{SmallDivisor, div_rem};

    #[test]
    fn quotients_and_rests_are_those_of_a_division() {
        for divisor in 1..=16 {
            let small = SmallDivisor::new(divisor);
            assert!((0..4096).all(|number| small.div_rem(number) == div_rem(number, divisor)));
        }
    }
}
