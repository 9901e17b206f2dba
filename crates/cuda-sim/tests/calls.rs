//! Calls of device functions.

use cuda_sim::device::Device;
use cuda_sim::fault::FaultKind;
use cuda_sim::{Launch, Machine, Order};

/// A module of these functions and a kernel with this body, which puts what it computes into `d` from
/// the thread's number in `t`.
fn module(functions: &str, body: &str) -> String {
    format!(
        ".version 8.0\n.target sm_80\n.address_size 64\n{functions}\n\
         .visible .entry test(.param .u64 out_param)\n{{\n\
         .reg .pred p, q; .reg .b16 h; .reg .b32 a, b, c, d, t; .reg .b64 out, x; .reg .f32 f;\n\
         mov.u32 t, %tid.x;\n{body}\n\
         ld.param.u64 out, [out_param]; mad.wide.u32 out, t, 4, out; st.global.u32 [out], d;\n}}\n"
    )
}

/// What 64 threads give, or what they are caught at.
fn run(functions: &str, body: &str) -> Result<Vec<u32>, FaultKind> {
    let machine = Machine::new(Device::named("sm_80").expect("it is known"));
    let module = machine.load(&module(functions, body)).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("test").expect("it is there");
    let out = machine.allocate(256);
    let launch = Launch { block: [64, 1, 1], ..Launch::default() };
    let ran = machine.launch(&function, &launch, Order::InTurn, &out.to_le_bytes());
    ran.map_err(|fault| *fault.kind)?;
    let mut bytes = [0; 256];
    machine.read(out, &mut bytes).expect("it fits");
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
    Ok(bytes.chunks(4).map(word).collect())
}

fn gives(functions: &str, body: &str, expected: impl Fn(u32) -> u32) {
    let got = run(functions, body).unwrap_or_else(|fault| panic!("{fault}"));
    assert_eq!(got, (0..64).map(expected).collect::<Vec<_>>());
}

fn refusal(functions: &str, body: &str) -> String {
    let machine = Machine::new(Device::named("sm_80").expect("it is known"));
    machine.load(&module(functions, body)).map(|_| ()).expect_err("it is refused").to_string()
}

/// Twice the first and once the second parameter, with a branch of its own.
const TWICE: &str = ".func (.param .b32 r) twice(.param .b32 one, .param .b32 other)\n{\n\
     .reg .pred p; .reg .b32 a, b;\n\
     ld.param.b32 a, [one]; ld.param.b32 b, [other]; setp.eq.u32 p, a, 0; @p bra end;\n\
     add.u32 b, b, a; add.u32 b, b, a;\nend: st.param.b32 [r], b; ret;\n}";

/// A call of it as compilers write it.
const CALL: &str = "{ .param .b32 one; .param .b32 other; .param .b32 r;\n\
     st.param.b32 [one], t; st.param.b32 [other], 100; call.uni (r), twice, (one, other);\n\
     ld.param.b32 d, [r]; }";

#[test]
fn arguments_go_in_and_results_come_out() {
    gives(TWICE, CALL, |t| 2 * t + 100);
    // The arguments and the result in registers and constants.
    gives(TWICE, "call (d), twice, (t, 100);", |t| 2 * t + 100);
    let registers = ".func (.reg .u32 r) less(.reg .u32 a, .reg .u32 b) { sub.u32 r, a, b; }";
    gives(registers, "call (d), less, (t, 7);", |t| t.wrapping_sub(7));
    gives(
        registers,
        "{ .param .u32 a; .param .u32 r; st.param.u32 [a], t; call (r), less, (a, 7);\n\
         ld.param.u32 d, [r]; }",
        |t| t.wrapping_sub(7),
    );
}

#[test]
fn arrays_and_wide_values_are_passed_by_value() {
    let sum = ".func (.param .align 8 .b8 r[16]) swap(.param .align 8 .b8 pair[16])\n{\n\
         .reg .b64 x, y; ld.param.b64 x, [pair]; ld.param.v2.b32 {_, _}, [pair+8];\n}";
    assert!(refusal(sum, "call swap;").contains("a load without a destination"));
    let swap = ".func (.param .align 8 .b8 r[16]) swap(.param .align 8 .b8 pair[16])\n{\n\
         .reg .b64 x, y; ld.param.b64 x, [pair]; ld.param.b64 y, [pair+8];\n\
         st.param.b64 [r], y; st.param.b64 [r+8], x; ret;\n}";
    gives(
        swap,
        "{ .param .align 8 .b8 pair[16]; .param .align 8 .b8 r[16];\n\
         cvt.u64.u32 x, t; st.param.b64 [pair], x; st.param.b32 [pair+8], 5; st.param.b32 [pair+12], 0;\n\
         call (r), swap, (pair); ld.param.b32 d, [r+8]; ld.param.b32 c, [r]; mad.lo.u32 d, c, 1000, d; }",
        |t| t + 5000,
    );
    let add = ".func (.param .b64 r) wide(.param .b64 a, .param .f32 f, .param .b16 h)\n{\n\
         .reg .b64 x; .reg .f32 g; .reg .b16 i; .reg .b32 w; ld.param.b64 x, [a]; ld.param.f32 g, [f];\n\
         ld.param.b16 i, [h]; cvt.rzi.u32.f32 w, g; mad.wide.u32 x, w, 10, x; cvt.u32.u16 w, i;\n\
         mad.wide.u32 x, w, 1000, x; st.param.b64 [r], x; ret;\n}";
    gives(
        add,
        "cvt.u64.u32 x, t; mov.u16 h, 3; call (x), wide, (x, 0f40A00000, h); cvt.u32.u64 d, x;",
        |t| t + 50 + 3000,
    );
}

#[test]
fn a_parameter_has_an_address() {
    for (take, load) in [
        ("mov.u64 x, pair;", "ld.param.b32 a, [x];"),
        ("mov.u64 x, pair;", "ld.local.b32 a, [x];"),
        ("cvta.param.u64 x, pair;", "ld.b32 a, [x];"),
    ] {
        let choose = format!(
            ".func (.param .b32 r) choose(.param .align 4 .b8 pair[8], .param .b32 index)\n{{\n\
             .reg .b64 x; .reg .b32 a; {take} ld.param.b32 a, [index]; mad.wide.u32 x, a, 4, x;\n\
             {load} st.param.b32 [r], a; ret;\n}}"
        );
        gives(
            &choose,
            "{ .param .align 4 .b8 pair[8]; st.param.b32 [pair], 5; st.param.b32 [pair+4], t;\n\
             and.b32 a, t, 1; call (d), choose, (pair, a); }",
            |t| if t % 2 == 0 { 5 } else { t },
        );
    }
}

#[test]
fn lanes_come_back_to_where_they_called() {
    // Both arms call the same function, and some threads do not call at all.
    gives(
        TWICE,
        "mov.u32 d, 7; setp.lt.u32 p, t, 20; setp.gt.u32 q, t, 40; @p bra low; @q bra high; bra end;\n\
         low: call (d), twice, (t, 1); bra end;\nhigh: call (d), twice, (t, 2);\nend:",
        |t| match t {
            0..20 => 2 * t + 1,
            20..=40 => 7,
            _ => 2 * t + 2,
        },
    );
    // A guarded call.
    gives(
        TWICE,
        "and.b32 a, t, 1; setp.eq.u32 p, a, 1; mov.u32 d, 9; @p call (d), twice, (t, 0);",
        |t| if t % 2 == 1 { 2 * t } else { 9 },
    );
    // A function that calls another, from two places, and a thread that exits in there.
    let nested = format!(
        "{TWICE}\n.func (.param .b32 r) outer(.param .b32 t)\n{{\n.reg .b32 a, b; .reg .pred p;\n\
         ld.param.b32 a, [t]; setp.eq.u32 p, a, 63; @p exit;\n\
         call (b), twice, (a, 1); call (b), twice, (b, a); st.param.b32 [r], b; ret;\n}}"
    );
    // What has not been written is read as all ones.
    gives(&nested, "call (d), outer, (t); bar.sync 0;", |t| match t {
        63 => u32::MAX,
        _ => 2 * (2 * t + 1) + t,
    });
}

#[test]
fn warps_meet_again_behind_a_call() {
    // The other lanes wait for those that are in the function.
    gives(
        TWICE,
        "and.b32 a, t, 1; setp.eq.u32 p, a, 1; mov.u32 b, 0; @p call (b), twice, (1, 0);\n\
         redux.sync.add.u32 d, b, -1;",
        |_| 32,
    );
    gives(
        TWICE,
        "and.b32 a, t, 1; setp.eq.u32 p, a, 1; @p call (b), twice, (1, 0); activemask.b32 d;",
        |_| u32::MAX,
    );
    // A collective within a function, which lanes come to by the same call.
    let sum = ".func (.param .b32 r) sum(.param .b32 a)\n{\n.reg .b32 a1;\n\
         ld.param.b32 a1, [a]; redux.sync.add.u32 a1, a1, -1; st.param.b32 [r], a1; ret;\n}";
    gives(sum, "call (d), sum, (1);", |_| 32);
    // And by different calls: they are never one group.
    let apart = "setp.lt.u32 p, t, 16; @p bra low; call (d), sum, (1); bra end;\n\
         low: call (d), sum, (1); end:";
    assert!(matches!(run(sum, apart), Err(FaultKind::Divergent { .. })));
}

#[test]
fn a_function_starts_with_nothing_written() {
    // The second call must not see what the first one left.
    let leaves = ".func (.param .b32 r) leaves(.param .b32 first)\n{\n\
         .reg .pred p; .reg .b32 a, kept;\nld.param.b32 a, [first]; setp.eq.u32 p, a, 1;\n\
         @p mov.u32 kept, 5;\nadd.u32 kept, kept, 0; st.param.b32 [r], kept; ret;\n}";
    gives(leaves, "call (d), leaves, (1);", |_| 5);
    assert_eq!(
        run(leaves, "call (d), leaves, (1); call (d), leaves, (0);"),
        Err(FaultKind::UninitializedRegister { register: "kept".to_owned() })
    );
    let local = leaves
        .replace("a, kept;", "a, kept; .local .b32 place;")
        .replace("@p mov.u32 kept, 5;", "@p st.local.u32 [place], 5; ld.local.u32 kept, [place];");
    assert_eq!(
        run(&local, "call (d), leaves, (1); call (d), leaves, (0);").map_err(|f| f.name()),
        Err("uninitialised memory")
    );
}

#[test]
fn what_cannot_be_called_is_refused_by_name() {
    for (functions, body, reason) in [
        ("", "call nowhere;", "function nowhere is not defined in the module"),
        (
            ".extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b64 b);",
            "call (d), vprintf, (x, x);",
            "function vprintf is not defined in the module",
        ),
        (".func again() { call again; ret; }", "call again;", "recursion is not simulated"),
        (
            ".func two(); .func one() { call two; ret; } .func two() { call one; ret; }",
            "call one;",
            "recursion is not simulated",
        ),
        (
            "",
            "proto: .callprototype (.param .b32 _) _ (.param .b32 _); call (d), x, (t), proto;",
            "indirect calls are not simulated",
        ),
        (TWICE, "call (d), twice, (t);", "twice takes 2 and gives 1"),
        (TWICE, "call twice, (t, t);", "twice takes 2 and gives 1"),
        (TWICE, "call (d), twice, (t, x);", "x has 64 bits where 32 are expected"),
        (TWICE, "{ .param .b64 a; call (d), twice, (t, a); }", "a has 8 bytes, the function's 4"),
        ("", "st.param.u64 [out_param], x;", "a kernel's parameters are not stored to"),
        ("", "{ .param .b32 a; mov.u64 x, a; }", "a has no address that could be taken"),
        (
            ".func f(.param .b32 a) { st.param.b32 [a], 5; ret; }",
            "call f, (1);",
            "a function reads its parameters, and writes its result",
        ),
        ("", "{ .param .b32 a; ld.global.b32 d, [a]; }", "a is in another state space"),
    ] {
        let refusal = refusal(functions, body);
        assert!(refusal.contains(reason), "{body}: {refusal}");
    }
}
