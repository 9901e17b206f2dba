use super::harness::*;

/// Runs `code` in one thread, and gives its `d`.
fn one(code: &str) -> u32 {
    run_block(1, &[], code)[0]
}

/// Code that shifts whether a test holds into `d`, as its lowest bit.
fn tested(test: &str) -> String {
    format!("mbarrier.{test}; selp.u32 w7, 1, 0, p; shl.b32 d, d, 1; or.b32 d, d, w7;\n")
}

#[test]
fn arrivals_complete_a_phase() {
    let test = tested("test_wait.shared.b64 p, [memory], x0");
    let code = format!(
        "mov.u32 d, 0; mbarrier.init.shared.b64 [memory], 3;\n\
         mbarrier.arrive.shared.b64 x0, [memory];\n{test}\
         mbarrier.arrive.shared::cta.b64 _, [memory], 1;\n{test}\
         mbarrier.arrive.release.cta.shared::cta.b64 x1, [memory];\n{test}"
    );
    assert_eq!(one(&code), 0b001);
    // Several at once, at a generic address, in any order of memory.
    for order in [".release.cta", ".release.cluster", ".relaxed.cta", ".relaxed.cluster", ""] {
        let code = format!(
            "mov.u32 d, 0; mov.u64 at, memory; cvta.shared.u64 at, at; mbarrier.init.b64 [at], 5;\n\
             mbarrier.arrive{order}.b64 x0, [at], 4;\n{}mbarrier.arrive{order}.b64 _, [at];\n{}",
            tested("test_wait.b64 p, [at], x0"),
            tested("test_wait.acquire.cta.b64 p, [at], x0"),
        );
        assert_eq!(one(&code), 0b01, "{order}");
    }
}

#[test]
fn phases_are_told_apart_by_state_and_by_parity() {
    let [even, odd] = [0, 1].map(|parity| {
        ["test_wait", "try_wait"]
            .map(|wait| tested(&format!("{wait}.parity.shared.b64 p, [memory], {parity}")))
            .concat()
    });
    // At first the phase before is taken for complete. A wait may sleep, and an arrival that does not need its result
    // overtakes it; so what was found is stored first, which no arrival overtakes.
    let arrive = "st.shared.u32 [memory+64], d; mbarrier.arrive.shared.b64 _, [memory];\n";
    let code = format!(
        "mov.u32 d, 0; mbarrier.init.shared.b64 [memory], 1;\n\
         {even}{odd}{arrive}{even}{odd}{arrive}{even}{odd}"
    );
    assert_eq!(one(&code), 0b0011_1100_0011);
    let test = tested("try_wait.shared::cta.b64 p, [memory], x0, 100");
    let code = format!(
        "mov.u32 d, 0; mbarrier.init.shared.b64 [memory], 2;\n\
         mbarrier.arrive.shared.b64 x0, [memory]; mbarrier.arrive.shared.b64 x1, [memory];\n{test}\
         mbarrier.arrive.shared.b64 x1, [memory];\n{test}\
         mov.u64 x0, x1;\n{test}mbarrier.arrive.shared.b64 x1, [memory];\n{test}"
    );
    assert_eq!(one(&code), 0b1101);
    let parity =
        tested("try_wait.parity.acquire.cluster.shared::cta.b64 p, [memory], w0, 0x989680");
    let relaxed = tested("test_wait.parity.relaxed.cta.shared::cta.b64 p, [memory], w0");
    let code = format!(
        "mov.u32 d, 0; mov.u32 w0, 1; mbarrier.init.shared.b64 [memory], 1;\n{parity}{relaxed}"
    );
    assert_eq!(one(&code), 0b11);
}

#[test]
fn incomplete_arrivals_tell_what_is_pending() {
    let code = "mbarrier.init.shared.b64 [memory], 1000;\n\
        mbarrier.arrive.noComplete.shared.b64 x0, [memory], 7;\n\
        mbarrier.arrive.noComplete.release.cta.shared::cta.b64 x1, [memory], 1;\n\
        mbarrier.arrive_drop.noComplete.shared.b64 x2, [memory], 100;\n\
        mbarrier.pending_count.b64 w0, x0; mbarrier.pending_count.b64 w1, x1;\n\
        mbarrier.pending_count.b64 w2, x2;\n\
        mul.lo.u32 d, w0, 1000000; mad.lo.u32 d, w1, 1000, d; add.u32 d, d, w2;";
    assert_eq!(one(code), 1000 * 1_000_000 + 993 * 1000 + 992);
    // The most there can be.
    let code = "mbarrier.init.shared.b64 [memory], 1048575;\n\
        mbarrier.arrive.noComplete.shared.b64 x0, [memory], 1048574;\n\
        mbarrier.pending_count.b64 d, x0;";
    assert_eq!(one(code), 1_048_575);
}

#[test]
fn who_drops_out_is_not_expected_again() {
    let test = tested("test_wait.parity.shared.b64 p, [memory], 0");
    let again = tested("test_wait.parity.shared.b64 p, [memory], 1");
    for order in ["", ".release.cta", ".relaxed.cluster"] {
        let code = format!(
            "mov.u32 d, 0; mbarrier.init.shared.b64 [memory], 3;\n\
             mbarrier.arrive_drop{order}.shared.b64 x0, [memory];\n{test}\
             mbarrier.arrive.shared.b64 _, [memory], 2;\n{test}\
             mbarrier.arrive.shared.b64 _, [memory];\n{again}\
             mbarrier.arrive.shared.b64 _, [memory];\n{again}"
        );
        assert_eq!(one(&code), 0b0101, "{order}");
    }
    let code = format!(
        "mov.u32 d, 0; mbarrier.init.shared.b64 [memory], 2;\n\
         mbarrier.arrive_drop.expect_tx.shared::cta.b64 x0, [memory], 16;\n\
         mbarrier.arrive.shared.b64 _, [memory];\n{test}\
         mbarrier.complete_tx.shared::cta.b64 [memory], 16;\n{test}\
         mbarrier.arrive.shared.b64 _, [memory];\n{again}"
    );
    assert_eq!(one(&code), 0b011);
}

#[test]
fn bytes_are_waited_for_as_well() {
    let test = tested("test_wait.shared.b64 p, [memory], x0");
    let [expect, complete] = ["expect_tx", "complete_tx"].map(|what| {
        move |bytes: u32| {
            format!("mbarrier.{what}.relaxed.cta.shared::cta.b64 [memory], {bytes};\n")
        }
    });
    let code = format!(
        "mov.u32 d, 0; mbarrier.init.shared.b64 [memory], 1;\n\
         mbarrier.arrive.expect_tx.shared.b64 x0, [memory], 48;\n{test}{}{test}{}{test}",
        complete(16),
        complete(32),
    );
    assert_eq!(one(&code), 0b001);
    // Bytes that come before they are expected, and expectations that come before the arrival.
    let code = format!(
        "mov.u32 d, 0; mbarrier.init.shared.b64 [memory], 2;\n\
         mbarrier.arrive.shared.b64 x0, [memory];\n{}{test}{}{test}{}\
         mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [memory], 8;\n{test}{}{test}",
        complete(16),
        expect(16),
        expect(1 << 19),
        complete((1 << 19) + 8),
    );
    assert_eq!(one(&code), 0b0001);
    // Nothing is missing then but that they are expected.
    let code = format!(
        "mov.u32 d, 0; mbarrier.init.shared.b64 [memory], 1;\n{}\
         mbarrier.arrive.shared.b64 x0, [memory];\n{test}{}{test}",
        complete(16),
        expect(16),
    );
    assert_eq!(one(&code), 0b01);
}

#[test]
fn lanes_arrive_each_on_their_own() {
    let wait = "wait: mbarrier.try_wait.parity.shared.b64 p, [memory], 0;\n@!p bra wait;\n";
    let start = "mov.u32 thread, %tid.x; setp.eq.u32 q, thread, 0;\n";
    // Each as often as its number says, and then it reads what another one has written.
    let code = format!(
        "{start}@q mbarrier.init.shared.b64 [memory], 2080;\nbar.sync 0;\n\
         shl.b32 w0, thread, 2; mov.u32 w1, memory; add.u32 w0, w0, w1; st.shared.u32 [w0+64], thread;\n\
         add.u32 w2, thread, 1; mbarrier.arrive.shared.b64 _, [memory], w2;\n{wait}\
         xor.b32 w2, thread, 33; shl.b32 w2, w2, 2; add.u32 w2, w2, w1; ld.shared.u32 d, [w2+64];"
    );
    let expected: Vec<u32> = (0..64).map(|thread| thread ^ 33).collect();
    assert_eq!(run_block(64, &[], &code), expected);
    // Each at its own mbarrier.
    let code = "mov.u32 thread, %tid.x; shl.b32 w0, thread, 3; mov.u32 w1, memory; add.u32 w0, w0, w1;\n\
        add.u32 w2, thread, 1; mbarrier.init.shared.b64 [w0], w2;\n\
        mbarrier.arrive.shared.b64 x0, [w0]; mbarrier.test_wait.shared.b64 p, [w0], x0;\n\
        selp.u32 d, 1, 0, p;";
    let expected: Vec<u32> = (0..32).map(|lane| u32::from(lane == 0)).collect();
    assert_eq!(run_block(32, &[], code), expected);
    // Of what pended before each of several arrivals at once no two are the same.
    let code = format!(
        "{start}@q mbarrier.init.shared.b64 [memory], 100;\nbar.warp.sync -1;\n\
         mbarrier.arrive.noComplete.shared.b64 x0, [memory], 2; mbarrier.pending_count.b64 d, x0;"
    );
    let mut pending = run_block(32, &[], &code);
    pending.sort_unstable();
    let expected: Vec<u32> = (0..32).map(|lane| 38 + 2 * lane).collect();
    assert_eq!(pending, expected);
}

#[test]
fn warps_hand_over_through_a_ring() {
    // Warp 0 fills one of two stages and warp 1 sums what it finds, eight times over.
    let code = "mov.u32 thread, %tid.x; mov.u32 w1, memory; mov.u32 d, 0; mov.u32 w4, 0;\n\
        setp.eq.u32 q, thread, 0;\n\
        @q mbarrier.init.shared.b64 [memory], 32; @q mbarrier.init.shared.b64 [memory+8], 32;\n\
        @q mbarrier.init.shared.b64 [memory+16], 1; @q mbarrier.init.shared.b64 [memory+24], 1;\n\
        bar.sync 0;\nsetp.gt.u32 q, thread, 31;\n\
        again:\nand.b32 w2, w4, 1; shr.u32 w3, w4, 1; and.b32 w3, w3, 1;\n\
        shl.b32 w5, w2, 3; add.u32 w5, w5, w1; shl.b32 w6, w2, 7; add.u32 w6, w6, w1;\n\
        and.b32 w7, thread, 31; shl.b32 w7, w7, 2; add.u32 w6, w6, w7;\n\
        @q bra consume;\n\
        xor.b32 w3, w3, 1;\n\
        empty: mbarrier.try_wait.parity.shared.b64 p, [w5+16], w3;\n@!p bra empty;\n\
        mad.lo.u32 w7, w4, 100, thread; st.shared.u32 [w6+64], w7;\n\
        mbarrier.arrive.shared.b64 _, [w5];\nbra next;\n\
        consume: mbarrier.try_wait.parity.shared.b64 p, [w5], w3;\n@!p bra consume;\n\
        ld.shared.u32 w7, [w6+64]; add.u32 d, d, w7;\nbar.warp.sync -1;\n\
        elect.sync _|p, -1;\n@p mbarrier.arrive.shared.b64 _, [w5+16];\n\
        next:\nadd.u32 w4, w4, 1; setp.lt.u32 p, w4, 8;\n@p bra again;";
    let expected: Vec<u32> =
        (0..64).map(|thread| if thread < 32 { 0 } else { 2800 + 8 * (thread - 32) }).collect();
    assert_eq!(run_block(64, &[], code), expected);
}

#[test]
fn an_mbarrier_that_is_made_invalid_is_plain_memory() {
    let code = "mbarrier.init.shared.b64 [memory], 1; mbarrier.arrive.shared.b64 _, [memory];\n\
        mbarrier.inval.shared.b64 [memory]; st.shared.u32 [memory], 7; ld.shared.u32 w0, [memory];\n\
        mov.u64 at, memory; cvta.shared.u64 at, at; mbarrier.init.b64 [at], 2;\n\
        mbarrier.arrive.b64 x0, [at]; mbarrier.test_wait.b64 p, [at], x0; mbarrier.inval.b64 [at];\n\
        selp.u32 d, 100, 0, p; add.u32 d, d, w0;";
    assert_eq!(one(code), 7);
}

#[test]
fn fences_come_in_many_forms() {
    let fences = [
        "fence.proxy.async",
        "fence.proxy.async.global",
        "fence.proxy.async.shared::cta",
        "fence.proxy.async.shared::cluster",
        "fence.mbarrier_init.release.cluster",
        "fence.acq_rel.cluster",
        "fence.acquire.cluster",
        "fence.release.cluster",
        "fence.sc.cluster",
        "fence.acq_rel.cta",
        "membar.cta",
    ];
    let code: String = fences.iter().map(|fence| format!("{fence};\n")).collect();
    assert_eq!(one(&format!("{code}mov.u32 d, 5;")), 5);
}

#[test]
fn what_mbarriers_do_not_take_is_refused() {
    let refused = [
        ("mbarrier.init.shared::cluster.b64 [w0], 1;", "expected .shared or .shared::cta"),
        ("mbarrier.test_wait.shared::cluster.b64 p, [w0], x0;", "expected .shared or .shared::cta"),
        ("mbarrier.arrive.shared::cluster.b64 x0, [w0];", "gives no state"),
        ("mbarrier.arrive.global.b64 x0, [x1];", "in shared memory"),
        ("mbarrier.arrive.noComplete.shared.b64 x0, [w0];", "2 operands, expected 3"),
        ("mbarrier.arrive.expect_tx.shared.b64 x0, [w0];", "2 operands, expected 3"),
        ("mbarrier.arrive.release.gpu.shared.b64 x0, [w0];", "expected .cta or .cluster"),
        ("mbarrier.init.shared.b32 [w0], 1;", "expected .b64"),
        ("mbarrier.test_wait.shared.b64 p, [w0], x0, 5;", "4 operands, expected 3"),
        ("mbarrier.reset.shared.b64 [w0];", "not an operation of mbarriers"),
    ];
    for (code, reason) in refused {
        let refusal = refusal(code);
        assert!(refusal.contains(reason), "{code}: {refusal}");
    }
}
