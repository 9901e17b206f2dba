//! `exp` and `ln` from operations that IEEE 754 defines to the last bit: additions, multiplications, divisions, and fused
//! multiply-adds, which `core` lacks and callers bring along. So whoever computes them gets the same bits.

/// `exp(x)` for `x <= 0`, within 2 units in the last place; 0 below -87, where results turn subnormal. `fma(a, b, c)`
/// is `a * b + c`, rounded once.
///
/// `exp(x) = 2^n exp(r)` with `n` the integer nearest `x / ln 2` and `|r| <= ln 2 / 2`, and `exp(r)`
/// by its Taylor series, whose first term left out is below 2^-27.
#[inline(always)]
pub fn exp(x: f32, fma: impl Fn(f32, f32, f32) -> f32) -> f32 {
    /// Added to a small number, leaves its nearest integer in the low bits.
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23
    /// ln 2 in two parts: the first has so few bits that its product with `n` is exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

    let rounded = fma(x, core::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = fma(n, -LN_2[1], fma(n, -LN_2[0], x));
    let series = fma(r, 1.0 / 5040.0, 1.0 / 720.0);
    let series = fma(r, series, 1.0 / 120.0);
    let series = fma(r, series, 1.0 / 24.0);
    let series = fma(r, series, 1.0 / 6.0);
    let series = fma(r, series, 0.5);
    let series = fma(r, series, 1.0);
    let series = fma(r, series, 1.0);
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    if x < -87.0 { 0.0 } else { series * power }
}

/// `ln(x)` for finite `x >= 1`, off by less than 2^-22 of itself. `fma` as in [`exp`].
///
/// `ln(x) = n ln 2 + ln(m)` with `sqrt(1/2) <= m < sqrt(2)`, and `ln(m) = 2 artanh(s)` with `s = (m - 1) / (m + 1)`
/// by its Taylor series: `|s| < 0.172`, and the first term left out is below 2^-28 of the sum.
#[inline(always)]
pub fn ln(x: f32, fma: impl Fn(f32, f32, f32) -> f32) -> f32 {
    const SQRT_HALF: u32 = core::f32::consts::FRAC_1_SQRT_2.to_bits();

    let n = x.to_bits().wrapping_sub(SQRT_HALF) >> 23;
    let m = f32::from_bits(x.to_bits().wrapping_sub(n << 23));
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let series = fma(square, 1.0 / 9.0, 1.0 / 7.0);
    let series = fma(square, series, 1.0 / 5.0);
    let series = fma(square, series, 1.0 / 3.0);
    let series = fma(square, series, 1.0);
    fma(n as f32, core::f32::consts::LN_2, (s + s) * series)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::{exp, ln};

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in 0..=870_000 {
            let x = -(step as f32) * 1e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x, f32::mul_add)) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON) / 2.0, "exp({x}) is off by {error:e}");
        }
        let at = |x| exp(x, f32::mul_add);
        assert_eq!([at(0.0), at(-88.0), at(f32::NEG_INFINITY)], [1.0, 0.0, 0.0]);
        assert!(at(f32::NAN).is_nan());
    }

    #[test]
    fn ln_is_off_by_less_than_a_part_in_four_million() {
        for step in 0..=1_000_000 {
            let x = 1.0 + step as f32 * step as f32 * 1e-7;
            let exact = f64::from(x).ln();
            let error = (f64::from(ln(x, f32::mul_add)) - exact).abs();
            assert!(error <= exact / f64::from(1 << 22), "ln({x}): {error:e}");
        }
        assert_eq!(ln(1.0, f32::mul_add).to_bits(), 0);
        assert_eq!(ln(f32::MAX, f32::mul_add), 88.722_84);
    }
}
