use super::harness::*;

/// Runs `code` for 32 lanes with `a` the lane's value, and gives each lane's `d`.
fn warp(code: &str, values: [u32; 32]) -> [u32; 32] {
    let out = run_block(32, &[("from", &values)], code);
    std::array::from_fn(|lane| out[lane])
}

fn values() -> [u32; 32] {
    std::array::from_fn(|lane| (lane as u32 * 7 + 3) % 32 + 100)
}

const LOAD: &str = "mov.u32 l, %laneid; mad.wide.u32 at, l, 4, from; ld.global.u32 a, [at];";

#[test]
fn shuffles_follow_the_manuals_pseudocode() {
    for (mode, index) in [("up", 0), ("down", 1), ("bfly", 2), ("idx", 3)] {
        for (b, c) in [(1_u32, 0x1f_u32), (1, 0), (5, 0x1f), (3, 0x1807), (9, 0x1003), (31, 0x1f)] {
            let code =
                format!("{LOAD} shfl.sync.{mode}.b32 d|p, a, {b}, {c}, -1; @p add.u32 d, d, 1000;");
            let expected = std::array::from_fn(|lane| {
                let (lane, b, clamp, mask) = (lane as u32, b & 31, c & 31, c >> 8 & 31);
                let max = lane & mask | clamp & !mask & 31;
                let min = lane & mask;
                let (j, valid) = match index {
                    0 => (lane as i32 - b as i32, lane as i32 - b as i32 >= max as i32),
                    1 => ((lane + b) as i32, lane + b <= max),
                    2 => ((lane ^ b) as i32, lane ^ b <= max),
                    _ => ((min | b & !mask & 31) as i32, min | b & !mask & 31 <= max),
                };
                // An index is compared as a whole.
                let valid = if index == 3 { (min | b & !mask & 31) <= max } else { valid };
                let source = if valid { j as usize } else { lane as usize };
                values()[source] + if valid { 1000 } else { 0 }
            });
            assert_eq!(warp(&code, values()), expected, "{mode} {b} {c:#x}");
        }
    }
}

#[test]
fn votes_reductions_and_matches_are_among_members() {
    let values: [u32; 32] = std::array::from_fn(|lane| [5, 9, 5, u32::MAX][lane % 4]);
    let big = (0..32).filter(|lane| values[*lane] > 5).fold(0_u32, |m, lane| m | 1 << lane);
    let vote = |kind: &str| format!("{LOAD} setp.gt.u32 p, a, 5; vote.sync.{kind}, p, -1;");
    assert_eq!(warp(&vote("ballot.b32 d"), values), [big; 32]);
    for (kind, expected) in [("any", 1), ("all", 0), ("uni", 0)] {
        let code = format!("{} selp.u32 d, 1, 0, q;", vote(&format!("{kind}.pred q")));
        assert_eq!(warp(&code, values), [expected; 32]);
    }
    let redux = |kind: &str| warp(&format!("{LOAD} redux.sync.{kind} d, a, -1;"), values);
    assert_eq!(redux("add.u32"), [values.iter().fold(0_u32, |sum, v| sum.wrapping_add(*v)); 32]);
    assert_eq!(redux("max.u32"), [u32::MAX; 32]);
    assert_eq!(redux("max.s32"), [9; 32]);
    assert_eq!(redux("min.s32"), [u32::MAX; 32]);
    assert_eq!(redux("and.b32"), [1; 32]);
    let same = std::array::from_fn(|lane| {
        (0..32).filter(|l| values[*l] == values[lane]).fold(0_u32, |m, l| m | 1 << l)
    });
    assert_eq!(warp(&format!("{LOAD} match.any.sync.b32 d, a, -1;"), values), same);
    let all = format!("{LOAD} match.all.sync.b32 d|p, a, -1; @p add.u32 d, d, 6;");
    assert_eq!(warp(&all, values), [0; 32]);
    assert_eq!(warp(&all, [3; 32]), [5; 32], "all lanes, and 6 more");
}

#[test]
fn halves_of_a_warp_may_exchange_on_their_own() {
    // Each half names its own members, at the same instruction and at different ones.
    let together = format!(
        "{LOAD} setp.lt.u32 p, l, 16; selp.b32 w0, 0xffff, 0xffff0000, p; redux.sync.add.u32 d, a, w0;"
    );
    let apart = format!(
        "{LOAD} setp.lt.u32 p, l, 16; @p bra first; redux.sync.add.u32 d, a, 0xffff0000; bra done;\n\
         first: redux.sync.add.u32 d, a, 0xffff; done:"
    );
    let sum = |from: usize| values()[from..from + 16].iter().sum::<u32>();
    let expected = std::array::from_fn(|lane| sum(lane / 16 * 16));
    assert_eq!(warp(&together, values()), expected);
    assert_eq!(warp(&apart, values()), expected);
}

#[test]
fn barriers_reduce_predicates() {
    let vote = |form: &str| {
        let code = format!("mov.u32 l, %tid.x; setp.gt.u32 p, l, 70; {form}");
        run_block(96, &[], &code)
    };
    assert_eq!(vote("bar.red.popc.u32 d, 0, p;"), [25; 96]);
    assert_eq!(vote("barrier.cta.red.popc.aligned.u32 d, 3, 96, !p;"), [71; 96]);
    assert_eq!(vote("bar.red.or.pred q, 0, p; selp.u32 d, 1, 0, q;"), [1; 96]);
    assert_eq!(vote("bar.red.and.pred q, 0, p; selp.u32 d, 1, 0, q;"), [0; 96]);
    assert_eq!(vote("or.pred p, p, !p; bar.red.and.pred q, 0, p; selp.u32 d, 1, 0, q;"), [1; 96]);
}

#[test]
fn branches_go_to_one_of_several_targets() {
    let code = format!(
        "{LOAD} and.b32 w0, l, 3; table: .branchtargets zero, one, two, one; mov.u32 d, 5;\n\
         brx.idx w0, table;\nzero: add.u32 d, d, 1;\none: add.u32 d, d, 10;\ntwo: add.u32 d, d, 100;"
    );
    assert_eq!(warp(&code, values()), std::array::from_fn(|lane| [116, 115, 105, 115][lane % 4]));
}

#[test]
fn labels_are_local_to_their_braces() {
    let part = "{ .reg .pred t; setp.gt.u32 t, l, 15; @t bra skip; add.u32 d, d, 1; skip: }";
    let code = format!("{LOAD} mov.u32 d, 0; {part} {part} add.u32 d, d, 10;");
    assert_eq!(warp(&code, values()), std::array::from_fn(|lane| if lane < 16 { 12 } else { 10 }));
}

#[test]
fn matrices_are_loaded_stored_and_transposed() {
    // Shared memory holds the numbers of its 16-bit elements: row r of matrix m starts at 64 m + 8 r.
    let fill = "mov.u32 l, %laneid; mul.lo.u32 w0, l, 16; mov.u32 w1, 0;\n\
         more: add.u32 w2, w0, w1; shl.b32 w3, w2, 1; cvt.u16.u32 h0, w2; st.shared.u16 [w3], h0;\n\
         add.u32 w1, w1, 1; setp.lt.u32 p, w1, 16; @p bra more; bar.warp.sync -1; shl.b32 w4, l, 4;";
    for (index, count) in [1, 2, 4].into_iter().enumerate() {
        for register in 0..count {
            for (trans, suffix) in [(false, ""), (true, ".trans")] {
                let names = ["w1", "w2", "w3", "d"];
                let list = names[4 - count..].join(", ");
                let code = format!(
                    "{fill} ldmatrix.sync.aligned.m8n8.x{count}{suffix}.shared.b16 {{{list}}}, [w4];\n\
                     mov.b32 d, {};",
                    names[4 - count + register]
                );
                let expected = std::array::from_fn(|lane| {
                    let (row, column) = (lane as u32 / 4, lane as u32 % 4 * 2);
                    let at = |r: u32, c: u32| {
                        64 * register as u32 + if trans { 8 * c + r } else { 8 * r + c }
                    };
                    at(row, column) | at(row, column + 1) << 16
                });
                assert_eq!(warp(&code, values()), expected, "x{count}{suffix} {index}");
            }
        }
    }
    let moved = format!("{fill} ldmatrix.sync.aligned.m8n8.x1.shared.b16 {{w1}}, [w4];");
    let code = format!("{moved} movmatrix.sync.aligned.m8n8.trans.b16 d, w1;");
    let straight = format!("{fill} ldmatrix.sync.aligned.m8n8.x1.trans.shared.b16 {{d}}, [w4];");
    assert_eq!(warp(&code, values()), warp(&straight, values()));
    let stored = format!(
        "{moved} bar.warp.sync -1; stmatrix.sync.aligned.m8n8.x1.trans.shared.b16 [w4], {{w1}};\n\
         bar.warp.sync -1; ldmatrix.sync.aligned.m8n8.x1.shared.b16 {{d}}, [w4];"
    );
    assert_eq!(warp(&stored, values()), warp(&straight, values()));
}

/// The matrices of a multiplication, by their definition in the manual.
fn multiply(ty: &str, k: usize) {
    let mut random = Random(k as u64);
    let mut half = || (random.next() % 17) as f32 / 4.0 - 2.0;
    let a: Vec<Vec<f32>> = (0..16).map(|_| (0..k).map(|_| half()).collect()).collect();
    let b: Vec<Vec<f32>> = (0..k).map(|_| (0..8).map(|_| half()).collect()).collect();
    let c: Vec<Vec<f32>> = (0..16).map(|_| (0..8).map(|_| half()).collect()).collect();
    let bits = |value: f32| match ty {
        "bf16" => u32::from(half::bf16::from_f32(value).to_bits()),
        _ => u32::from(half::f16::from_f32(value).to_bits()),
    };
    let pack = |low: f32, high: f32| bits(low) | bits(high) << 16;
    let (registers_a, registers_b) = (k / 4, k / 8);
    let mut from = Vec::new();
    for lane in 0..32 {
        let (group, thread) = (lane / 4, lane % 4);
        for i in (0..2 * registers_a).step_by(2) {
            let row = if i / 2 % 2 == 0 { group } else { group + 8 };
            let column = thread * 2 + if i >= 4 { 8 } else { 0 };
            from.push(pack(a[row][column], a[row][column + 1]));
        }
        for i in (0..2 * registers_b).step_by(2) {
            let row = thread * 2 + if i >= 2 { 8 } else { 0 };
            from.push(pack(b[row][group], b[row + 1][group]));
        }
        for i in 0..4 {
            let row = if i < 2 { group } else { group + 8 };
            from.push(c[row][thread * 2 + (i & 1)].to_bits());
        }
    }
    let stride = registers_a + registers_b + 4;
    let mut load = format!("mov.u32 l, %laneid; mad.wide.u32 at, l, {}, from;\n", 4 * stride);
    for register in 0..stride {
        load += &format!("ld.global.b32 r{register}, [at+{}];\n", 4 * register);
    }
    let list = |from: usize, count: usize| {
        (from..from + count).map(|r| format!("r{r}")).collect::<Vec<_>>().join(", ")
    };
    let sums = list(registers_a + registers_b, 4);
    for i in 0..4 {
        let code = format!(
            "{load} mma.sync.aligned.m16n8k{k}.row.col.f32.{ty}.{ty}.f32 {{{sums}}}, {{{}}}, {{{}}}, \
             {{{sums}}}; mov.b32 d, r{};",
            list(0, registers_a),
            list(registers_a, registers_b),
            registers_a + registers_b + i
        );
        let got = run_block(32, &[("from", &from)], &code);
        for (lane, got) in got.into_iter().enumerate() {
            let row = lane / 4 + if i < 2 { 0 } else { 8 };
            let column = lane % 4 * 2 + (i & 1);
            // Small multiples of 1/16, whose sums are exact.
            let sum = (0..k).fold(c[row][column], |sum, k| sum + a[row][k] * b[k][column]);
            assert_eq!(f32::from_bits(got), sum, "{ty} {k} row {row} column {column}");
        }
    }
}

#[test]
fn matrices_are_multiplied() {
    for ty in ["bf16", "f16"] {
        multiply(ty, 8);
        multiply(ty, 16);
    }
}

#[test]
fn a_product_with_f16_sums_is_rounded_once() {
    // Row and column of ones: 16 products of 1, and 2048 + 16 needs two bits more than 2048 + 1.
    let one = 0x3c00_3c00;
    let code = format!(
        "mov.b32 w0, {one}; mov.b32 w1, 0x68006801; mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 \
         {{d, w2}}, {{w0, w0, w0, w0}}, {{w0, w0}}, {{w1, w1}};"
    );
    let sum =
        |c: u16| u32::from(half::f16::from_f32(half::f16::from_bits(c).to_f32() + 16.0).to_bits());
    assert_eq!(warp(&code, values()), [sum(0x6800) << 16 | sum(0x6801); 32]);
}
