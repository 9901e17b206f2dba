use super::harness::*;

fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

type Relation = fn(&f32, &f32) -> bool;

type Test = fn(f32) -> bool;

/// The comparison's predicate as a number.
fn holds(comparison: &str) -> String {
    format!("{comparison} selp.u32 d, 1, 0, p;")
}

#[test]
fn floats_compare_ordered_and_unordered() {
    let relations: [(&str, Relation); 6] = [
        ("eq", f32::eq),
        ("ne", |a, b| a != b && !a.is_nan() && !b.is_nan()),
        ("lt", f32::lt),
        ("le", f32::le),
        ("gt", f32::gt),
        ("ge", f32::ge),
    ];
    for (name, f) in relations {
        let unordered = |a: f32, b: f32| a.is_nan() || b.is_nan();
        check(&holds(&format!("setp.{name}.f32 p, a, b;")), B32, [F32; 2], |[a, b]| {
            f(&single(a), &single(b)).into()
        });
        check(&holds(&format!("setp.{name}u.f32 p, a, b;")), B32, [F32; 2], |[a, b]| {
            (unordered(single(a), single(b)) || f(&single(a), &single(b))).into()
        });
        check(&holds(&format!("setp.{name}.bf16 p, a, b;")), B32, [BF16; 2], |[a, b]| {
            f(&single(a << 16), &single(b << 16)).into()
        });
    }
    check(&holds("setp.num.f32 p, a, b;"), B32, [F32; 2], |[a, b]| {
        (!single(a).is_nan() && !single(b).is_nan()).into()
    });
    check(&holds("setp.nan.f64 p, a, b;"), B32, [F64; 2], |[a, b]| {
        (f64::from_bits(a).is_nan() || f64::from_bits(b).is_nan()).into()
    });
    check(&holds("setp.eq.ftz.f32 p, a, b;"), B32, [F32; 2], |[a, b]| {
        let flush = |v: f32| if v.is_subnormal() { 0.0 } else { v };
        (flush(single(a)) == flush(single(b))).into()
    });
}

#[test]
fn integers_compare_by_their_sign() {
    check(&holds("setp.lt.s32 p, a, b;"), B32, [B32; 2], |[a, b]| ((a as i32) < b as i32).into());
    check(&holds("setp.lo.u32 p, a, b;"), B32, [B32; 2], |[a, b]| (a < b).into());
    check(&holds("setp.ge.s64 p, a, b;"), B32, [B64; 2], |[a, b]| (a as i64 >= b as i64).into());
    check(&holds("setp.hi.u16 p, a, b;"), B32, [B16; 2], |[a, b]| (a > b).into());
    check(&holds("setp.ne.b32 p, a, -1;"), B32, [B32], |[a]| (a != 0xffff_ffff).into());
}

#[test]
fn relations_that_a_type_has_not_are_refused() {
    for body in [
        "setp.lt.b32 p, w0, w1;",
        "setp.lo.s32 p, w0, w1;",
        "setp.hi.f32 p, w0, w1;",
        "setp.ltu.u32 p, w0, w1;",
        "setp.eq.ftz.u32 p, w0, w1;",
        "setp.eq.u8 p, h0, h1;",
    ] {
        refusal(body);
    }
}

#[test]
fn a_comparison_gives_its_opposite_and_is_combined() {
    let pair = |p: bool, q: bool| u64::from(p) | u64::from(q) << 1;
    let read = "selp.u32 d, 1, 0, p; selp.u32 w0, 2, 0, q; or.b32 d, d, w0;";
    let low = |v: u64| v & 1 != 0;
    check(&format!("setp.lt.u32 p|q, a, b; {read}"), B32, [B32; 2], |[a, b]| pair(a < b, a >= b));
    let odd = "and.b32 w1, c, 1; setp.ne.u32 p, w1, 0;";
    check(&format!("{odd} setp.lt.and.u32 p|q, a, b, p; {read}"), B32, [B32; 3], |[a, b, c]| {
        pair(a < b && low(c), a >= b && low(c))
    });
    check(&format!("{odd} setp.lt.or.u32 p|q, a, b, !p; {read}"), B32, [B32; 3], |[a, b, c]| {
        pair(a < b || !low(c), a >= b || !low(c))
    });
    check(&format!("{odd} setp.lt.xor.u32 p|q, a, b, p; {read}"), B32, [B32; 3], |[a, b, c]| {
        pair((a < b) != low(c), (a >= b) != low(c))
    });
    check(&format!("setp.gt.bf16x2 p|q, a, b; {read}"), B32, [F32; 2], |[a, b]| {
        pair(single(a << 16) > single(b << 16), single(a & !0xffff) > single(b & !0xffff))
    });
}

#[test]
fn values_are_set_and_selected() {
    check("set.lt.u32.f32 d, a, b;", B32, [F32; 2], |[a, b]| {
        if single(a) < single(b) { u64::MAX } else { 0 }
    });
    check("set.ge.f32.s32 d, a, b;", B32, [B32; 2], |[a, b]| {
        if a as i32 >= b as i32 { 0x3f80_0000 } else { 0 }
    });
    check(
        "slct.u32.s32 d, a, b, c;",
        B32,
        [B32; 3],
        |[a, b, c]| if (c as i32) >= 0 { a } else { b },
    );
    check(
        "slct.b64.f32 d, a, b, c;",
        B64,
        [B64, B64, F32],
        |[a, b, c]| {
            if single(c) >= 0.0 { a } else { b }
        },
    );
    check("setp.ne.u32 p, c, 0; selp.f32 d, a, b, p;", F32, [F32, F32, B32], |[a, b, c]| {
        if c != 0 { a } else { b }
    });
    check("setp.ne.u32 p, c, 0; selp.b16 d, a, b, !p;", B16, [B16, B16, B32], |[a, b, c]| {
        if c == 0 { a } else { b }
    });
}

#[test]
fn floats_have_their_categories() {
    let categories: [(&str, Test); 6] = [
        ("finite", f32::is_finite),
        ("infinite", f32::is_infinite),
        ("number", |v| !v.is_nan()),
        ("notanumber", f32::is_nan),
        ("normal", |v| v.is_normal() || v == 0.0),
        ("subnormal", f32::is_subnormal),
    ];
    for (name, f) in categories {
        check(&holds(&format!("testp.{name}.f32 p, a;")), B32, [F32], |[a]| f(single(a)).into());
    }
}

#[test]
fn values_are_moved_packed_and_unpacked() {
    check("mov.b32 d, a;", B32, [B32], |[a]| a);
    check("mov.b32 d, -1;", B32, [B32], |_| 0xffff_ffff);
    check("mov.b32 d, 0f3F800000;", B32, [B32], |_| 0x3f80_0000);
    check("mov.f32 d, 1.5;", B32, [B32], |_| 0x3fc0_0000);
    check("mov.f32 d, -2.5e-1;", B32, [B32], |_| 0xbe80_0000);
    check("mov.b64 d, 0d4000000000000000;", B64, [B32], |_| 2.0_f64.to_bits());
    check("mov.b64 d, {a, b};", B64, [B32; 2], |[a, b]| a | b << 32);
    check("mov.b32 d, {a, b};", B32, [B16; 2], |[a, b]| a | b << 16);
    check("mov.b64 {w0, d}, a;", B32, [B64], |[a]| a >> 32);
    check("mov.b64 {_, d}, a;", B32, [B64], |[a]| a >> 32);
    check(
        "setp.gt.u32 p, a, b; not.pred q, p; and.pred p, p, q; selp.u32 d, 1, 0, p;",
        B32,
        [B32; 2],
        |_| 0,
    );
    check("mov.pred p, 1; selp.u32 d, 7, 0, p;", B32, [B32], |_| 7);
}
