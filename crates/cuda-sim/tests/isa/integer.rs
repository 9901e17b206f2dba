use super::harness::*;

const fn low(value: u64) -> u32 {
    value as u32
}

fn signed(value: u64) -> i64 {
    i64::from(value as i32)
}

#[test]
fn sums_wrap_and_saturate() {
    check("add.u32 d, a, b;", B32, [B32; 2], |[a, b]| a + b);
    check("add.s16 d, a, b;", B16, [B16; 2], |[a, b]| a + b);
    check("add.s64 d, a, b;", B64, [B64; 2], |[a, b]| a.wrapping_add(b));
    check("sub.s32 d, a, b;", B32, [B32; 2], |[a, b]| a.wrapping_sub(b));
    check("add.s32 d, a, -1;", B32, [B32], |[a]| a.wrapping_sub(1));
    check("add.sat.s32 d, a, b;", B32, [B32; 2], |[a, b]| {
        (a as i32).saturating_add(b as i32) as u64
    });
    check("sub.sat.s32 d, a, b;", B32, [B32; 2], |[a, b]| {
        (a as i32).saturating_sub(b as i32) as u64
    });
    check("neg.s32 d, a;", B32, [B32], |[a]| (a as i32).wrapping_neg() as u64);
    check("abs.s64 d, a;", B64, [B64], |[a]| (a as i64).wrapping_abs() as u64);
    check("sad.u32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| c + a.max(b) - a.min(b));
    check("sad.s32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| {
        c.wrapping_add((signed(a) - signed(b)).unsigned_abs())
    });
}

#[test]
fn products_give_their_low_and_high_halves() {
    let wide = |a: u64, b: u64| i128::from(a as i64) * i128::from(b as i64);
    check("mul.lo.s32 d, a, b;", B32, [B32; 2], |[a, b]| a.wrapping_mul(b));
    check("mul.hi.u32 d, a, b;", B32, [B32; 2], |[a, b]| a.wrapping_mul(b) >> 32);
    check("mul.hi.s32 d, a, b;", B32, [B32; 2], |[a, b]| ((signed(a) * signed(b)) >> 32) as u64);
    check("mul.hi.s64 d, a, b;", B64, [B64; 2], |[a, b]| (wide(a, b) >> 64) as u64);
    check("mul.hi.u64 d, a, b;", B64, [B64; 2], |[a, b]| {
        ((u128::from(a) * u128::from(b)) >> 64) as u64
    });
    check("mul.wide.u32 d, a, b;", B64, [B32; 2], |[a, b]| a * b);
    check("mul.wide.s32 d, a, b;", B64, [B32; 2], |[a, b]| (signed(a) * signed(b)) as u64);
    check("mul.wide.s16 d, a, b;", B32, [B16; 2], |[a, b]| {
        (i32::from(a as i16) * i32::from(b as i16)) as u64
    });
    check("mad.lo.s32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| a.wrapping_mul(b).wrapping_add(c));
    check("mad.hi.u32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| (a.wrapping_mul(b) >> 32) + c);
    check("mad.wide.u32 d, a, b, c;", B64, [B32, B32, B64], |[a, b, c]| (a * b).wrapping_add(c));
    check("mul24.lo.u32 d, a, b;", B32, [B32; 2], |[a, b]| (a & 0xff_ffff) * (b & 0xff_ffff));
    check("mul24.hi.s32 d, a, b;", B32, [B32; 2], |[a, b]| {
        let cut = |v: u64| i64::from((v as i32) << 8 >> 8);
        ((cut(a) * cut(b)) >> 16) as u64
    });
    check("dp4a.u32.s32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| {
        let (a, b) = (low(a).to_le_bytes(), low(b).to_le_bytes());
        let products = a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(b as i8));
        (c as i64).wrapping_add(products.sum::<i64>()) as u64
    });
}

#[test]
fn carries_pass_between_instructions() {
    let split = "mov.b64 {w0, w1}, a; mov.b64 {w2, w3}, b;";
    let join = "mov.b64 d, {w0, w1};";
    check(
        &format!("{split} add.cc.u32 w0, w0, w2; addc.u32 w1, w1, w3; {join}"),
        B64,
        [B64; 2],
        |[a, b]| a.wrapping_add(b),
    );
    check(
        &format!("{split} sub.cc.s32 w0, w0, w2; subc.s32 w1, w1, w3; {join}"),
        B64,
        [B64; 2],
        |[a, b]| a.wrapping_sub(b),
    );
    check("add.cc.u64 x0, a, b; addc.u64 d, 0, 0;", B64, [B64; 2], |[a, b]| {
        a.checked_add(b).is_none().into()
    });
    check(
        "mov.b64 {w2, w3}, c; mad.lo.cc.u32 w0, a, b, w2; madc.hi.u32 w1, a, b, w3; mov.b64 d, {w0, w1};",
        B64,
        [B32, B32, B64],
        |[a, b, c]| (a * b).wrapping_add(c),
    );
    check("add.cc.u32 w0, a, a; madc.hi.s32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| {
        (((signed(a) * signed(b)) >> 32) + c as i64 + (a >> 31) as i64) as u64
    });
}

#[test]
fn division_truncates() {
    let by = |b: u64, f: &dyn Fn() -> u64, zero: u64| if b == 0 { zero } else { f() };
    check("div.u32 d, a, b;", B32, [B32; 2], |[a, b]| by(b, &|| a / b, u64::MAX));
    check("rem.u32 d, a, b;", B32, [B32; 2], |[a, b]| by(b, &|| a % b, u64::MAX));
    check("div.s32 d, a, b;", B32, [B32; 2], |[a, b]| {
        by(b, &|| (signed(a) / signed(b)) as u64, u64::MAX)
    });
    check("rem.s32 d, a, b;", B32, [B32; 2], |[a, b]| {
        by(b, &|| (signed(a) % signed(b)) as u64, u64::MAX)
    });
    check("div.u64 d, a, b;", B64, [B64; 2], |[a, b]| by(b, &|| a / b, u64::MAX));
}

#[test]
fn extremes_are_by_sign() {
    check("min.u32 d, a, b;", B32, [B32; 2], |[a, b]| a.min(b));
    check("max.s32 d, a, b;", B32, [B32; 2], |[a, b]| signed(a).max(signed(b)) as u64);
    check("min.s16 d, a, b;", B16, [B16; 2], |[a, b]| (a as i16).min(b as i16) as u64);
    check("max.u64 d, a, b;", B64, [B64; 2], |[a, b]| a.max(b));
}

#[test]
fn shifts_stop_at_the_width() {
    check("shl.b32 d, a, b;", B32, [B32; 2], |[a, b]| if b > 31 { 0 } else { a << b });
    check("shr.u32 d, a, b;", B32, [B32; 2], |[a, b]| if b > 31 { 0 } else { a >> b });
    check("shr.s32 d, a, b;", B32, [B32; 2], |[a, b]| (signed(a) >> b.min(31)) as u64);
    check("shr.s16 d, a, b;", B16, [B16, B32], |[a, b]| ((a as i16) >> b.min(15)) as u64);
    check("shl.b64 d, a, b;", B64, [B64, B32], |[a, b]| if b > 63 { 0 } else { a << b });
    check("shr.s64 d, a, b;", B64, [B64, B32], |[a, b]| (a as i64 >> b.min(63)) as u64);
    for (mode, left) in [("l", true), ("r", false)] {
        for (wrap, clamp) in [("wrap", false), ("clamp", true)] {
            check(&format!("shf.{mode}.{wrap}.b32 d, a, b, c;"), B32, [B32; 3], |[a, b, c]| {
                let n = if clamp { c.min(32) } else { c & 31 };
                let (a, b) = (u128::from(a), u128::from(b));
                let value = if left { b << n | a >> (32 - n) } else { b << (32 - n) | a >> n };
                value as u64
            });
        }
    }
}

#[test]
fn bits_are_counted_found_and_reversed() {
    check("popc.b32 d, a;", B32, [B32], |[a]| a.count_ones().into());
    check("popc.b64 d, a;", B32, [B64], |[a]| a.count_ones().into());
    check("clz.b32 d, a;", B32, [B32], |[a]| low(a).leading_zeros().into());
    check("clz.b64 d, a;", B32, [B64], |[a]| a.leading_zeros().into());
    check("brev.b32 d, a;", B32, [B32], |[a]| low(a).reverse_bits().into());
    check("brev.b64 d, a;", B64, [B64], |[a]| a.reverse_bits());
    check("cnot.b32 d, a;", B32, [B32], |[a]| u64::from(a == 0));
    let find = |a: u64, bits: i32| (0..bits).rev().find(|i| a >> i & 1 != 0).unwrap_or(-1);
    check("bfind.u32 d, a;", B32, [B32], |[a]| find(a, 32) as u64);
    check("bfind.u64 d, a;", B32, [B64], |[a]| find(a, 64) as u64);
    check("bfind.s32 d, a;", B32, [B32], |[a]| {
        find(if (a as i32) < 0 { !a } else { a }, 32) as u64
    });
    check("bfind.shiftamt.s64 d, a;", B32, [B64], |[a]| {
        match find(if (a as i64) < 0 { !a } else { a }, 64) {
            -1 => u64::MAX,
            at => 63 - at as u64,
        }
    });
}

/// The manual's loop for `bfe`.
fn extract(a: u64, b: u64, c: u64, bits: u64, signed: bool) -> u64 {
    let (pos, len, msb) = (b & 0xff, c & 0xff, bits - 1);
    let sign = signed && len != 0 && a >> (pos + len - 1).min(msb) & 1 != 0;
    (0..bits).fold(0, |d, i| {
        let bit = if i < len && pos + i <= msb { a >> (pos + i) & 1 } else { sign.into() };
        d | bit << i
    })
}

#[test]
fn fields_are_extracted_and_inserted() {
    check("bfe.u32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| extract(a, b, c, 32, false));
    check("bfe.s32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| extract(a, b, c, 32, true));
    check("bfe.s64 d, a, b, c;", B64, [B64, B32, B32], |[a, b, c]| extract(a, b, c, 64, true));
    let insert = |a: u64, b: u64, pos: u64, len: u64, bits: u64| {
        let (pos, len) = (pos & 0xff, len & 0xff);
        (0..len)
            .take_while(|i| pos + i < bits)
            .fold(b, |f, i| f & !(1 << (pos + i)) | (a >> i & 1) << (pos + i))
    };
    check("bfi.b32 d, a, b, c, e;", B32, [B32; 4], |[a, b, c, e]| insert(a, b, c, e, 32));
    check("bfi.b64 d, a, b, c, 7;", B64, [B64, B64, B32], |[a, b, c]| insert(a, b, c, 7, 64));
}

#[test]
fn bytes_are_chosen() {
    let bytes = |a: u64, b: u64| [low(a).to_le_bytes(), low(b).to_le_bytes()].concat();
    check("prmt.b32 d, a, b, c;", B32, [B32; 3], |[a, b, c]| {
        (0..4).fold(0, |d, i| {
            let nibble = c >> (4 * i) & 0xf;
            let byte = bytes(a, b)[(nibble & 7) as usize];
            let sign = if byte & 0x80 != 0 { 0xff } else { 0 };
            d | u64::from(if nibble & 8 != 0 { sign } else { byte }) << (8 * i)
        })
    });
    // d's bytes, the highest first, for each value of c: the manual's table.
    let table = [
        ("f4e", ["3210", "4321", "5432", "6543"]),
        ("b4e", ["5670", "6701", "7012", "0123"]),
        ("rc8", ["0000", "1111", "2222", "3333"]),
        ("ecl", ["3210", "3211", "3222", "3333"]),
        ("ecr", ["0000", "1110", "2210", "3210"]),
        ("rc16", ["1010", "3232", "1010", "3232"]),
    ];
    for (mode, rows) in table {
        check(&format!("prmt.b32.{mode} d, a, b, c;"), B32, [B32; 3], |[a, b, c]| {
            rows[(c & 3) as usize]
                .bytes()
                .fold(0, |d, digit| d << 8 | u64::from(bytes(a, b)[usize::from(digit - b'0')]))
        });
    }
}

#[test]
fn logic_is_bitwise() {
    check("and.b32 d, a, b;", B32, [B32; 2], |[a, b]| a & b);
    check("or.b64 d, a, b;", B64, [B64; 2], |[a, b]| a | b);
    check("xor.b16 d, a, b;", B16, [B16; 2], |[a, b]| a ^ b);
    check("not.b64 d, a;", B64, [B64], |[a]| !a);
    check("lop3.b32 d, a, b, c, 0xe8;", B32, [B32; 3], |[a, b, c]| a & b | b & c | a & c);
    check("lop3.b32 d, a, b, c, 0x1a;", B32, [B32; 3], |[a, b, c]| (a & b | c) ^ a);
}

#[test]
fn what_an_instruction_does_not_take_is_refused() {
    for (body, reason) in [
        ("add.sat.u32 w0, w1, w2;", "not an instruction of this type"),
        ("bfe.b32 w0, w1, w2, w3;", "not an instruction of this type"),
        ("mul.s32 w0, w1, w2;", "expected .lo, .hi or .wide"),
        ("shl.b32 w0, x1, w2;", "x1 has 64 bits where 32 are expected"),
        ("add.u32 x0, w1, w2;", "a register of 64 bits where 32 are expected"),
        ("vadd.s32.s32.s32 w0, w1, w2;", "unknown instruction"),
    ] {
        let refusal = refusal(body);
        assert!(refusal.contains(reason), "{body}: {refusal}");
    }
}
