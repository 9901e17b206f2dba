use super::harness::*;

const BUFFER: [u32; 16] =
    [0x0403_0201, 0x0807_0605, 0x8c8b_8a89, 0xff0f_0e0d, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];

/// `d` of one thread.
fn one(code: &str) -> u32 {
    run_block(1, &[("from", &BUFFER)], code)[0]
}

#[test]
fn loads_extend_by_their_type_and_come_in_vectors() {
    assert_eq!(one("ld.global.u8 d, [from+11];"), 0x8c);
    assert_eq!(one("ld.global.s8 d, [from+11];"), 0xffff_ff8c);
    assert_eq!(one("ld.global.s16 d, [from+14];"), 0xffff_ff0f);
    assert_eq!(
        one("ld.global.nc.L1::no_allocate.L2::256B.v4.b32 {w0, d, w1, w2}, [from];"),
        BUFFER[1]
    );
    let eight = "ld.global.v8.b32 {w0, _, w1, w2, w3, w4, w5, d}, [from];";
    let wide = run_block_of(("8.8", "sm_100", "sm_100"), 1, &[("from", &BUFFER)], eight);
    assert_eq!(wide, [BUFFER[7]]);
    assert_eq!(
        one("ld.global.v4.u8 {h0, h1, h2, h3}, [from+4]; mov.b32 d, {h3, h0};"),
        0x0005_0008
    );
    assert_eq!(one("ld.global.v2.u64 {x0, x1}, [from]; mov.b64 {d, _}, x1;"), BUFFER[2]);
    for modifiers in ["ca", "cg", "cs", "cv", "volatile", "relaxed.gpu", "acquire.sys", "weak"] {
        let code = match modifiers.len() {
            2 => format!("ld.global.{modifiers}.u32 d, [from];"),
            _ => format!("ld.{modifiers}.global.u32 d, [from];"),
        };
        assert_eq!(one(&code), BUFFER[0], "{modifiers}");
    }
    assert_eq!(
        one("mov.u64 x0, 0; ld.global.L1::evict_last.L2::cache_hint.b32 d, [from], x0;"),
        BUFFER[0]
    );
    assert_eq!(one("prefetch.global.L2 [from]; ld.const.u32 d, [from];"), BUFFER[0]);
}

#[test]
fn stores_keep_the_low_bits() {
    let back =
        |store: &str| one(&format!("mov.u32 w0, 0xaabbccdd; {store} ld.global.u32 d, [from];"));
    assert_eq!(back("st.global.u8 [from+1], w0;"), 0x0403_dd01);
    assert_eq!(back("st.global.u16 [from+2], w0;"), 0xccdd_0201);
    assert_eq!(back("st.release.gpu.global.u32 [from], w0;"), 0xaabb_ccdd);
    assert_eq!(back("st.volatile.global.u32 [from], -1;"), u32::MAX);
    assert_eq!(back("st.global.L1::no_allocate.v2.u32 [from], {7, w0};"), 7);
    assert_eq!(back("mov.b64 x0, {w0, w0}; st.u64 [from], x0;"), 0xaabb_ccdd);
}

#[test]
fn registers_of_128_bits_are_loaded_stored_and_made_of_halves() {
    let code = |code: &str| one(&format!(".reg .b128 y, z; {code}"));
    assert_eq!(
        code("ld.global.b128 y, [from]; mov.b128 z, y; mov.b128 {x0, x1}, z; mov.b64 {_, d}, x1;"),
        BUFFER[3]
    );
    assert_eq!(code("ld.b128 y, [from+16]; mov.b128 {x0, _}, y; mov.b64 {d, _}, x0;"), BUFFER[4]);
    assert_eq!(
        code(
            "ld.global.v2.b64 {x0, x1}, [from]; mov.b128 y, {x1, x0}; st.shared.b128 [memory+16], y;\n\
             ld.shared.u32 d, [memory+24];"
        ),
        BUFFER[0]
    );
    for (form, reason) in [
        ("ld.shared.b128 x0, [w0];", "x0 is no register of 128 bits"),
        ("ld.shared.v2.b128 {y, z}, [w0];", "one at a time"),
        ("ld.shared.b64 y, [w0];", "y is no register"),
        ("mov.b64 x0, y;", "y has 128 bits where 64 are expected"),
        ("mov.b128 y, x0;", "x0 is no register of 128 bits"),
        ("mov.b128 {x0, x1}, {x2, x3};", "is no register of 128 bits"),
        ("mov.b128 {x0, w0}, y;", "a register of 32 bits where 64"),
        ("mov.b128 {_, _}, y;", "no part goes anywhere"),
        ("mov.b128 y, {w0, w1, w2, w3};", "2 parts of 64 bits"),
        ("and.b128 y, y, z;", "y is no register"),
        ("add.u64 x0, x1, y;", "y has 128 bits"),
        ("ld.global.u32 w0, [y];", "neither a register nor a variable"),
    ] {
        let refusal = refusal(&format!(".reg .b128 y, z; {form}"));
        assert!(refusal.contains(reason), "{form}: {refusal}");
    }
}

#[test]
fn spaces_have_their_generic_addresses() {
    let generic = "mov.u64 x0, memory; cvta.shared.u64 x1, x0; st.shared.u32 [memory+4], 77;";
    assert_eq!(one(&format!("{generic} ld.u32 d, [x1+4];")), 77);
    assert_eq!(one(&format!("{generic} cvta.to.shared.u64 x2, x1; ld.shared.u32 d, [x2+4];")), 77);
    assert_eq!(one("cvta.to.global.u64 x0, from; ld.global.u32 d, [x0];"), BUFFER[0]);
    assert_eq!(
        one("mov.u64 x0, from_param; cvta.param.u64 x1, x0; ld.u64 x2, [x1]; ld.u32 d, [x2];"),
        BUFFER[0]
    );
    // Each thread has its own local memory.
    let code = ".local .align 8 .b8 depot[16]; mov.u64 x0, depot; cvta.local.u64 x1, x0;\n\
         mov.u32 w0, %tid.x; st.local.u32 [depot+4], w0; ld.u32 d, [x1+4];";
    assert_eq!(run_block(40, &[], code), (0..40).collect::<Vec<u32>>());
}

#[test]
fn atomics_return_what_was_and_leave_what_is() {
    // Word 4 holds 4; the operand is -3, or 10.
    let cases: [(&str, u32, u32); 12] = [
        ("add.u32", 10, 14),
        ("min.s32", -3_i32 as u32, -3_i32 as u32),
        ("min.u32", -3_i32 as u32, 4),
        ("max.u32", 10, 10),
        ("max.s32", -3_i32 as u32, 4),
        ("and.b32", 6, 4),
        ("or.b32", 3, 7),
        ("xor.b32", 5, 1),
        ("exch.b32", 99, 99),
        ("inc.u32", 4, 0),
        ("inc.u32", 5, 5),
        ("dec.u32", 2, 2),
    ];
    for (function, operand, after) in cases {
        for space in [".global", ""] {
            let code = format!("atom{space}.{function} d, [from+16], {operand};");
            assert_eq!(one(&code), 4, "{code}");
            let code = format!(
                "atom{space}.{function} w0, [from+16], {operand}; ld.global.u32 d, [from+16];"
            );
            assert_eq!(one(&code), after, "{code}");
        }
        if !function.starts_with("exch") {
            let code = format!(
                "red.relaxed.gpu.global.{function} [from+16], {operand}; ld.global.u32 d, [from+16];"
            );
            assert_eq!(one(&code), after, "{code}");
        }
    }
    assert_eq!(one("atom.global.cas.b32 w0, [from+16], 4, 8; ld.global.u32 d, [from+16];"), 8);
    assert_eq!(one("atom.global.cas.b32 w0, [from+16], 5, 8; ld.global.u32 d, [from+16];"), 4);
    assert_eq!(
        one(
            "mov.u16 h0, 0x201; mov.u16 h1, 9; atom.global.cas.b16 h2, [from], h0, h1; ld.global.u32 d, [from];"
        ),
        0x0403_0009
    );
    assert_eq!(
        one("mov.u64 x0, 1; atom.global.add.u64 x1, [from+16], x0; ld.global.u32 d, [from+16];"),
        5
    );
    let sum = "mov.u32 w0, %tid.x; setp.eq.u32 p, w0, 0; @p st.shared.u32 [memory], 0; bar.sync 0; red.shared.add.u32 [memory], w0; bar.sync 0; ld.shared.u32 d, [memory];";
    assert_eq!(run_block(100, &[], sum), vec![4950; 100]);
}

#[test]
fn atomics_add_floats_of_every_width() {
    let ones = [0x3f80_0000_u32, 0x4000_3c00, 0x4000_3f80, 1];
    let add = |code: &str| run_block(1, &[("from", &ones)], code)[0];
    assert_eq!(
        add("mov.f32 w0, 2.5; atom.global.add.f32 w1, [from], w0; ld.global.u32 d, [from];"),
        3.5_f32.to_bits()
    );
    assert_eq!(
        add(
            "mov.b32 w0, 0x3c003c00; red.global.add.noftz.f16x2 [from+4], w0; ld.global.u32 d, [from+4];"
        ),
        0x4200_4000
    );
    assert_eq!(
        add(
            "mov.b32 w0, 0x3f803f80; red.global.add.noftz.bf16x2 [from+8], w0; ld.global.u32 d, [from+8];"
        ),
        0x4040_4000
    );
    assert_eq!(
        add(
            "mov.b16 h0, 0x3f80; red.global.add.noftz.bf16 [from+8], h0; ld.global.u32 d, [from+8];"
        ),
        0x4000_4000
    );
    // Global memory loses what is subnormal, shared memory keeps it.
    assert_eq!(
        add("mov.b32 w0, 1; red.global.add.f32 [from+12], w0; ld.global.u32 d, [from+12];"),
        0
    );
    assert_eq!(
        add(
            "st.shared.u32 [memory], 1; mov.b32 w0, 1; red.shared.add.f32 [memory], w0; ld.shared.u32 d, [memory];"
        ),
        2
    );
    let vector =
        "mov.f32 w0, 1.0; red.global.add.v2.f32 [from], {w0, w0}; ld.global.u32 d, [from];";
    assert_eq!(add(vector), 2.0_f32.to_bits());
}

#[test]
fn copies_arrive_when_they_are_waited_for() {
    let copied = |bytes: u32, more: &str, word: u32| {
        let cache = if bytes == 16 { "cg" } else { "ca" };
        one(&format!(
            "cp.async.{cache}.shared.global.L2::128B [memory], [from], {bytes}{more}; cp.async.commit_group;\n\
             cp.async.wait_group 0; ld.shared.u32 d, [memory+{}];",
            4 * word
        ))
    };
    assert_eq!(copied(4, "", 0), BUFFER[0]);
    assert_eq!(copied(8, "", 1), BUFFER[1]);
    assert_eq!(copied(16, "", 3), BUFFER[3]);
    assert_eq!(copied(16, ", 6", 0), BUFFER[0]);
    assert_eq!(copied(16, ", 6", 1), BUFFER[1] & 0xffff);
    assert_eq!(copied(16, ", 0", 0), 0);
    // Of three groups the first has arrived once two may be left.
    let groups = "cp.async.ca.shared.global [memory], [from], 4; cp.async.commit_group;\n\
         cp.async.ca.shared.global [memory+4], [from+4], 4; cp.async.commit_group;\n\
         cp.async.ca.shared.global [memory+8], [from+8], 4; cp.async.commit_group;\n\
         cp.async.wait_group 2; ld.shared.u32 d, [memory];";
    assert_eq!(one(groups), BUFFER[0]);
    let ignored = "setp.eq.u32 p, 0, 0; cp.async.ca.shared.global [memory], [from], 4, p;\n\
         cp.async.wait_all; ld.shared.u32 d, [memory];";
    assert_eq!(one(ignored), 0);
}

#[test]
fn what_is_not_simulated_is_refused_by_name() {
    for (body, reason) in [
        ("cp.async.cg.shared.global [w0], [x0], 8;", "a copy has 4, 8 or 16 bytes"),
        ("ld.global.v4.u32 {w0, w1}, [x2];", "2 elements, expected 4"),
        ("ld.global.L3::evict.u32 w0, [x0];", "expected a type"),
        ("atom.global.add.f16 h0, [x0], h1;", "not simulated for this type"),
        ("atom.global.sub.u32 w0, [x0], w1;", "not simulated"),
        ("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {x0}, {x1}, {x2}, {x3};", "not a shape"),
        (
            "ldmatrix.sync.aligned.m8n8.x3.shared.b16 {w0, w1, w2}, [w3];",
            "expected .x1, .x2 or .x4",
        ),
        ("bra nowhere;", "there is no label nowhere"),
        ("mov.u32 w0, undeclared;", "undeclared is not declared"),
    ] {
        let refusal = refusal(body);
        assert!(refusal.contains(reason), "{body}: {refusal}");
    }
}
