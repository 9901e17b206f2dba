/// How often `divisor`, which is not 0, goes into a number, and what is left. Unlike Rust's operators it cannot
/// panic, which a kernel must not.
#[inline(always)]
pub(crate) const fn div_rem(number: u32, divisor: u32) -> (u32, u32) {
    let divisor = if divisor == 0 { 1 } else { divisor };
    (number / divisor, number % divisor)
}

#[cfg(test)]
mod tests {
    use super::div_rem;

    #[test]
    fn a_number_is_quotient_times_divisor_and_rest() {
        assert_eq!(div_rem(17, 5), (3, 2));
        assert_eq!(div_rem(4, 5), (0, 4));
    }
}
