//! Sums of products of floats without any rounding, and rounding as IEEE 754 defines it: the reference
//! for what the simulator does by other means.

/// A fixed-point number: two's complement, in units of 2^-320.
#[derive(Clone, Copy)]
struct Fixed([u64; 10]);

const UNIT: i32 = -320;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Nearest,
    Zero,
    Down,
    Up,
}

/// Precision and least exponent.
#[derive(Clone, Copy)]
pub struct Format(u32, i32);

pub const F32: Format = Format(24, -126);
pub const F16: Format = Format(11, -14);
pub const BF16: Format = Format(8, -126);

impl Format {
    fn fraction_bits(self) -> u32 {
        self.0 - 1
    }

    fn sign(self) -> u64 {
        self.infinity() << 1 & !self.infinity() | 1 << (self.width() - 1)
    }

    fn width(self) -> u32 {
        if self.0 == 24 { 32 } else { 16 }
    }

    pub fn infinity(self) -> u64 {
        ((1 << (self.width() - 1 - self.fraction_bits())) - 1) << self.fraction_bits()
    }

    pub fn nan(self) -> u64 {
        (1 << (self.width() - 1)) - 1
    }

    pub fn is_nan(self, bits: u64) -> bool {
        bits & self.nan() > self.infinity()
    }

    fn is_negative(self, bits: u64) -> bool {
        bits & (1 << (self.width() - 1)) != 0
    }

    fn is_infinite(self, bits: u64) -> bool {
        bits & self.nan() == self.infinity()
    }

    fn is_zero(self, bits: u64) -> bool {
        bits & self.nan() == 0
    }

    /// Significand and exponent of a finite value's magnitude.
    fn parts(self, bits: u64) -> (u64, i32) {
        let field = (bits & self.nan()) >> self.fraction_bits();
        let fraction = bits & ((1 << self.fraction_bits()) - 1);
        let least = self.1 - self.fraction_bits() as i32;
        match field {
            0 => (fraction, least),
            _ => (fraction | 1 << self.fraction_bits(), least + field as i32 - 1),
        }
    }
}

impl Fixed {
    fn new(negative: bool, significand: u64, exponent: i32) -> Self {
        let shift = (exponent - UNIT) as usize;
        let mut limbs = [0; 10];
        let wide = u128::from(significand) << (shift % 64);
        limbs[shift / 64] = wide as u64;
        limbs[shift / 64 + 1] = (wide >> 64) as u64;
        if negative { Self(limbs).negated() } else { Self(limbs) }
    }

    fn negated(self) -> Self {
        Self(self.0.map(|limb| !limb)).plus(Self(std::array::from_fn(|i| u64::from(i == 0))))
    }

    fn plus(self, other: Self) -> Self {
        let mut carry = false;
        Self(std::array::from_fn(|i| {
            let (sum, first) = self.0[i].overflowing_add(other.0[i]);
            let (sum, second) = sum.overflowing_add(carry.into());
            carry = first || second;
            sum
        }))
    }

    fn is_negative(self) -> bool {
        self.0[9] >> 63 != 0
    }

    fn bit(self, index: i32) -> bool {
        index >= 0 && self.0[index as usize / 64] >> (index % 64) & 1 != 0
    }
}

/// `a * b + c`, rounded once.
pub fn fma(format: Format, mode: Mode, a: u64, b: u64, c: u64) -> u64 {
    let negative = format.is_negative(a) != format.is_negative(b);
    let product_infinite = format.is_infinite(a) || format.is_infinite(b);
    let sign = |negative: bool| if negative { format.sign() } else { 0 };
    if [a, b, c].iter().any(|&v| format.is_nan(v))
        || product_infinite && (format.is_zero(a) || format.is_zero(b))
        || product_infinite && format.is_infinite(c) && negative != format.is_negative(c)
    {
        return format.nan();
    }
    if product_infinite {
        return sign(negative) | format.infinity();
    }
    if format.is_infinite(c) {
        return c;
    }
    let ((ma, ea), (mb, eb), (mc, ec)) = (format.parts(a), format.parts(b), format.parts(c));
    let product = Fixed::new(negative, ma * mb, ea + eb);
    let sum = product.plus(Fixed::new(format.is_negative(c), mc, ec));
    if sum.0 == [0; 10] {
        let negative = match negative == format.is_negative(c) {
            true if ma * mb == 0 && mc == 0 => negative,
            _ => mode == Mode::Down,
        };
        return sign(negative);
    }
    round(format, mode, sum)
}

pub fn add(format: Format, mode: Mode, a: u64, b: u64) -> u64 {
    let one = u64::from(format.1.unsigned_abs() + 1) << format.fraction_bits();
    fma(format, mode, a, one, b)
}

pub fn mul(format: Format, mode: Mode, a: u64, b: u64) -> u64 {
    // The sum's zero has the product's sign.
    let negative = format.is_negative(a) != format.is_negative(b);
    fma(format, mode, a, b, if negative { format.sign() } else { 0 })
}

fn round(format: Format, mode: Mode, value: Fixed) -> u64 {
    let negative = value.is_negative();
    let magnitude = if negative { value.negated() } else { value };
    let top = (0..640).rev().find(|&index| magnitude.bit(index)).expect("it is not zero");
    // The weight of the result's last bit.
    let least = format.1 - format.fraction_bits() as i32 - UNIT;
    let last = (top - format.fraction_bits() as i32).max(least);
    let kept = (last..=top).rev().fold(0_u64, |kept, i| kept << 1 | u64::from(magnitude.bit(i)));
    let half = magnitude.bit(last - 1);
    let rest = (0..last - 1).any(|index| magnitude.bit(index));
    let away = match mode {
        Mode::Nearest => half && (rest || kept & 1 == 1),
        Mode::Zero => false,
        Mode::Down => negative && (half || rest),
        Mode::Up => !negative && (half || rest),
    };
    let (mut kept, mut last) = (kept + u64::from(away), last);
    if kept == 2 << format.fraction_bits() {
        (kept, last) = (kept / 2, last + 1);
    }
    let normal = kept >> format.fraction_bits() != 0;
    let field = if normal { (last - least + 1) as u64 } else { 0 };
    let bits = field << format.fraction_bits() | kept & ((1 << format.fraction_bits()) - 1);
    let sign = if negative { format.sign() } else { 0 };
    let outward = match mode {
        Mode::Nearest => true,
        Mode::Zero => false,
        Mode::Down => negative,
        Mode::Up => !negative,
    };
    match field << format.fraction_bits() >= format.infinity() {
        true if outward => sign | format.infinity(),
        true => sign | (format.infinity() - 1),
        false => sign | bits,
    }
}
