//! Rounding to f64 in other directions than to the nearest: the nearest value, and from it one step if
//! the exact result lies on the other side.

use std::cmp::Ordering;

use super::Rounding;

/// A product of two floats, as a term of a sum.
type Term = (f64, f64);

/// `a + b`
pub(in crate::isa) fn add(a: f64, b: f64, rounding: Rounding) -> f64 {
    if !a.is_finite() || !b.is_finite() {
        return a + b;
    }
    let sum = cancelled(a + b, a, b, rounding);
    directed(sum, rounding, || error(&[(a, 1.0), (b, 1.0), (sum, -1.0)]))
}

/// `a * b`
pub(in crate::isa) fn multiply(a: f64, b: f64, rounding: Rounding) -> f64 {
    if !a.is_finite() || !b.is_finite() {
        return a * b;
    }
    let product = a * b;
    directed(product, rounding, || error(&[(a, b), (product, -1.0)]))
}

/// `a * b + c`
pub(in crate::isa) fn multiply_add(a: f64, b: f64, c: f64, rounding: Rounding) -> f64 {
    let finite = [a, b, c].iter().all(|value| value.is_finite());
    if !finite || rounding == Rounding::Nearest {
        return a.mul_add(b, c);
    }
    // The sign of a product tells as much as the product whether it cancels.
    let sum = a.mul_add(b, c);
    let sum = match error(&[(a, b), (c, 1.0)]) {
        Ordering::Equal => cancelled(sum, a.signum() * b.signum(), c, rounding),
        _ => sum,
    };
    directed(sum, rounding, || error(&[(a, b), (c, 1.0), (sum, -1.0)]))
}

/// `a / b`
pub(in crate::isa) fn divide(a: f64, b: f64, rounding: Rounding) -> f64 {
    let quotient = a / b;
    if !a.is_finite() || !b.is_finite() || b == 0.0 {
        return quotient;
    }
    directed(quotient, rounding, || {
        let error = error(&[(a, 1.0), (-quotient, b)]);
        if b < 0.0 { error.reverse() } else { error }
    })
}

pub(in crate::isa) fn square_root(value: f64, rounding: Rounding) -> f64 {
    let root = value.sqrt();
    directed(root, rounding, || error(&[(value, 1.0), (-root, root)]))
}

/// A sum of opposites is -0 when rounded down, and +0 otherwise.
fn cancelled(sum: f64, a: f64, b: f64, rounding: Rounding) -> f64 {
    let opposite = a.is_sign_negative() != b.is_sign_negative();
    if sum == 0.0 && opposite && rounding == Rounding::Down { -0.0 } else { sum }
}

/// The neighbour of what is rounded to nearest that is meant. `error` says where the exact result is
/// from there, if that is finite; an infinity that comes of finite operands is beyond it.
fn directed(nearest: f64, rounding: Rounding, error: impl Fn() -> Ordering) -> f64 {
    if rounding == Rounding::Nearest || nearest.is_nan() {
        return nearest;
    }
    let error = match nearest {
        f64::INFINITY => Ordering::Less,
        f64::NEG_INFINITY => Ordering::Greater,
        _ => error(),
    };
    let negative = nearest.is_sign_negative();
    match (error, rounding) {
        (Ordering::Less, Rounding::Down) => nearest.next_down(),
        (Ordering::Less, Rounding::Zero) if !negative => nearest.next_down(),
        (Ordering::Greater, Rounding::Up) => nearest.next_up(),
        (Ordering::Greater, Rounding::Zero) if negative => nearest.next_up(),
        _ => nearest,
    }
}

/// The sign of an exact sum of products of finite values.
fn error(terms: &[Term]) -> Ordering {
    // Two's complement, in units of 2^-2148: the least product of two subnormals.
    let mut sum = [0_u64; 68];
    for (a, b) in terms {
        let ((a_bits, a_exponent), (b_bits, b_exponent)) = (parts(*a), parts(*b));
        let product = u128::from(a_bits) * u128::from(b_bits);
        let shift = a_exponent + b_exponent;
        let (limb, bit) = (shift / 64, shift % 64);
        // 106 bits shifted by up to 63: three limbs.
        let low = u128::from(product as u64) << bit;
        let high = ((product >> 64) << bit) + (low >> 64);
        let limbs = [low as u64, high as u64, (high >> 64) as u64];
        let negative = a.is_sign_negative() != b.is_sign_negative();
        let mut carry = false;
        for (index, to) in sum.iter_mut().enumerate().skip(limb) {
            let term = limbs.get(index - limb).copied().unwrap_or(0);
            let (partial, first, second);
            if negative {
                (partial, first) = to.overflowing_sub(term);
                (*to, second) = partial.overflowing_sub(carry.into());
            } else {
                (partial, first) = to.overflowing_add(term);
                (*to, second) = partial.overflowing_add(carry.into());
            }
            carry = first || second;
        }
    }
    match sum {
        sum if sum[67] >> 63 != 0 => Ordering::Less,
        sum if sum == [0; 68] => Ordering::Equal,
        _ => Ordering::Greater,
    }
}

/// The significand of a finite value's magnitude, and its exponent above that of the least value.
fn parts(value: f64) -> (u64, usize) {
    let field = (value.to_bits() >> 52 & 0x7ff) as usize;
    let fraction = value.to_bits() & (u64::MAX >> 12);
    if field == 0 { (fraction, 0) } else { (fraction | 1 << 52, field - 1) }
}
