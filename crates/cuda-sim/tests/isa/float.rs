use super::exact::{self, Format, Mode, add, fma, mul};
use super::harness::*;

const MODES: [(&str, Mode); 4] =
    [("rn", Mode::Nearest), ("rz", Mode::Zero), ("rm", Mode::Down), ("rp", Mode::Up)];

/// In each half of a pair.
fn halves<const N: usize>(bits: [u64; N], f: impl Fn([u64; N]) -> u64) -> u64 {
    f(bits.map(|bits| bits >> 16)) << 16 | f(bits.map(|bits| bits & 0xffff))
}

fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn bits(value: f32) -> u64 {
    if value.is_nan() { 0x7fff_ffff } else { value.to_bits().into() }
}

#[test]
fn sums_and_products_are_rounded_once_in_every_direction() {
    for (name, mode) in MODES {
        let f = exact::F32;
        check(&format!("add.{name}.f32 d, a, b;"), F32, [F32; 2], |[a, b]| add(f, mode, a, b));
        check(&format!("mul.{name}.f32 d, a, b;"), F32, [F32; 2], |[a, b]| mul(f, mode, a, b));
        check(&format!("sub.{name}.f32 d, a, b;"), F32, [F32; 2], |[a, b]| {
            add(f, mode, a, b ^ 1 << 31)
        });
        check(&format!("fma.{name}.f32 d, a, b, c;"), F32, [F32; 3], |[a, b, c]| {
            fma(f, mode, a, b, c)
        });
    }
    check("add.f32 d, a, b;", F32, [F32; 2], |[a, b]| bits(single(a) + single(b)));
}

#[test]
fn narrow_floats_are_rounded_once() {
    let types = [("f16", F16, exact::F16), ("bf16", BF16, exact::BF16)];
    for (name, kind, f) in types {
        let rn = Mode::Nearest;
        let both = |code: &str, of: &dyn Fn(u64, u64, u64) -> u64| {
            let code = code.replace("TYPE", name);
            check(&code, kind, [kind; 3], |[a, b, c]| of(a, b, c));
            let packed = code.replace(name, &format!("{name}x2"));
            check(&packed, B32, [F32; 3], |operands| halves(operands, |[a, b, c]| of(a, b, c)));
        };
        both("add.rn.TYPE d, a, b;", &|a, b, _| add(f, rn, a, b));
        both("sub.rn.TYPE d, a, b;", &|a, b, _| add(f, rn, a, b ^ 0x8000));
        both("mul.rn.TYPE d, a, b;", &|a, b, _| mul(f, rn, a, b));
        both("fma.rn.TYPE d, a, b, c;", &|a, b, c| fma(f, rn, a, b, c));
        both("fma.rn.relu.TYPE d, a, b, c;", &|a, b, c| match fma(f, rn, a, b, c) {
            sum if f.is_nan(sum) => sum,
            sum if sum & 0x8000 != 0 => 0,
            sum => sum,
        });
        both("neg.TYPE d, a;", &|a, _, _| if f.is_nan(a) { f.nan() } else { a ^ 0x8000 });
        both("abs.TYPE d, a;", &|a, _, _| if f.is_nan(a) { f.nan() } else { a & 0x7fff });
        both("max.TYPE d, a, b;", &|a, b, _| larger(f, a, b, false));
        both("max.NaN.TYPE d, a, b;", &|a, b, _| larger(f, a, b, true));
        both("min.TYPE d, a, b;", &|a, b, _| {
            let max = larger(f, a ^ 0x8000, b ^ 0x8000, false);
            if f.is_nan(max) { max } else { max ^ 0x8000 }
        });
    }
}

/// The larger of two 16-bit floats, by the order of their bits.
fn larger(f: Format, a: u64, b: u64, nan: bool) -> u64 {
    let key = |v: u64| if v & 0x8000 != 0 { -((v & 0x7fff) as i64) - 1 } else { v as i64 };
    match (f.is_nan(a), f.is_nan(b)) {
        (true, true) => f.nan(),
        (true, _) | (_, true) if nan => f.nan(),
        (true, false) => b,
        (false, true) => a,
        _ => {
            if key(a) > key(b) {
                a
            } else {
                b
            }
        }
    }
}

#[test]
fn half_precision_saturates_and_flushes() {
    let f = exact::F16;
    let flush = |v: u64| if v & 0x7c00 == 0 { v & 0x8000 } else { v };
    check("add.ftz.f16 d, a, b;", F16, [F16; 2], |[a, b]| {
        flush(add(f, Mode::Nearest, flush(a), flush(b)))
    });
    check("mul.rn.sat.f16 d, a, b;", F16, [F16; 2], |[a, b]| match mul(f, Mode::Nearest, a, b) {
        v if v & 0x8000 != 0 || f.is_nan(v) => 0,
        v => v.min(0x3c00),
    });
}

#[test]
fn f32_flushes_saturates_and_gives_one_nan() {
    let flush = |v: u64| if v & 0x7f80_0000 == 0 { v & 0x8000_0000 } else { v };
    check("add.ftz.f32 d, a, b;", F32, [F32; 2], |[a, b]| {
        flush(bits(single(flush(a)) + single(flush(b))))
    });
    check("fma.rn.sat.f32 d, a, b, c;", F32, [F32; 3], |[a, b, c]| {
        match fma(exact::F32, Mode::Nearest, a, b, c) {
            v if v & 0x8000_0000 != 0 || v > 0x7f80_0000 => 0,
            v => v.min(0x3f80_0000),
        }
    });
    check("neg.f32 d, a;", F32, [F32], |[a]| bits(-single(a)));
    check("abs.f32 d, a;", F32, [F32], |[a]| bits(single(a).abs()));
    check("copysign.f32 d, a, b;", F32, [F32; 2], |[a, b]| {
        single(b).copysign(single(a)).to_bits().into()
    });
}

/// What an H100 gave where the manual leaves it open, or was read in more than one way.
#[test]
fn edges_are_as_on_hardware() {
    let constant = |code: &str, a: u32, b: u32, d: u32| {
        let code = format!("mov.b32 w0, {a}; mov.b32 w1, {b}; {code}");
        check(&code, B32, [B32], |_| d.into());
    };
    constant("neg.f32 d, w0;", 0x7fc0_0001, 0, 0x7fff_ffff);
    constant("abs.f32 d, w0;", 0xffc0_0001, 0, 0x7fff_ffff);
    constant("neg.bf16x2 d, w0;", 0x7fc1_ff81, 0, 0x7fff_7fff);
    constant("mul.ftz.f32 d, w0, w1;", 0x0080_0000, 0x3f7f_ffff, 0);
    constant("mul.ftz.f32 d, w0, w1;", 0x00ff_ffff, 0x3f00_0000, 0);
    constant("fma.rn.ftz.f32 d, w0, w1, 0f00000000;", 0x0080_0001, 0x3f7f_ffff, 0x0080_0000);
    constant("min.xorsign.abs.f32 d, w0, w1;", 0xbf80_0000, 0x4000_0000, 0xbf80_0000);
    constant("add.sat.f32 d, w0, w1;", 0x8000_0000, 0x8000_0000, 0);
    constant("add.rm.f32 d, w0, w1;", 0x3f80_0000, 0xbf80_0000, 0x8000_0000);
    constant("cvt.rn.relu.bf16x2.f32 d, w0, w1;", 0x8000_0001, 0xffc0_0000, 0x7fff);
    constant("mov.b32 {h0, h1}, w0; cvt.f32.bf16 d, h0;", 0xff81, 0, 0xff81_0000);
    constant("mov.b32 {h0, h1}, w0; cvt.f32.f16 d, h0;", 0x7c01, 0, 0x7fff_ffff);
    constant("mov.b64 x0, {w0, w1}; cvt.rn.f32.f64 d, x0;", 0x1234, 0x7ff8_0000, 0x7fc0_0000);
    constant("cvt.f64.f32 x0, w0; mov.b64 {w0, d}, x0;", 0x7fc0_1234, 0, 0x7ff8_0246);
    constant("mul24.hi.s32 d, w0, w1;", 0x80_0001, 0x7f_ffff, 0xc000_00ff);
    constant("testp.normal.f32 p, w0; selp.u32 d, 1, 0, p;", 0, 0, 1);
    constant("div.s32 d, w0, w1;", 0xffff_fffb, 0, 0xffff_ffff);
}

#[test]
fn extremes_order_zeros_and_pass_over_nan() {
    // By the order of bits: -0 is before +0.
    let key = |v: f32| (v.to_bits() as i32) ^ ((v.to_bits() as i32 >> 31) as u32 >> 1) as i32;
    let pick = |a: f32, b: f32, max: bool| match (a.is_nan(), b.is_nan()) {
        (true, true) => 0x7fff_ffff,
        (true, false) => b.to_bits(),
        (false, true) => a.to_bits(),
        _ => {
            if (key(a) > key(b)) == max {
                a.to_bits()
            } else {
                b.to_bits()
            }
        }
    };
    check("min.f32 d, a, b;", F32, [F32; 2], |[a, b]| pick(single(a), single(b), false).into());
    check("max.f32 d, a, b;", F32, [F32; 2], |[a, b]| pick(single(a), single(b), true).into());
    check("max.NaN.f32 d, a, b;", F32, [F32; 2], |[a, b]| {
        match single(a).is_nan() || single(b).is_nan() {
            true => 0x7fff_ffff,
            false => pick(single(a), single(b), true).into(),
        }
    });

    let blackwell = ("8.8", "sm_100", "sm_100");
    let of_three = |bits: [u64; 3], max| {
        let numbers = bits.map(single).into_iter().filter(|value| !value.is_nan());
        let first = |a: &f32, b: &f32| key(*a).cmp(&key(*b));
        let picked = if max { numbers.max_by(first) } else { numbers.min_by(first) };
        picked.map_or(0x7fff_ffff, f32::to_bits).into()
    };
    check_on(blackwell, "min.f32 d, a, b, c;", F32, [F32; 3], |bits| of_three(bits, false));
    check_on(blackwell, "max.f32 d, a, b, c;", F32, [F32; 3], |bits| of_three(bits, true));
    check_on(blackwell, "max.NaN.f32 d, a, b, c;", F32, [F32; 3], |bits| {
        match bits.map(single).iter().any(|value| value.is_nan()) {
            true => 0x7fff_ffff,
            false => of_three(bits, true),
        }
    });
}

#[test]
fn quotients_and_roots_are_rounded_as_ieee_754_says() {
    check("div.rn.f32 d, a, b;", F32, [F32; 2], |[a, b]| bits(single(a) / single(b)));
    check("rcp.rn.f32 d, a;", F32, [F32], |[a]| bits(1.0 / single(a)));
    check("sqrt.rn.f32 d, a;", F32, [F32], |[a]| bits(single(a).sqrt()));
    // Toward zero: the largest magnitude whose product with the divisor does not exceed the dividend's.
    check("div.rz.f32 d, a, b;", F32, [F32; 2], |[a, b]| {
        let (x, y) = (f64::from(single(a)), f64::from(single(b)));
        let nearest = single(a) / single(b);
        if !x.is_finite() || !y.is_finite() || y == 0.0 {
            return bits(nearest);
        }
        let magnitude = nearest.abs().min(f32::MAX);
        let over = f64::from(magnitude) * y.abs() > x.abs();
        let magnitude = if over { magnitude.next_down() } else { magnitude };
        bits(magnitude.copysign(nearest))
    });
    check("sqrt.rp.f32 d, a;", F32, [F32], |[a]| {
        let nearest = single(a).sqrt();
        if !nearest.is_finite() || nearest == 0.0 {
            return bits(nearest);
        }
        let under = f64::from(nearest) * f64::from(nearest) < f64::from(single(a));
        bits(if under { nearest.next_up() } else { nearest })
    });
}

#[test]
fn doubles_are_rounded_to_nearest() {
    let double = f64::from_bits;
    // A NaN's bits are not defined.
    let same = |code: &str, f: &dyn Fn(f64, f64, f64) -> f64| {
        let code =
            format!("{code} testp.notanumber.f64 p, d; selp.b64 d, 0x7ff8000000000000, d, p;");
        check(&code, F64, [F64; 3], |[a, b, c]| {
            let result = f(double(a), double(b), double(c));
            if result.is_nan() { 0x7ff8 << 48 } else { result.to_bits() }
        });
    };
    same("add.f64 d, a, b;", &|a, b, _| a + b);
    same("mul.rn.f64 d, a, b;", &|a, b, _| a * b);
    same("fma.rn.f64 d, a, b, c;", &|a, b, c| a.mul_add(b, c));
    same("div.rn.f64 d, a, b;", &|a, b, _| a / b);
    same("sqrt.rn.f64 d, a;", &|a, _, _| a.sqrt());
}

/// A double's neighbour on a side of an exact result that is `above` or below it, or is it.
fn step(nearest: f64, above: i32, mode: Mode) -> f64 {
    let toward_zero = if nearest.is_sign_negative() { Mode::Up } else { Mode::Down };
    match (if mode == Mode::Zero { toward_zero } else { mode }, above) {
        (Mode::Down, -1) => nearest.next_down(),
        (Mode::Up, 1) => nearest.next_up(),
        _ => nearest,
    }
}

#[test]
fn doubles_are_rounded_in_every_direction() {
    let double = f64::from_bits;
    for (name, mode) in MODES {
        // A NaN's bits are not defined.
        let same = |code: &str, f: &dyn Fn(f64, f64, f64) -> f64| {
            let code = format!(
                "{} testp.notanumber.f64 p, d; selp.b64 d, 0, d, p;",
                code.replace("MODE", name)
            );
            check(&code, F64, [F64; 3], |[a, b, c]| {
                let result = f(double(a), double(b), double(c));
                if result.is_nan() { 0 } else { result.to_bits() }
            });
        };
        let add = |a: f64, b: f64| {
            let sum = a + b;
            if !a.is_finite() || !b.is_finite() {
                return sum;
            }
            if sum.is_infinite() {
                return step(sum, if sum > 0.0 { -1 } else { 1 }, mode);
            }
            if sum == 0.0 && a.is_sign_negative() != b.is_sign_negative() {
                return if mode == Mode::Down { -0.0 } else { 0.0 };
            }
            // The part that was rounded off, which is exact where the larger operand comes first.
            let (large, small) = if a.abs() > b.abs() { (a, b) } else { (b, a) };
            let error = small - (sum - large);
            step(sum, i32::from(error > 0.0) - i32::from(error < 0.0), mode)
        };
        let mul = |a: f64, b: f64| {
            let product = a * b;
            if !a.is_finite() || !b.is_finite() || product == 0.0 && (a == 0.0 || b == 0.0) {
                return product;
            }
            // Whole numbers of a power of two, whose comparison is exact in 128 bits.
            let parts = |value: f64| {
                let field = (value.to_bits() >> 52 & 0x7ff) as i32;
                let fraction = u128::from(value.to_bits() & (u64::MAX >> 12));
                if field == 0 { (fraction, -1074) } else { (fraction | 1 << 52, field - 1075) }
            };
            let ((ma, ea), (mb, eb)) = (parts(a), parts(b));
            let (mut exact, mut exponent) = (ma * mb, ea + eb);
            let above = if product.is_infinite() {
                -1
            } else {
                let (mut rounded, to) = parts(product);
                // What lies below the result's last bit only matters by being there.
                while exponent < to && rounded.leading_zeros() > 1 {
                    rounded <<= 1;
                    exponent += 1;
                }
                while exponent < to {
                    exact = exact >> 1 | exact & 1;
                    exponent += 1;
                }
                while exponent > to && exact.leading_zeros() > 0 {
                    exact <<= 1;
                    exponent -= 1;
                }
                exact.cmp(&rounded) as i32
            };
            step(product, if product.is_sign_negative() { -above } else { above }, mode)
        };
        same("add.MODE.f64 d, a, b;", &|a, b, _| add(a, b));
        same("sub.MODE.f64 d, a, b;", &|a, b, _| add(a, -b));
        same("mul.MODE.f64 d, a, b;", &|a, b, _| mul(a, b));
        same("mov.f64 x0, 1.0; fma.MODE.f64 d, a, x0, c;", &|a, _, c| add(a, c));
        same(
            "mul.MODE.f64 x0, a, b; copysign.f64 x0, x0, 0d0000000000000000; fma.MODE.f64 d, a, b, x0;",
            &|a, b, _| mul(a, b),
        );
    }
}

#[test]
fn approximations_are_within_their_bounds_and_exact_at_the_edges() {
    check("ex2.approx.ftz.f32 d, a;", F32, [F32], |[a]| {
        let a = if single(a).is_subnormal() { 0.0 } else { single(a) };
        let power = f64::from(a).exp2() as f32;
        bits(if power.is_subnormal() { 0.0 } else { power })
    });
    check("lg2.approx.f32 d, a;", F32, [F32], |[a]| bits(f64::from(single(a)).log2() as f32));
    check("rsqrt.approx.f32 d, a;", F32, [F32], |[a]| {
        bits((1.0 / f64::from(single(a)).sqrt()) as f32)
    });
    check("ex2.approx.ftz.bf16x2 d, a;", B32, [F32], |a| {
        halves(a, |[a]| {
            let flush = |v: u64| if v & 0x7f80 == 0 { v & 0x8000 } else { v };
            let value = f64::from(half::bf16::from_bits(flush(a) as u16).to_f32());
            let power = half::bf16::from_f64(value.exp2());
            if power.is_nan() { 0x7fff } else { flush(power.to_bits().into()) }
        })
    });
}

#[test]
fn forms_that_there_are_not_are_refused() {
    for (body, reason) in [
        ("add.rn.relu.f32 w0, w1, w2;", "not a form"),
        ("fma.f32 w0, w1, w2, w3;", "not simulated"),
        ("add.rz.bf16 h0, h1, h2;", "not a form"),
        ("ex2.f32 w0, w1;", "not simulated"),
        ("add.f32 w0, w1;", "2 operands, expected 3"),
        ("add.f32.x w0, w1, w2;", "unknown modifier"),
        ("call (w0), f, (w1);", "function f is not defined in the module"),
    ] {
        let refusal = refusal(body);
        assert!(refusal.contains(reason), "{body}: {refusal}");
        assert!(refusal.contains("line 7"), "{body}: {refusal}");
    }
}
