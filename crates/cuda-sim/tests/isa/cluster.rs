use super::harness::*;

const BOTH: &str = "barrier.cluster.arrive; barrier.cluster.wait;";

/// The address of the same place of the next block of the cluster, in `w4`, of this one's in `w3`: the
/// thread's word behind 64 bytes.
const NEXT: &str = "mov.u32 thread, %tid.x; shl.b32 w0, thread, 2; mov.u32 w3, memory; add.u32 w3, w3, w0;\n\
    add.u32 w3, w3, 64; mov.u32 w1, %cluster_ctarank; mov.u32 w2, %cluster_nctarank;\n\
    add.u32 w5, w1, 1; rem.u32 w5, w5, w2; mapa.shared::cluster.u32 w4, w3, w5;\n";

#[test]
fn special_registers_tell_of_the_cluster() {
    let special = |name: &str| run_clusters(12, 4, 1, &[], &format!("mov.u32 d, %{name};"));
    let each = |f: fn(u32) -> u32| (0..12).map(f).collect::<Vec<u32>>();
    assert_eq!(special("cluster_ctaid.x"), each(|block| block % 4));
    assert_eq!(special("cluster_ctarank"), each(|block| block % 4));
    assert_eq!(special("clusterid.x"), each(|block| block / 4));
    assert_eq!(special("cluster_nctaid.x"), each(|_| 4));
    assert_eq!(special("cluster_nctarank"), each(|_| 4));
    assert_eq!(special("nclusterid.x"), each(|_| 3));
    for name in ["cluster_ctaid.y", "cluster_ctaid.z", "clusterid.y", "clusterid.z"] {
        assert_eq!(special(name), each(|_| 0), "{name}");
    }
    for name in ["cluster_nctaid.y", "cluster_nctaid.z", "nclusterid.y", "nclusterid.z"] {
        assert_eq!(special(name), each(|_| 1), "{name}");
    }
}

#[test]
fn a_barrier_of_the_cluster_orders_its_blocks() {
    let forms = [
        "barrier.cluster.arrive; barrier.cluster.wait;",
        "barrier.cluster.arrive.release; barrier.cluster.wait.acquire;",
        "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;",
        "barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;",
        // What a fence has released a relaxed arrival tells of.
        "fence.acq_rel.cluster; barrier.cluster.arrive.relaxed; barrier.cluster.wait;",
        "fence.release.cluster; barrier.cluster.arrive.relaxed.aligned; barrier.cluster.wait.aligned;",
    ];
    for form in forms {
        // Each thread reads what the next block's has written, or the other half of its own block's.
        let code = format!(
            "{BOTH}\n{NEXT}mad.lo.u32 w6, w1, 1000, thread; st.shared.u32 [w3], w6;\n{form}\n\
             ld.shared::cluster.u32 d, [w4]; xor.b32 w7, w0, 64; sub.u32 w7, w7, w0; add.u32 w7, w7, w3;\n\
             ld.shared.u32 w6, [w7]; add.u32 d, d, w6;\n\
             {BOTH}"
        );
        let expected: Vec<u32> = (0..4 * 64)
            .map(|index| {
                let (block, thread) = (index / 64, index % 64);
                let next = block / 2 * 2 + (block + 1) % 2;
                next % 2 * 1000 + thread + block % 2 * 1000 + (thread ^ 16)
            })
            .collect();
        assert_eq!(run_clusters(4, 2, 64, &[], &code), expected, "{form}");
    }
}

#[test]
fn other_blocks_are_reached_by_every_access() {
    let window = format!("{BOTH}\n{NEXT}");
    let generic = "cvt.u64.u32 x0, w3; cvta.shared.u64 x0, x0; mapa.u64 x1, x0, w5;\n";
    let accesses = [
        "st.shared::cluster.u32 [w4], w1;",
        "st.shared::cluster.v2.u32 [w4], {w1, w1};",
        "st.relaxed.cluster.shared::cluster.u32 [w4], w1;",
        "st.u32 [x1], w1;",
        "atom.shared::cluster.exch.b32 w6, [w4], w1;",
        "red.shared::cluster.add.u32 [w4], w1;",
        "atom.add.u32 w6, [x1], w1;",
        "atom.relaxed.cluster.shared::cluster.max.u32 w6, [w4], w1;",
    ];
    for access in accesses {
        let code = format!(
            "{window}{generic}mov.u32 w7, 0; st.shared.v2.u32 [w3], {{w7, w7}};\n{BOTH}\n{access}\n{BOTH}\n\
             ld.shared.u32 d, [w3];\n{BOTH}"
        );
        assert_eq!(run_clusters(3, 3, 1, &[], &code), [2, 0, 1], "{access}");
    }
    for load in [
        "ld.shared::cluster.u32 d, [w4];",
        "ld.u32 d, [x1];",
        "ld.volatile.u32 d, [x1];",
        "ld.acquire.cluster.shared::cluster.u32 d, [w4];",
        "ld.relaxed.cluster.u32 d, [x1];",
    ] {
        let code = format!("{window}{generic}st.shared.u32 [w3], w1;\n{BOTH}\n{load}\n{BOTH}");
        assert_eq!(run_clusters(3, 3, 1, &[], &code), [1, 2, 0], "{load}");
    }
}

#[test]
fn addresses_tell_their_block() {
    let code = "mov.u32 w0, memory; mov.u64 x0, memory; cvta.shared.u64 x0, x0; mov.u32 w1, %cluster_ctarank;\n\
        xor.b32 w1, w1, 3; mapa.shared::cluster.u32 w2, w0, w1; mapa.u64 x2, x0, w1;\n\
        getctarank.shared::cluster.u32 w3, w0; getctarank.shared::cluster.u32 w4, w2;\n\
        getctarank.u64 w5, x0; getctarank.u64 w6, x2;\n\
        mad.lo.u32 d, w3, 10, w4; mad.lo.u32 d, d, 10, w5; mad.lo.u32 d, d, 10, w6;";
    assert_eq!(run_clusters(4, 4, 1, &[], code), [303, 1212, 2121, 3030]);
    // A variable's address, and one that is mapped already.
    let code = "mov.u32 w1, %cluster_ctarank; mapa.shared::cluster.u32 w2, memory, 1;\n\
        mapa.shared::cluster.u32 w3, w2, 0; getctarank.shared::cluster.u32 w4, w2;\n\
        getctarank.shared::cluster.u32 w5, w3; mad.lo.u32 d, w4, 10, w5;";
    assert_eq!(run_clusters(2, 2, 1, &[], code), [10, 10]);
}

#[test]
fn threads_arrive_at_mbarriers_of_other_blocks() {
    // Block 0 waits for all threads of all blocks, of which each has written a word to it.
    let code = format!(
        "mov.u32 thread, %tid.x; mov.u32 w1, %cluster_ctarank; mov.u32 w0, memory; mov.u32 d, 0;\n\
         setp.eq.u32 p, thread, 0;\n\
         @p mbarrier.init.shared.b64 [memory], 96; @p fence.mbarrier_init.release.cluster;\n\
         barrier.cluster.arrive.relaxed.aligned; barrier.cluster.wait.aligned;\n\
         mapa.shared::cluster.u32 w2, w0, 0; mad.lo.u32 w3, w1, 32, thread; mad.lo.u32 w4, w3, 4, w2;\n\
         st.shared::cluster.u32 [w4+64], w3;\n\
         mbarrier.arrive.release.cluster.shared::cluster.b64 _, [w2];\n\
         setp.ne.u32 q, w1, 0;\n@q bra done;\n\
         wait: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [memory], 0;\n@!p bra wait;\n\
         mad.lo.u32 w4, thread, 4, w0; ld.shared.u32 w5, [w4+64]; ld.shared.u32 w6, [w4+192];\n\
         ld.shared.u32 w7, [w4+320]; add.u32 d, w5, w6; add.u32 d, d, w7;\ndone:\n{BOTH}"
    );
    let expected: Vec<u32> =
        (0..96).map(|index| if index < 32 { 3 * index + 96 } else { 0 }).collect();
    assert_eq!(run_clusters(3, 3, 32, &[], &code), expected);
    // Bytes too, and of one's own mbarrier by the same kind of address.
    let code = format!(
        "mov.u32 w1, %cluster_ctarank; mov.u32 w0, memory; mbarrier.init.shared.b64 [memory], 2;\n\
         fence.mbarrier_init.release.cluster;\n{BOTH}\nxor.b32 w1, w1, 1; mapa.shared::cluster.u32 w2, w0, w1;\n\
         mbarrier.arrive.expect_tx.shared::cta.b64 _, [memory], 24;\n\
         mbarrier.expect_tx.relaxed.cluster.shared::cluster.b64 [w2], 8;\n\
         mbarrier.complete_tx.relaxed.cluster.shared::cluster.b64 [w2], 32;\n\
         mbarrier.arrive.shared::cluster.b64 _, [w0];\n\
         wait: mbarrier.try_wait.parity.shared.b64 p, [memory], 0;\n@!p bra wait;\nmov.u32 d, 9;\n{BOTH}"
    );
    assert_eq!(run_clusters(2, 2, 1, &[], &code), [9, 9]);
}

#[test]
fn threads_that_have_exited_are_not_waited_for() {
    // Some exit at once, some after an arrival, and the others still wait for each other.
    let code = format!(
        "mov.u32 d, 0; mov.u32 thread, %tid.x; mov.u32 w1, %cluster_ctarank; setp.eq.u32 p, thread, 1;\n\
         mov.u32 w0, memory; mapa.shared::cluster.u32 w2, w0, 1; setp.eq.u32 q, w1, 0;\n{BOTH}\n\
         @p bra done;\nsetp.eq.u32 p, thread, 2;\n@p barrier.cluster.arrive;\n@p bra done;\n\
         @q st.shared::cluster.u32 [w2], 77;\n{BOTH}\n@!q ld.shared.u32 d, [memory];\ndone:"
    );
    assert_eq!(run_clusters(2, 2, 3, &[], &code), [0, 0, 0, 77, 0, 0]);
}

#[test]
fn one_lane_is_elected() {
    let elect = |members: &str| {
        format!(
            "mov.u32 w0, %laneid; setp.lt.u32 q, w0, 5; mov.u32 d, 0;\n@q bra done;\n\
             elect.sync w1|p, {members}; selp.u32 d, 100, 0, p; add.u32 d, d, w1;\ndone:"
        )
    };
    let expected: Vec<u32> = (0..32)
        .map(|lane| match lane {
            0..5 => 0,
            5 => 105,
            _ => 5,
        })
        .collect();
    assert_eq!(run_block(32, &[], &elect("0xffffffe0")), expected);
}

#[test]
fn what_clusters_do_not_take_is_refused() {
    for code in [
        "barrier.cluster.sync;",
        "barrier.cluster.wait.relaxed;",
        "barrier.cluster.arrive.acquire;",
        "mapa.shared::cta.u32 w0, w1, 0;",
        "mapa.u16 h0, h1, 0;",
        "getctarank.global.u64 w0, x0;",
        "elect.sync w0, -1;",
    ] {
        assert!(!refusal(code).is_empty());
    }
}

#[test]
fn stores_are_counted_by_the_mbarrier_of_their_block() {
    // Each block stores to the next one: a word, a pair, four words, two doubles, by both kinds of address.
    let stores = [
        ("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.b32 [w4], w6, [w2];", 4),
        ("st.async.shared::cluster.mbarrier::complete_tx::bytes.v2.u32 [w4], {w6, w6}, [w2];", 8),
        (
            "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v4.f32 [w4], {w6, w6, w6, w6}, [w2];",
            16,
        ),
        (
            "st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.v2.b64 [w4], {x0, x0}, [w2];",
            16,
        ),
        ("st.async.weak.shared::cluster.mbarrier::complete_tx::bytes.s64 [w4], x0, [w2];", 8),
    ];
    for (store, bytes) in stores {
        let code = format!(
            "{NEXT}add.u32 w6, w1, 70; cvt.u64.u32 x0, w6; mov.u32 w0, memory; mapa.shared::cluster.u32 w2, w0, w5;\n\
             mbarrier.init.shared.b64 [memory], 1; fence.mbarrier_init.release.cluster;\n\
             mbarrier.arrive.expect_tx.shared.b64 _, [memory], {bytes};\n{BOTH}\n{store}\n\
             wait: mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 p, [memory], 0;\n@!p bra wait;\n\
             ld.shared.u32 d, [w3];\n{BOTH}"
        );
        assert_eq!(run_clusters(3, 3, 1, &[], &code), [72, 70, 71], "{store}");
    }
}

#[test]
fn spaces_of_generic_addresses_are_told_apart() {
    let code = |address: &str, space: &str| {
        format!(
            ".local .align 8 .b8 depot[8]; mov.u64 x0, memory; cvta.shared.u64 x0, x0; mov.u32 w1, %cluster_ctarank;\n\
             xor.b32 w1, w1, 1; mapa.u64 x1, x0, w1; mov.u64 x2, depot; cvta.local.u64 x2, x2; mov.u64 x3, out;\n\
             cvta.to.shared::cluster.u64 x4, x1; cvta.shared::cluster.u64 x4, x4;\n\
             isspacep.{space} p, {address}; selp.u32 d, 1, 0, p;"
        )
    };
    let spaces = ["shared", "shared::cta", "shared::cluster", "local", "global"];
    for (address, expected) in [
        ("x0", [1, 1, 1, 0, 0]),
        ("x1", [0, 0, 1, 0, 0]),
        ("x2", [0, 0, 0, 1, 0]),
        ("x3", [0, 0, 0, 0, 1]),
        ("x4", [0, 0, 1, 0, 0]),
    ] {
        for (space, expected) in spaces.iter().zip(expected) {
            let got = run_clusters(2, 2, 1, &[], &code(address, space));
            assert_eq!(got, [expected; 2], "{address} {space}");
        }
    }
}

#[test]
fn special_registers_tell_of_the_device_and_of_time() {
    // Not what they hold, which is a device's own, but what can be said of it.
    let code = "mov.u32 w0, %clock; mov.u64 x0, %clock64; mov.u64 x1, %globaltimer; mov.u32 w1, %smid;\n\
        mov.u32 w2, %nsmid; mov.u64 x2, %gridid; mov.u32 w3, %clock_hi; mov.u32 w4, %globaltimer_lo;\n\
        mov.u64 x3, %clock64; mov.u64 x4, %globaltimer; setp.gt.u64 p, x3, x0; setp.ge.u64 q, x4, x1;\n\
        selp.u32 d, 1, 0, p; selp.u32 w5, 2, 0, q; add.u32 d, d, w5; setp.lt.u32 p, w1, w2;\n\
        selp.u32 w5, 4, 0, p; add.u32 d, d, w5; mov.pred p, %is_explicit_cluster;\n\
        selp.u32 w5, 8, 0, p; add.u32 d, d, w5;";
    assert_eq!(run_clusters(2, 2, 1, &[], code), [15, 15]);
    assert_eq!(run_clusters(2, 1, 1, &[], code), [7, 7]);
}
