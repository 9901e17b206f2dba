use super::exact::{self, Format, Mode};
use super::harness::*;

fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

/// A float rounded to a narrower format: times one, in that format's place.
fn rounded(format: Format, mode: Mode, value: f64) -> u64 {
    if value.is_nan() {
        return format.nan();
    }
    let sign = if value.is_sign_negative() { format.nan() + 1 } else { 0 };
    // By bisection over the magnitudes, whose order is that of their bits.
    let magnitude = |bits: u64| match format.infinity() {
        0x7c00 => f64::from(half::f16::from_bits(bits as u16)),
        0x7f80 => f64::from(half::bf16::from_bits(bits as u16)),
        _ => f64::from(f32::from_bits(bits as u32)),
    };
    let (mut below, mut above) = (0, format.infinity());
    while above - below > 1 {
        let middle = (below + above) / 2;
        if magnitude(middle) <= value.abs() { below = middle } else { above = middle }
    }
    if magnitude(below) == value.abs() {
        return sign | below;
    }
    if value.is_infinite() {
        return sign | above;
    }
    // What infinity stands for when it is one of the two neighbours: the next power of two.
    let limit = 2.0 * magnitude(format.infinity() & (format.infinity() - 1));
    let upper = if above == format.infinity() { limit } else { magnitude(above) };
    let middle = (magnitude(below) + upper) / 2.0;
    let up = match mode {
        Mode::Nearest => value.abs() > middle || value.abs() == middle && below & 1 == 1,
        Mode::Zero => false,
        Mode::Down => sign != 0,
        Mode::Up => sign == 0,
    };
    sign | if up { above } else { below }
}

const MODES: [(&str, Mode); 4] =
    [("rn", Mode::Nearest), ("rz", Mode::Zero), ("rm", Mode::Down), ("rp", Mode::Up)];

#[test]
fn floats_are_narrowed_in_every_direction() {
    for (name, mode) in MODES {
        check(&format!("cvt.{name}.f16.f32 d, a;"), F16, [F32], |[a]| {
            rounded(exact::F16, mode, single(a).into())
        });
        check(&format!("cvt.{name}.f32.f64 d, a;"), F32, [F64], |[a]| match f64::from_bits(a) {
            value if value.is_nan() => (value as f32).to_bits().into(),
            value => rounded(exact::F32, mode, value),
        });
    }
    for (name, mode) in [("rn", Mode::Nearest), ("rz", Mode::Zero)] {
        check(&format!("cvt.{name}.bf16.f32 d, a;"), BF16, [F32], |[a]| {
            rounded(exact::BF16, mode, single(a).into())
        });
        for (ty, format) in [("bf16x2", exact::BF16), ("f16x2", exact::F16)] {
            check(&format!("cvt.{name}.{ty}.f32 d, a, b;"), B32, [F32; 2], |[a, b]| {
                let [a, b] = [a, b].map(|v| rounded(format, mode, single(v).into()));
                a << 16 | b
            });
        }
    }
}

#[test]
fn narrowing_clamps() {
    check("cvt.rn.relu.bf16x2.f32 d, a, b;", B32, [F32; 2], |[a, b]| {
        let [a, b] = [a, b].map(|v| match single(v) {
            v if v <= 0.0 => 0,
            v => rounded(exact::BF16, Mode::Nearest, v.into()),
        });
        a << 16 | b
    });
    check("cvt.rn.satfinite.f16.f32 d, a;", F16, [F32], |[a]| {
        match rounded(exact::F16, Mode::Nearest, single(a).into()) {
            v if v & 0x7fff == 0x7c00 => v - 1,
            v => v,
        }
    });
    check("cvt.sat.f32.f32 d, a;", F32, [F32], |[a]| match single(a) {
        v if v > 0.0 => v.min(1.0).to_bits().into(),
        _ => 0,
    });
}

#[test]
fn floats_are_widened_exactly() {
    let result = |value: f32| if value.is_nan() { 0x7fff_ffff } else { value.to_bits().into() };
    check("cvt.f32.f16 d, a;", F32, [F16], |[a]| result(half::f16::from_bits(a as u16).to_f32()));
    check("cvt.f32.bf16 d, a;", F32, [BF16], |[a]| a << 16);
    check(
        "cvt.f64.f32 d, a; testp.notanumber.f64 p, d; selp.b64 d, 0, d, p;",
        F64,
        [F32],
        |[a]| {
            if single(a).is_nan() { 0 } else { f64::from(single(a)).to_bits() }
        },
    );
    check(
        "cvt.ftz.f64.f32 d, a; testp.notanumber.f64 p, d; selp.b64 d, 0, d, p;",
        F64,
        [F32],
        |[a]| match single(a) {
            v if v.is_nan() => 0,
            v if v.is_subnormal() => 0.0_f64.copysign(v.into()).to_bits(),
            v => f64::from(v).to_bits(),
        },
    );
}

type Rounding = fn(f32) -> f32;

#[test]
fn floats_become_integral() {
    let cases: [(&str, Rounding); 4] = [
        ("rni", f32::round_ties_even),
        ("rzi", f32::trunc),
        ("rmi", f32::floor),
        ("rpi", f32::ceil),
    ];
    for (name, f) in cases {
        check(&format!("cvt.{name}.f32.f32 d, a;"), F32, [F32], |[a]| match f(single(a)) {
            v if v.is_nan() => 0x7fff_ffff,
            v => v.to_bits().into(),
        });
        // Out of range is clamped; NaN is 0, or the sign bit where 64 bits are in play.
        check(&format!("cvt.{name}.s32.f32 d, a;"), B32, [F32], |[a]| f(single(a)) as i32 as u64);
        check(&format!("cvt.{name}.u32.f32 d, a;"), B32, [F32], |[a]| f(single(a)) as u32 as u64);
        check(&format!("cvt.{name}.u8.f32 d, a;"), B16, [F32], |[a]| f(single(a)) as u8 as u64);
        check(&format!("cvt.{name}.s64.f32 d, a;"), B64, [F32], |[a]| match f(single(a)) {
            v if v.is_nan() => 1 << 63,
            v => v as i64 as u64,
        });
    }
    check("cvt.rzi.u32.f64 d, a;", B32, [F64], |[a]| match f64::from_bits(a) {
        v if v.is_nan() => 1 << 31,
        v => v as u32 as u64,
    });
    check("cvt.rni.s32.f16 d, a;", B32, [F16], |[a]| {
        half::f16::from_bits(a as u16).to_f32().round_ties_even() as i32 as u64
    });
}

#[test]
fn integers_become_floats() {
    for (name, mode) in MODES {
        let format = exact::F32;
        check(&format!("cvt.{name}.f32.s32 d, a;"), F32, [B32], |[a]| {
            rounded(format, mode, f64::from(a as i32))
        });
        check(&format!("cvt.{name}.f32.u32 d, a;"), F32, [B32], |[a]| {
            rounded(format, mode, a as f64)
        });
        check(&format!("cvt.{name}.f16.u16 d, a;"), F16, [B16], |[a]| {
            rounded(exact::F16, mode, a as f64)
        });
    }
    check("cvt.rn.f32.u64 d, a;", F32, [B64], |[a]| (a as f32).to_bits().into());
    check("cvt.rn.f32.s64 d, a;", F32, [B64], |[a]| (a as i64 as f32).to_bits().into());
    check("cvt.rn.f64.s64 d, a;", F64, [B64], |[a]| (a as i64 as f64).to_bits());
    check("cvt.rz.f64.u64 d, a;", F64, [B64], |[a]| {
        // Without the bits that do not fit.
        let spare = 11_u32.saturating_sub(a.leading_zeros());
        ((a >> spare << spare) as f64).to_bits()
    });
}

#[test]
fn integers_are_extended_cut_and_saturated() {
    check("cvt.u64.u32 d, a;", B64, [B32], |[a]| a);
    check("cvt.s64.s32 d, a;", B64, [B32], |[a]| a as i32 as u64);
    check("cvt.u32.u64 d, a;", B32, [B64], |[a]| a);
    check("cvt.s32.s8 d, a;", B32, [B8], |[a]| a as i8 as u64);
    check("cvt.s8.s32 w0, a; mov.b32 d, w0;", B32, [B32], |[a]| a as i8 as u64);
    check("cvt.u16.u32 d, a;", B16, [B32], |[a]| a);
    check("cvt.sat.s8.s32 w0, a; mov.b32 d, w0;", B32, [B32], |[a]| {
        (a as i32).clamp(-128, 127) as u64
    });
    check("cvt.sat.u8.s32 w0, a; mov.b32 d, w0;", B32, [B32], |[a]| {
        (a as i32).clamp(0, 255) as u64
    });
    check("cvt.sat.s32.u32 d, a;", B32, [B32], |[a]| a.min(0x7fff_ffff));
}

#[test]
fn conversions_that_there_are_not_are_refused() {
    for body in [
        "cvt.f32.s32 w0, w1;",
        "cvt.f16.f32 h0, w1;",
        "cvt.rn.f64.f32 x0, w1;",
        "cvt.s32.f32 w0, w1;",
        "cvt.rni.u32.u32 w0, w1;",
        "cvt.rn.relu.f32.f64 w0, x1;",
        "cvt.rn.satfinite.e4m3x2.f32 h0, w1, w2;",
        "cvt.rna.tf32.f32 w0, w1;",
    ] {
        refusal(body);
    }
}
