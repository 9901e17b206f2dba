//! Faults around `wgmma` and `setmaxnreg`.

use cuda_sim::fault::{Fault, FaultKind};

use super::harness::{Case, HOPPER, caught_as, line, race};

/// One line: the registers, and all of shared memory with zeros in it, 32 bytes from each of 128 threads. A
/// is at address 0 and B at 2048, in core matrices; their descriptors are `da` and `db`.
const START: &str = ".reg .f32 d<8>; .reg .b32 f<4>, zero; .reg .b64 da, db; mov.b32 zero, 0; \
    mov.b32 f0, 0; mov.b32 f1, 0; mov.b32 f2, 0; mov.b32 f3, 0; mov.f32 d0, 0.0; mov.f32 d1, 0.0; \
    mov.f32 d2, 0.0; mov.f32 d3, 0.0; mov.b64 da, 0x1000080000; add.u64 db, da, 128; shl.b32 s, s, 3; \
    st.shared.v4.b32 [s], {zero, zero, zero, zero}; st.shared.v4.b32 [s+16], {zero, zero, zero, zero};\n";

/// What makes all of that known to all.
const KNOWN: &str = "fence.proxy.async; bar.sync 0;\n";
const FENCE: &str = "wgmma.fence.sync.aligned;\n";
const MULTIPLY: &str = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {d0, d1, d2, d3}, da, db, 1, 1, 1, 0, 0;\n";
/// With A in registers.
const MULTIPLY_F: &str = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {d0, d1, d2, d3}, \
    {f0, f1, f2, f3}, db, 1, 1, 1, 0;\n";
const COMMIT: &str = "wgmma.commit_group.sync.aligned;\n";
const WAIT: &str = "wgmma.wait_group.sync.aligned 0;\n";

/// What a kernel of so many threads is caught at.
fn caught(threads: u32, parts: &[&str]) -> Fault {
    let body = parts.concat();
    caught_as(&Case {
        device: HOPPER,
        directives: "",
        blocks: 1,
        is_cluster: false,
        threads,
        body: &body,
    })
    .1
}

/// The same of a warpgroup, after the start and a fence.
fn caught_after(parts: &[&str]) -> Fault {
    caught(128, &[&[START, KNOWN, FENCE], parts].concat())
}

fn in_flight(register: &str) -> FaultKind {
    FaultKind::InFlightRegister { register: register.into() }
}

fn unfenced(register: &str) -> FaultKind {
    FaultKind::MissingWgmmaFence { register: register.into() }
}

fn uninitialized(register: &str) -> FaultKind {
    FaultKind::UninitializedRegister { register: register.into() }
}

#[test]
fn operands_that_were_not_made_known() {
    let parts = ["«bar.sync 0;|fence.proxy.async; bar.sync 0;»\n", FENCE, MULTIPLY, COMMIT, WAIT];
    let fault = caught(128, &[&[START], &parts[..]].concat());
    let expected = FaultKind::MissingProxyFence { space: "shared", address: 0 };
    assert_eq!((line(&fault), *fault.kind), (3, expected));
    let parts = [START, "fence.proxy.async; «|bar.sync 0;»\n", FENCE, MULTIPLY, COMMIT, WAIT];
    let fault = caught(128, &parts);
    // Not even the lanes of a warp know of each other.
    assert_eq!((line(&fault), race(&fault).3), (3, "read after write"));
}

#[test]
fn operands_that_are_overwritten_while_they_are_read() {
    let wait = "wgmma.wait_group.sync.aligned «1|0»;\n";
    let fault =
        caught_after(&[MULTIPLY, COMMIT, wait, "bar.sync 0; st.shared.u32 [s], zero;\n", WAIT]);
    let expected = ("shared", 0, "what reads asynchronously", "write after read");
    assert_eq!((line(&fault), race(&fault)), (6, expected));
    // Others may read still.
    let fault =
        caught_after(&[MULTIPLY, COMMIT, WAIT, "«|bar.sync 0;»\n", "st.shared.u32 [s], zero;"]);
    assert_eq!((line(&fault), race(&fault).3), (3, "read after write"));
    // What a product reads may be read, and another may follow it.
    caught_after(&[
        MULTIPLY,
        "ld.shared.u32 a, [s];\n",
        MULTIPLY,
        COMMIT,
        "«|wgmma.wait_group.sync.aligned 0;»",
    ]);
}

#[test]
fn operands_that_a_copy_still_writes() {
    let copy = "cp.async.ca.shared.global [s+4], [at], 4; «|cp.async.wait_all;»\n";
    let parts = [START, copy, KNOWN, FENCE, MULTIPLY, COMMIT, WAIT];
    let fault = caught(128, &parts);
    assert_eq!((line(&fault), *fault.kind), (4, FaultKind::PendingCopy { address: 4 }));
}

#[test]
fn registers_in_flight_that_something_else_touches() {
    let accesses = [
        ("add.f32 f, d1, d0;", "d1"),
        ("mov.f32 f, d2;", "d2"),
        ("selp.b32 f, d2, d3, p;", "d2"),
        ("mov.f32 d3, 0.0;", "d3"),
        ("st.global.f32 [at], d0;", "d0"),
        ("ld.shared.f32 d1, [s];", "d1"),
        ("@q mov.f32 d1, 0.0;", "d1"),
    ];
    let predicates = "setp.eq.u32 p, thread, 5; setp.eq.u32 q, thread, 35;\n";
    for (access, register) in accesses {
        let wait = "«|wgmma.wait_group.sync.aligned 0;»\n";
        let fault = caught_after(&[predicates, MULTIPLY, COMMIT, wait, access, "\n", WAIT]);
        assert_eq!((line(&fault), *fault.kind.clone()), (7, in_flight(register)), "{access}");
        assert_eq!(fault.thread, [if access.starts_with('@') { 35 } else { 0 }, 0, 0], "{access}");
        // A wait for all but one group.
        let wait = "wgmma.wait_group.sync.aligned «1|0»;\n";
        let fault = caught_after(&[predicates, MULTIPLY, COMMIT, wait, access, "\n", WAIT]);
        assert_eq!((line(&fault), *fault.kind), (7, in_flight(register)), "{access}");
    }
    // Registers of A, which must not even be read.
    for access in ["mov.b32 a, f2;", "add.u32 a, f2, 1;", "mov.b32 f2, 0;"] {
        let wait = "«|wgmma.wait_group.sync.aligned 0;»\n";
        let fault = caught_after(&[MULTIPLY_F, COMMIT, wait, access, "\n", WAIT]);
        assert_eq!((line(&fault), *fault.kind), (6, in_flight("f2")), "{access}");
    }
}

#[test]
fn groups_are_waited_for_in_order() {
    // The accumulators of the first group are there, those of the second not yet.
    let second = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {d4, d5, d6, d7}, da, db, 0, 1, 1, 0, 0;\n";
    let wait = "wgmma.wait_group.sync.aligned 1;\n";
    let access = "add.f32 f, «d4|d0», d0;\n";
    let fault = caught_after(&[MULTIPLY, COMMIT, second, COMMIT, wait, access, WAIT]);
    assert_eq!((line(&fault), *fault.kind), (8, in_flight("d4")));
    // A product that no group has is not waited for.
    let wait = "wgmma.wait_group.sync.aligned 0;\n";
    let fault = caught_after(&[
        MULTIPLY,
        "«|wgmma.commit_group.sync.aligned;»\n",
        wait,
        "mov.f32 f, d0;\n",
        COMMIT,
        WAIT,
    ]);
    assert_eq!((line(&fault), *fault.kind), (6, in_flight("d0")));
    // The same accumulators again: they are the later group's.
    let fault = caught_after(&[
        MULTIPLY,
        COMMIT,
        MULTIPLY,
        COMMIT,
        "wgmma.wait_group.sync.aligned «1|0»;\n",
        "mov.f32 f, d0;\n",
        WAIT,
    ]);
    assert_eq!((line(&fault), *fault.kind), (8, in_flight("d0")));
}

#[test]
fn products_that_share_registers() {
    // With other accumulators in part, or as A.
    for (operands, register) in [
        ("{d1, d0, d2, d3}, da, db, 1, 1, 1, 0, 0", "d1"),
        ("{d4, d5, d6, d3}, da, db, 0, 1, 1, 0, 0", "d3"),
        ("{d4, d5, d6, d7}, {f0, f1, f2, d0}, db, 0, 1, 1, 0", "d0"),
        ("{d4, f1, d6, d7}, da, db, 0, 1, 1, 0, 0", "f1"),
    ] {
        let other = format!("wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {operands};\n");
        let wait = "«|wgmma.wait_group.sync.aligned 0;»\n";
        let fault = caught_after(&[MULTIPLY_F, COMMIT, wait, FENCE, &other, COMMIT, WAIT]);
        assert_eq!((line(&fault), *fault.kind), (7, in_flight(register)), "{operands}");
        // And when they are not in flight any more, after a fence.
        let fence = "«|wgmma.fence.sync.aligned;»\n";
        let fault = caught_after(&[MULTIPLY_F, COMMIT, WAIT, fence, &other, COMMIT, WAIT]);
        assert_eq!((line(&fault), *fault.kind), (7, unfenced(register)), "{operands}");
    }
    // Of another type of sums.
    let half =
        "wgmma.mma_async.sync.aligned.m64n8k16.f16.f16.f16 {d0, d1}, da, db, 0, 1, 1, 0, 0;\n";
    let wait = "«|wgmma.wait_group.sync.aligned 0;»\n";
    let fault = caught_after(&[MULTIPLY, COMMIT, wait, FENCE, half, COMMIT, WAIT]);
    assert_eq!((line(&fault), *fault.kind), (7, in_flight("d0")));
    // Two products may have the same A.
    let second = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {d4, d5, d6, d7}, \
                  {f0, f1, f2, f3}, db, 0, 1, 1, 0;\n";
    caught_after(&[
        MULTIPLY_F,
        second,
        COMMIT,
        "wgmma.wait_group.sync.aligned «1|0»; mov.b32 a, f0;\n",
        WAIT,
    ]);
}

#[test]
fn registers_that_no_fence_follows() {
    let fault =
        caught(128, &[START, KNOWN, "«|wgmma.fence.sync.aligned;»\n", MULTIPLY, COMMIT, WAIT]);
    assert_eq!((line(&fault), *fault.kind), (3, unfenced("d0")));
    for (multiply, write, register) in
        [(MULTIPLY, "mov.f32 d2, 1.0;\n", "d2"), (MULTIPLY_F, "@p mov.b32 f3, 1;\n", "f3")]
    {
        let fence = "«|wgmma.fence.sync.aligned;»\n";
        let predicate = "setp.eq.u32 p, thread, 0;\n";
        let parts = [multiply, COMMIT, WAIT, predicate, write, fence, multiply, COMMIT, WAIT];
        let fault = caught_after(&parts);
        assert_eq!((line(&fault), *fault.kind), (9, unfenced(register)));
    }
}

#[test]
fn accumulators_that_nothing_has_written() {
    let multiply = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {d4, d5, d6, d7}, da, db, «1|0», 1, 1, 0, 0;\n";
    let fault = caught_after(&[multiply, COMMIT, WAIT, "add.f32 f, d4, d7;"]);
    assert_eq!((line(&fault), *fault.kind), (3, uninitialized("d4")));
}

#[test]
fn operands_that_lanes_or_warps_do_not_agree_on() {
    let fault = caught(
        128,
        &[
            START,
            "setp.eq.u32 p, thread, 37; mov.u64 x, 16; «@p add.u64 db, db, x;|»\n",
            KNOWN,
            FENCE,
            MULTIPLY,
            COMMIT,
            WAIT,
        ],
    );
    assert_eq!((line(&fault), fault.thread), (4, [37, 0, 0]));
    assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    // What some warps of the warpgroup have otherwise.
    let other = "setp.gt.u32 p, thread, «63|999»; @p add.u64 da, da, 1;\n";
    let fault = caught(128, &[START, other, KNOWN, FENCE, MULTIPLY, COMMIT, WAIT]);
    let expected = FaultKind::WarpgroupMismatch { warp: 0, line: Some(6 + 4) };
    assert_eq!((line(&fault), fault.thread, *fault.kind), (4, [96, 0, 0], expected));
    let adds = "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {d0, d1, d2, d3}, da, db, p, 1, 1, \
                0, 0;\n";
    let other = "setp.eq.u32 p, thread, «39|999»;\n";
    let fault = caught(128, &[START, other, KNOWN, FENCE, adds, COMMIT, WAIT]);
    assert_eq!((line(&fault), fault.thread), (4, [32, 0, 0]));
    assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    let other = "setp.gt.u32 p, thread, «63|999»;\n";
    let fault = caught(128, &[START, other, KNOWN, FENCE, adds, COMMIT, WAIT]);
    assert!(matches!(*fault.kind, FaultKind::WarpgroupMismatch { .. }), "{fault}");
    // Bits without a meaning.
    let fault =
        caught(128, &[START, "«or.b64 da, da, 0x4000;|»\n", KNOWN, FENCE, MULTIPLY, COMMIT, WAIT]);
    assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    // A matrix that ends behind shared memory.
    let fault =
        caught(128, &[START, "add.u64 db, db, «128|0»;\n", KNOWN, FENCE, MULTIPLY, COMMIT, WAIT]);
    assert!(matches!(*fault.kind, FaultKind::OutOfBounds { address: 4096, .. }), "{fault}");
}

#[test]
fn warps_that_do_not_execute_the_same() {
    // One that leaves out a product, a fence, or a wait, or comes to another.
    let skip = "setp.eq.u32 p, thread, «0|999»; vote.sync.any.pred p, p, -1;\n";
    for part in [FENCE, MULTIPLY, COMMIT, WAIT] {
        let end = if part == WAIT { "" } else { WAIT };
        let parts = [skip, "@p bra over;\n", part, "over:\n", MULTIPLY, COMMIT, WAIT, end];
        let fault = caught_after(&parts);
        assert!(matches!(*fault.kind, FaultKind::WarpgroupMismatch { warp: 0, .. }), "{fault}");
        assert_eq!(fault.thread, [96, 0, 0]);
    }
    // Two warps that come to the same product at different instructions.
    let parts = [
        skip,
        "@p bra other;\n",
        MULTIPLY,
        "bra join;\nother:\n",
        MULTIPLY,
        "join:\n",
        COMMIT,
        WAIT,
    ];
    let fault = caught_after(&parts);
    assert!(matches!(*fault.kind, FaultKind::WarpgroupMismatch { .. }), "{fault}");
}

#[test]
fn warps_that_are_missing() {
    // The last warp leaves before the product, or does not come to a second one.
    let leave = "setp.gt.u32 p, thread, «95|999»; @p ret;\n";
    let fault = caught(128, &[START, KNOWN, leave, FENCE, MULTIPLY, COMMIT, WAIT]);
    // Warp 0 is past the fence before the last warp exits.
    let expected = FaultKind::WarpgroupMismatch { warp: 0, line: Some(6 + 3) };
    assert_eq!((line(&fault), fault.thread, *fault.kind), (2, [96, 0, 0], expected));
    let leave = "setp.lt.u32 p, thread, «32|0»; @p ret;\n";
    let fault = caught_after(&[MULTIPLY, COMMIT, WAIT, leave, MULTIPLY, COMMIT, WAIT]);
    let expected = FaultKind::WarpgroupMismatch { warp: 0, line: None };
    assert_eq!((line(&fault), fault.thread, *fault.kind), (7, [96, 0, 0], expected));
    // A block of 192 threads has one warpgroup, and two warps that are none.
    let over = "setp.gt.u32 p, thread, «999|127»; @p bra over;\n";
    let start = "setp.gt.u32 p, thread, 127; @p bra known;\n";
    let parts = [start, START, "fence.proxy.async;\nknown: bar.sync 0;\n", over, FENCE];
    let fault = caught(192, &[&parts[..], &[MULTIPLY, COMMIT, WAIT, "over:"]].concat());
    assert!(matches!(*fault.kind, FaultKind::WarpgroupMismatch { warp: 6, line: None }), "{fault}");
}

#[test]
fn part_of_a_warp() {
    let over = "setp.eq.u32 p, thread, «70|999»; @p bra over;\n";
    let fault = caught_after(&[over, MULTIPLY, COMMIT, WAIT, "over: bar.sync 0;"]);
    assert!(matches!(*fault.kind, FaultKind::Divergent { .. }), "{fault}");
}

#[test]
fn a_warp_that_exits_without_waiting() {
    let fault = caught_after(&[MULTIPLY, COMMIT, "«|wgmma.wait_group.sync.aligned 0;»\n", "ret;"]);
    assert_eq!((line(&fault), *fault.kind), (6, FaultKind::ExitInFlight));
    let fault = caught_after(&[MULTIPLY, "«|wgmma.commit_group.sync.aligned;»\n", WAIT, "ret;"]);
    assert_eq!((line(&fault), *fault.kind), (6, FaultKind::ExitInFlight));
}

/// What a kernel of 384 threads is caught at, of which each has 168 registers at the start.
fn caught_setting(body: &str) -> Fault {
    let directives = ".maxntid 384 .minnctapersm 1";
    caught_as(&Case {
        device: HOPPER,
        directives,
        blocks: 1,
        is_cluster: false,
        threads: 384,
        body,
    })
    .1
}

/// What the first warpgroup and the two others set.
fn setting(first: &str, others: &str) -> String {
    format!(
        "setp.lt.u32 p, thread, 128; @p bra first;\nsetmaxnreg.{others}; bra end;\n\
         first:\nsetmaxnreg.{first};\nend:"
    )
}

#[test]
fn registers_that_no_warp_gives_up() {
    // 80 + 2 x 224 are more than 3 x 168, as 40 + 2 x 232 are not.
    let body = setting("dec.sync.aligned.u32 «80|56»", "inc.sync.aligned.u32 224");
    let fault = caught_setting(&body);
    // One of the others got what the first has given up.
    let expected = FaultKind::RegistersNotReleased { more: 56, spare: 16 };
    assert_eq!((line(&fault), *fault.kind), (1, expected));
}

#[test]
fn registers_are_given_up_or_taken() {
    for (first, others) in [
        ("dec.sync.aligned.u32 «176|160»", "dec.sync.aligned.u32 160"),
        ("dec.sync.aligned.u32 24", "«inc.sync.aligned.u32 160|dec.sync.aligned.u32 160»"),
    ] {
        let fault = caught_setting(&setting(first, others));
        assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    }
}

#[test]
fn warps_of_a_warpgroup_set_registers_together() {
    let body = "setp.eq.u32 p, thread, «130|999»; vote.sync.any.pred p, p, -1;\n@p bra over;\n\
                setmaxnreg.dec.sync.aligned.u32 40;\nover:";
    let fault = caught_setting(body);
    assert!(matches!(*fault.kind, FaultKind::WarpgroupMismatch { .. }), "{fault}");
    let body =
        "setmaxnreg.dec.sync.aligned.u32 40;\n«|bar.sync 0;»\nsetmaxnreg.inc.sync.aligned.u32 64;";
    let fault = caught_setting(body);
    let expected = FaultKind::UnsynchronizedWarpgroup { warp: 1 };
    assert_eq!((line(&fault), fault.thread, *fault.kind), (2, [0, 0, 0], expected));
    // All come to the second one after the first, but nothing makes sure of it.
    let body = "setmaxnreg.dec.sync.aligned.u32 40;\n\
                red.relaxed.gpu.global.add.u32 [other], 1;\n\
                again: ld.relaxed.gpu.global.u32 a, [other]; setp.lt.u32 p, a, 384; @p bra again;\n\
                «|bar.sync 0;»\nsetmaxnreg.inc.sync.aligned.u32 64;";
    let fault = caught_setting(body);
    assert!(matches!(*fault.kind, FaultKind::UnsynchronizedWarpgroup { .. }), "{fault}");
    assert_eq!(line(&fault), 4);
    let body =
        "setp.eq.u32 p, thread, «3|999»; @p bra over;\nsetmaxnreg.dec.sync.aligned.u32 40;\nover:";
    let fault = caught_setting(body);
    assert!(matches!(*fault.kind, FaultKind::Divergent { .. }), "{fault}");
}
