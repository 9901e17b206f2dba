//! Which forms there are: ptxas 13.5 takes and refuses the same ones, but where something is not simulated.

use crate::harness::load;

const TAKEN: &[&str] = &[
    "tcgen05.alloc.cta_group::1.sync.aligned.b32 [x0], 32;",
    "tcgen05.alloc.cta_group::2.sync.aligned.shared::cta.b32 [w0], w1;",
    "tcgen05.ld.sync.aligned.16x32bx2.x1.b32 {w0}, [w1], 16;",
    "tcgen05.ld.sync.aligned.32x32b.x1.pack::16b.b32 {w0}, [w1+8];",
    "tcgen05.st.sync.aligned.16x32bx2.x1.b32 [w1], 16, {w0};",
    "tcgen05.mma.cta_group::1.kind::f16 [w0], x0, x1, w1, !p;",
    "tcgen05.mma.cta_group::1.kind::f16 [w0], x0, x1, 69, 1;",
    "tcgen05.mma.cta_group::1.kind::f16 [w0], [w2], x1, w1, {w2, w3, w4, 0}, p, 15;",
    "tcgen05.mma.cta_group::1.kind::f16.collector::a::fill [w0], x0, x1, w1, p;",
    "tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [w0];",
    "tcgen05.commit.cta_group::1.mbarrier::arrive::one.multicast::cluster.b64 [x0], h0;",
    "tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [w0], 3;",
];

const REFUSED: &[(&str, &str)] = &[
    (
        "tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [w0], 48;",
        "a power of two from 32 to 512",
    ),
    ("tcgen05.alloc.cta_group::1.sync.aligned.shared.b32 [w0], 32;", "expected .shared::cta"),
    (
        "tcgen05.alloc.cta_group::1.sync.aligned.shared::cluster.b32 [w0], 32;",
        "expected .shared::cta",
    ),
    ("tcgen05.alloc.sync.aligned.shared::cta.b32 [w0], 32;", "expected .cta_group"),
    ("tcgen05.alloc.cta_group::1.shared::cta.b32 [w0], 32;", "expected .sync.aligned"),
    ("tcgen05.dealloc.cta_group::1.sync.aligned.b32 w0, 16;", "a power of two from 32 to 512"),
    ("tcgen05.dealloc.cta_group::1.sync.aligned.b32 [w0], 32;", "where a value of B32"),
    ("tcgen05.ld.sync.aligned.32x32b.x1.b32 w0, [w1];", "expected registers in braces"),
    ("tcgen05.ld.sync.aligned.32x32b.x2.b32 {w0}, [w1];", "1 registers, expected 2"),
    ("tcgen05.ld.sync.aligned.32x32b.x3.b32 {w0, w1, w2}, [w3];", "expected .x1 to .x128"),
    ("tcgen05.ld.sync.aligned.16x256b.x64.b32 {w0}, [w3];", "more than 128 registers"),
    ("tcgen05.ld.sync.aligned.16x32bx2.x1.b32 {w0}, [w1];", "2 operands, expected 3"),
    ("tcgen05.ld.sync.aligned.16x32bx2.x1.b32 {w0}, [w1], w2;", "is a constant"),
    ("tcgen05.ld.sync.aligned.32x32b.x1.unpack::16b.b32 {w0}, [w1];", "expected .b32"),
    ("tcgen05.ld.sync.aligned.32x32b.x1.b32 {w0}, [x1];", "64 bits where 32"),
    ("tcgen05.ld.sync.aligned.32x32b.x1.b32 {x0}, [w1];", "64 bits where 32"),
    ("tcgen05.ld.sync.aligned.32x32b.x1.b32 {_}, [w1];", "is no register"),
    ("tcgen05.ld.aligned.32x32b.x1.b32 {w0}, [w1];", "expected .sync.aligned"),
    ("tcgen05.ld.sync.aligned.32x32b.x1.b32 {w0}, [64];", "is in a register"),
    ("tcgen05.st.sync.aligned.32x32b.x1.b32 [w1], {5};", "is no register"),
    ("tcgen05.st.sync.aligned.32x32b.x1.b32 [w1], w0;", "expected registers in braces"),
    ("tcgen05.wait::ld;", "expected .sync.aligned"),
    ("tcgen05.fence::before_thread_sync.sync.aligned;", "unknown modifier .sync"),
    ("tcgen05.mma.cta_group::1.kind::f16 [w0], x0, x1, w1, w2;", "32 bits where 0"),
    ("tcgen05.mma.cta_group::1.kind::f16 [w0], x0, x1, w1, p, 16;", "from 0 to 15"),
    ("tcgen05.mma.cta_group::1.kind::f16 [w0], x0, x1, w1, p, w2;", "from 0 to 15"),
    ("tcgen05.mma.cta_group::2.kind::f16 [w0], x0, x1, w1, {w2, w3, w4, w5}, p;", "8 words"),
    ("tcgen05.mma.cta_group::1.kind::f16 [w0], w2, x1, w1, p;", "32 bits where 64"),
    ("tcgen05.mma.cta_group::1.kind::f16 [w0], x0, [w2], w1, p;", "where a value of B64"),
    ("tcgen05.mma.cta_group::1.kind::f16 w0, x0, x1, w1, p;", "is no address"),
    ("tcgen05.mma.kind::f16 [w0], x0, x1, w1, p;", "expected .cta_group"),
    ("tcgen05.mma.cta_group::1 [w0], x0, x1, w1, p;", "kinds"),
    (
        "tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cta.b64 [w0];",
        "expected .shared::cluster",
    ),
    (
        "tcgen05.commit.cta_group::1.mbarrier::arrive::one.multicast::cluster.b64 [x0], w1;",
        "32 bits where 16",
    ),
    ("tcgen05.commit.cta_group::1.b64 [x0];", "expected .mbarrier::arrive::one"),
    ("tcgen05.commit.cta_group::1.mbarrier::arrive::one.b64 [x0], h0;", "2 operands, expected 1"),
    ("tcgen05.cp.cta_group::1.64x128b [w0], x0;", "not the warps"),
    ("tcgen05.cp.cta_group::1.64x128b.warpx4 [w0], x0;", "not the warps"),
    ("tcgen05.cp.cta_group::1.128x128b.warpx4 [w0], x0;", "not the warps"),
    ("tcgen05.cp.cta_group::1.4x256b [w0], w1;", "32 bits where 64"),
    ("tcgen05.shift.cta_group::1 [w0];", "expected .down"),
    (
        "tcgen05.shift.cta_group::1.down [w0]; tcgen05.shift.cta_group::2.down [w0];",
        "the same .cta_group",
    ),
    // What is not simulated.
    ("tcgen05.mma.cta_group::1.kind::tf32 [w0], x0, x1, w1, p;", "other kinds"),
    ("tcgen05.mma.cta_group::1.kind::i8 [w0], x0, x1, w1, p;", "other kinds"),
    ("tcgen05.mma.cta_group::1.kind::f8f6f4 [w0], x0, x1, w1, p;", "other kinds"),
    (
        "tcgen05.mma.cta_group::1.kind::mxf8f6f4.block_scale [w0], x0, x1, w1, [w2], [w3], p;",
        "other kinds",
    ),
    ("tcgen05.mma.ws.cta_group::1.kind::f16 [w0], x0, x1, w1, p;", ".ws, .sp and .ashift"),
    ("tcgen05.mma.sp.cta_group::1.kind::f16 [w0], x0, x1, [w2], w1, p;", ".ws, .sp and .ashift"),
    ("tcgen05.mma.cta_group::1.kind::f16.collector::a::use [w0], x0, x1, w1, p;", "collector"),
    ("tcgen05.cp.cta_group::1.128x128b.b8x16.b6x16_p32 [w0], x0;", "decompression"),
    ("tcgen05.ld.red.sync.aligned.32x32b.x2.min.u32 {w0, w1}, w2, [w3];", "reductions"),
];

#[test]
fn the_loader_takes_what_ptxas_takes() {
    for form in TAKEN {
        assert_eq!(load(("8.6", "sm_100a", "sm_100"), form), Ok(()), "{form}");
    }
}

#[test]
fn the_loader_refuses_what_ptxas_refuses() {
    for (form, reason) in REFUSED {
        let refusal = load(("8.6", "sm_100a", "sm_100"), form).expect_err(form);
        assert!(refusal.contains(reason), "{form}: {refusal}");
    }
}
