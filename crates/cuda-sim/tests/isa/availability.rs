use super::harness::*;

/// Versions with what some target needs them for, and the device that runs the target.
const EDITIONS: [Edition; 14] = [
    ("2.3", "sm_20", "sm_80"),
    ("3.1", "sm_35", "sm_80"),
    ("4.1", "sm_50", "sm_80"),
    ("4.2", "sm_53", "sm_80"),
    ("6.0", "sm_70", "sm_80"),
    ("6.5", "sm_75", "sm_80"),
    ("7.0", "sm_80", "sm_80"),
    ("7.1", "sm_80", "sm_80"),
    ("7.4", "sm_80", "sm_80"),
    ("7.8", "sm_80", "sm_80"),
    ("7.8", "sm_90", "sm_90"),
    ("8.1", "sm_90", "sm_90"),
    ("8.6", "sm_90a", "sm_90"),
    ("8.8", "sm_100", "sm_100"),
];

/// Whether each of the editions has a form, `1` or `0`. The answers are those of ptxas 13.5.
#[test]
fn an_instruction_needs_its_version_and_target() {
    for (answers, form) in [
        ("11111111111111", "mov.u32 w0, w1;"),
        ("00000011111111", "redux.sync.add.u32 w0, w1, -1;"),
        ("00011111111111", "add.f16 h0, h1, h2;"),
        ("00000000001111", "add.bf16 h0, h1, h2;"),
        ("00000011111111", "fma.rn.bf16x2 w0, w1, w2, w3;"),
        ("00000111111111", "abs.f16 h0, h1;"),
        ("11111111111111", "min.f32 w0, w1, w2;"),
        ("00000011111111", "min.NaN.f32 w0, w1, w2;"),
        ("00000000000001", "min.f32 w0, w1, w2, w3;"),
        ("00000000001111", "min.xorsign.abs.f32 w0, w1, w2;"),
        ("00001111111111", "add.cc.u64 x0, x1, x2;"),
        ("01111111111111", "mad.lo.cc.u32 w0, w1, w2, w3;"),
        ("11111111111111", "cvt.rn.f16.f32 h0, w1;"),
        ("00000011111111", "cvt.rn.bf16.f32 h0, w1;"),
        ("00000001111111", "cvt.f32.bf16 w0, h1;"),
        ("00000000001111", "cvt.rn.bf16.s32 h0, w1;"),
        ("00000000000111", "cvt.rn.satfinite.f16x2.f32 w0, w1, w2;"),
        ("00000000001111", "stmatrix.sync.aligned.m8n8.x1.shared.b16 [w1], {w0};"),
        ("00000111111111", "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {w0}, [w1];"),
        ("00000000011111", "movmatrix.sync.aligned.m8n8.trans.b16 w0, w1;"),
        ("00001111111111", "ld.relaxed.gpu.global.u32 w0, [x0];"),
        ("00000000001111", "ld.relaxed.cluster.global.u32 w0, [x0];"),
        ("00000000111111", "ld.global.L1::no_allocate.u32 w0, [x0];"),
        ("00000000111111", "ld.global.L2::cache_hint.u32 w0, [x0], x1;"),
        ("00000000000001", "st.global.v4.b64 [x0], {x1, x2, x3, x4};"),
        ("00000000011111", "st.shared::cta.u32 [w0], w1;"),
        ("00000000000011", ".reg .b128 y; ld.shared.b128 y, [w0];"),
        ("00000000000011", ".reg .b128 y; mov.b128 y, {x0, x1};"),
        ("00000011111111", "cp.async.ca.shared.global [w0], [x0], 4;"),
        ("00000000011111", "cp.async.ca.shared.global [w0], [x0], 4, p;"),
        ("00000000000111", "red.global.add.v2.f32 [x0], {w0, w1};"),
        ("01111111111111", "atom.global.min.u64 x0, [x1], x2;"),
        ("00000000001111", "atom.global.add.noftz.bf16 h0, [x1], h2;"),
        ("00001111111111", "shfl.sync.up.b32 w0, w1, 1, 0, -1;"),
        ("00001111111111", "match.any.sync.b32 w0, w1, -1;"),
        ("00001111111111", "fence.acq_rel.gpu;"),
        ("00000000000011", "fence.acquire.gpu;"),
        ("00000000011111", "barrier.cta.sync 0;"),
        ("00111111111111", "mov.u32 w0, %total_smem_size;"),
        ("00000011111111", "mbarrier.init.shared.b64 [w0], 1;"),
        ("00000001111111", "mbarrier.test_wait.parity.shared.b64 p, [w0], 0;"),
        ("00000000001111", "mbarrier.try_wait.shared.b64 p, [w0], x0;"),
        ("00000000000111", "mbarrier.arrive.expect_tx.shared.b64 x0, [w0], 16;"),
        ("00000000000111", "cp.async.bulk.commit_group;"),
        ("00000000000010", "wgmma.fence.sync.aligned;"),
        ("00000000000111", "elect.sync w0|p, -1;"),
        ("00000000001111", "mov.u32 w0, %cluster_ctarank;"),
    ] {
        for (answer, edition) in answers.chars().zip(EDITIONS) {
            // What is not simulated is refused for another reason where it would be available.
            let refusal = load(edition, form).err().unwrap_or_default();
            let is_available = !refusal.contains(": needs PTX ISA ");
            assert_eq!(is_available, answer == '1', "{edition:?}: {form}: {refusal}");
        }
    }
}

/// Tensor memory is data-centre Blackwell's alone. The answers are those of ptxas 13.5.
#[test]
fn tensor_memory_is_of_few_targets() {
    let editions = [
        ("8.6", "sm_100a", "sm_100"),
        ("8.8", "sm_100f", "sm_100"),
        ("8.8", "sm_100", "sm_100"),
        ("8.6", "sm_90a", "sm_90"),
        ("8.7", "sm_120a", "sm_120"),
        ("8.8", "sm_120f", "sm_120"),
    ];
    for (answers, form) in [
        ("110000", "tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [w0], 32;"),
        ("110000", "tcgen05.dealloc.cta_group::1.sync.aligned.b32 w0, 32;"),
        ("110000", "tcgen05.ld.sync.aligned.32x32b.x1.b32 {w0}, [w1];"),
        ("110000", "tcgen05.st.sync.aligned.32x32b.x1.b32 [w1], {w0};"),
        ("110000", "tcgen05.wait::ld.sync.aligned;"),
        ("110000", "tcgen05.fence::before_thread_sync;"),
        ("110000", "tcgen05.mma.cta_group::1.kind::f16 [w0], x0, x1, w1, p;"),
        ("110000", "tcgen05.mma.cta_group::1.kind::f16 [w0], x0, x1, w1, p, 3;"),
        ("110000", "tcgen05.cp.cta_group::1.128x256b [w0], x0;"),
        ("100000", "tcgen05.shift.cta_group::1.down [w0];"),
        ("110000", "tcgen05.commit.cta_group::1.mbarrier::arrive::one.b64 [x0];"),
    ] {
        for (answer, edition) in answers.chars().zip(editions) {
            let loaded = load(edition, form);
            assert_eq!(loaded.is_ok(), answer == '1', "{edition:?}: {form}: {loaded:?}");
        }
    }
}

#[test]
fn a_refusal_tells_what_is_needed_and_what_there_is() {
    assert_eq!(
        load(("6.0", "sm_70", "sm_80"), "redux.sync.add.u32 w0, w1, -1;"),
        Err("PTX line 7: needs PTX ISA 7.0 and sm_80, the module has 6.0 and sm_70: \
             `redux.sync.add.u32 w0, w1, -1;`"
            .to_owned())
    );
    let of_hopper = load(("8.8", "sm_100", "sm_100"), "wgmma.fence.sync.aligned;");
    assert!(of_hopper.expect_err("it is refused").contains("needs PTX ISA 8.0 and sm_90a, "));
}

#[test]
fn a_target_needs_its_version() {
    for (first, too_old, target, device) in [
        ("6.3", "6.2", "sm_75", "sm_80"),
        ("7.0", "6.5", "sm_80", "sm_80"),
        ("7.8", "7.7", "sm_90", "sm_90"),
        ("8.0", "7.8", "sm_90a", "sm_90"),
        ("8.6", "8.5", "sm_100a", "sm_100"),
        ("8.8", "8.7", "sm_100f", "sm_100"),
        ("8.7", "8.6", "sm_120", "sm_120"),
    ] {
        assert_eq!(load((first, target, device), ""), Ok(()));
        let refusal = load((too_old, target, device), "").expect_err(target);
        let expected = format!(
            "PTX line 2: needs PTX ISA {first}, the module has {too_old}: `.target {target}`"
        );
        assert_eq!(refusal, expected);
    }
    let refusal = load(("8.6", "sm_81", "sm_90"), "").expect_err("there is no such target");
    assert!(refusal.contains("unknown target"), "{refusal}");
}
