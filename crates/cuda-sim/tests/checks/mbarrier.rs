//! Faults around mbarriers.

use cuda_sim::fault::FaultKind;

use super::harness::{caught, line, race};
use super::race_or_unwritten;

/// The first thread makes an mbarrier of so many arrivals at address 0, and all know.
macro_rules! with_mbarrier {
    ($count:literal, $body:literal) => {
        concat!(
            "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory], ",
            $count,
            ";\nbar.sync 0;\n",
            $body
        )
    };
}

#[test]
fn an_mbarrier_is_used_before_others_know_that_it_was_made() {
    let body = "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory], 64;\n«|bar.sync 0;»\n\
                mbarrier.arrive.shared.b64 _, [memory];";
    let (_, fault) = caught(1, 64, body);
    // The other lanes of the warp come first.
    assert_eq!((line(&fault), fault.thread), (3, [1, 0, 0]));
    assert_eq!(race(&fault), ("shared", 0, "lane 0 of the warp", "atomic access after write"));
    let (_, fault) = caught(
        1,
        64,
        "setp.eq.u32 p, thread, 0;\n\
        @p mbarrier.init.shared.b64 [memory], 64;\n@p fence.mbarrier_init.release.cluster;\n\
        bar.warp.sync -1;\n«|bar.sync 0;»\nmbarrier.arrive.shared.b64 _, [memory];",
    );
    assert_eq!((line(&fault), fault.thread), (5, [32, 0, 0]));
    assert_eq!(race(&fault), ("shared", 0, "warp 0", "atomic access after write"));
    let (_, fault) = caught(
        1,
        1,
        "mbarrier.init.shared.b64 [memory+8], 2;\n\
        mbarrier.arrive.shared.b64 _, [memory+«0|8»];",
    );
    let what = "there is no mbarrier at shared address 0x0".to_owned();
    assert_eq!((line(&fault), *fault.kind), (1, FaultKind::InvalidOperand { what }));
}

#[test]
fn an_mbarrier_is_accessed_as_memory() {
    for access in [
        "ld.shared.u32 a, [memory+«20|24»];",
        "st.shared.u32 [memory+«16|24»], 0;",
        "mbarrier.init.shared.b64 [memory+«16|24»], 1;",
        "atom.shared.add.u32 a, [memory+«16|24»], 1;",
    ] {
        let body = format!(
            "st.shared.u32 [memory+24], 0; mbarrier.init.shared.b64 [memory+16], 1;\n{access}"
        );
        let (_, fault) = caught(1, 1, body.leak());
        assert_eq!((line(&fault), *fault.kind), (1, FaultKind::OpaqueMbarrier { address: 16 }));
    }
    // And it is made invalid while others use it.
    let (_, fault) = caught(
        1,
        64,
        with_mbarrier!(
            64,
            "mbarrier.arrive.shared.b64 _, [memory];\n«|bar.sync 0;»\nsetp.eq.u32 p, thread, 32;\n\
         @p mbarrier.inval.shared.b64 [memory];"
        ),
    );
    assert_eq!((line(&fault), race(&fault).3), (6, "write after atomic access"));
}

#[test]
fn more_arrivals_than_an_mbarrier_waits_for() {
    let invalid = |body: &'static str, at: u32, what: &str| {
        let (_, fault) = caught(1, 1, body);
        let kind = FaultKind::InvalidOperand { what: what.to_owned() };
        assert_eq!((line(&fault), *fault.kind), (at, kind));
    };
    invalid(
        "mbarrier.init.shared.b64 [memory], 2;\nmbarrier.arrive.shared.b64 _, [memory], «3|2»;",
        1,
        "3 arrivals at an mbarrier that waits for 2",
    );
    invalid(
        "mbarrier.init.shared.b64 [memory], 2;\nmbarrier.arrive_drop.shared.b64 _, [memory], «0|1»;",
        1,
        "0 arrivals at an mbarrier that waits for 2",
    );
    invalid(
        "mbarrier.init.shared.b64 [memory], 2;\nmbarrier.arrive.noComplete.shared.b64 x, [memory], «2|1»;",
        1,
        "an arrival with .noComplete completes the phase",
    );
    invalid(
        "mbarrier.init.shared.b64 [memory], «1048576|1048575»;",
        0,
        "an mbarrier of 1048576 arrivals, expected 1 to 1048575",
    );
    invalid(
        "mbarrier.init.shared.b64 [memory], «0|1»;",
        0,
        "an mbarrier of 0 arrivals, expected 1 to 1048575",
    );
    invalid(
        "mbarrier.init.shared.b64 [memory], 1; mbarrier.expect_tx.shared.b64 [memory], 1000000;\n\
         mbarrier.expect_tx.shared.b64 [memory], «48576|48575»;",
        1,
        "an mbarrier counts 1048576 bytes, the limit is 2^20 - 1",
    );
    // States tell the present phase from the one before, and no other.
    invalid(
        "mbarrier.init.shared.b64 [memory], 1; mbarrier.arrive.shared.b64 x, [memory];\n\
         mbarrier.arrive.shared.b64 «_|x», [memory];\nmbarrier.test_wait.shared.b64 p, [memory], x;",
        2,
        "a state of phase 0 of an mbarrier that is in phase 2",
    );
    invalid(
        "mbarrier.init.shared.b64 [memory], 4; mbarrier.arrive«|.noComplete».shared.b64 x, [memory], 1;\n\
         mbarrier.pending_count.b64 a, x;",
        1,
        "the pending count of an arrival without .noComplete",
    );
    let (_, fault) = caught(1, 1, "mbarrier.init.shared.b64 [memory+«4|8»], 1;");
    let misaligned = FaultKind::Misaligned { space: "shared", address: 4, alignment: 8 };
    assert_eq!(*fault.kind, misaligned);
}

#[test]
fn a_consumer_that_does_not_wait() {
    // Warp 1 writes, warp 0 reads: it waits not at all, for the phase before, without looking at what came
    // of it, or without its order.
    for wait in [
        "«|wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0; @!q bra wait;»",
        "wait: mbarrier.try_wait.parity.shared.b64 q, [memory], «1|0»;\n@!q bra wait;",
        "wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0;\n«|@!q bra wait;»",
        "wait: mbarrier.test_wait.parity.shared.b64 q, [memory], 0;\n«|@!q bra wait;»",
        "wait: mbarrier.try_wait.parity.«relaxed|acquire».cta.shared::cta.b64 q, [memory], 0;\n@!q bra wait;",
    ] {
        let body = format!(
            "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory], 32;\nbar.sync 0;\n\
             setp.lt.u32 p, thread, 32;\n@p bra consume;\n\
             st.shared.u32 [s+64], thread;\nmbarrier.arrive.shared.b64 _, [memory];\nbra end;\n\
             consume:\n{wait}\nld.shared.u32 b, [s+192];\nend:"
        );
        let (_, fault) = caught(1, 64, body.leak());
        let (_, address, other, _) = race_or_unwritten(&fault);
        assert!(address == 192 && (other.is_empty() || other == "warp 1"), "{wait}: {fault}");
    }
    // A producer that arrives without telling.
    let (_, fault) = caught(
        1,
        64,
        with_mbarrier!(
            32,
            "setp.gt.u32 p, thread, 31;\n@p bra wait;\nst.shared.u32 [s+64], thread;\n\
         mbarrier.arrive.«relaxed|release».cta.shared::cta.b64 _, [memory];\nbra end;\n\
         wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0;\n@!q bra wait;\n\
         sub.u32 a, s, 128; ld.shared.u32 b, [a+64];\nend:"
        ),
    );
    assert_eq!((line(&fault), race(&fault).2), (10, "warp 0"));
    // A producer that fills again what is still being read.
    let (_, fault) = caught(
        1,
        64,
        with_mbarrier!(
            32,
            "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory+8], 32;\nbar.sync 0;\n\
         setp.gt.u32 p, thread, 31;\n@p bra wait;\n\
         st.shared.u32 [s+64], thread;\nmbarrier.arrive.shared.b64 _, [memory];\n\
         «|empty: mbarrier.try_wait.parity.shared.b64 q, [memory+8], 0; @!q bra empty;»\n\
         st.shared.u32 [s+64], 7;\nbra end;\n\
         wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0;\n@!q bra wait;\n\
         sub.u32 a, s, 128; ld.shared.u32 b, [a+64];\nmbarrier.arrive.shared.b64 _, [memory+8];\nend:"
        ),
    );
    assert_eq!(race(&fault).2, "warp 0");
}

#[test]
fn fences_make_relaxed_arrivals_and_waits_tell() {
    let (_, fault) = caught(
        1,
        64,
        with_mbarrier!(
            32,
            "setp.gt.u32 p, thread, 31;\n@p bra wait;\nst.shared.u32 [s+64], thread;\n\
         fence.acq_rel.cta;\n«st.shared.u32 [s+64], 8;|»\nmbarrier.arrive.relaxed.cta.shared::cta.b64 _, [memory];\n\
         bra end;\nwait: mbarrier.try_wait.parity.relaxed.cta.shared::cta.b64 q, [memory], 0;\n@!q bra wait;\n\
         fence.acq_rel.cta;\nsub.u32 a, s, 128; ld.shared.u32 b, [a+64];\nend:"
        ),
    );
    assert_eq!((line(&fault), race(&fault).2), (13, "warp 0"));
    // What a wait has seen a fence after it acquires.
    let (_, fault) = caught(
        1,
        64,
        with_mbarrier!(
            32,
            "setp.gt.u32 p, thread, 31;\n@p bra wait;\nst.shared.u32 [s+64], thread;\n\
         mbarrier.arrive.shared.b64 _, [memory];\nbra end;\n\
         wait: mbarrier.try_wait.parity.relaxed.cta.shared::cta.b64 q, [memory], 0;\n@!q bra wait;\n\
         «|fence.acquire.cta;»\nsub.u32 a, s, 128; ld.shared.u32 b, [a+64];\nend:"
        ),
    );
    assert_eq!((line(&fault), race(&fault).2), (11, "warp 0"));
}

#[test]
fn an_mbarrier_that_nobody_completes() {
    let not_reached = |body: &'static str, threads, phase, arrivals, bytes| {
        let (_, fault) = caught(1, threads, body);
        let expected =
            FaultKind::MbarrierNotReached { rank: 0, address: 0, phase, arrivals, bytes };
        assert_eq!(*fault.kind, expected, "{fault}");
        line(&fault)
    };
    let at = not_reached(
        with_mbarrier!(
            64,
            "mbarrier.arrive.expect_tx.shared.b64 _, [memory], 16;\n@p mbarrier.complete_tx.shared.b64 [memory], «1008|1024»;\n\
             wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0;\n@!q bra wait;"
        ),
        64,
        0,
        0,
        16,
    );
    assert_eq!(at, 5);
    let at = not_reached(
        with_mbarrier!(
            65,
            "mbarrier.arrive.shared.b64 _, [memory];\n«|@p mbarrier.arrive.shared.b64 _, [memory];»\n\
             wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0;\n@!q bra wait;"
        ),
        64,
        0,
        1,
        0,
    );
    assert_eq!(at, 5);
    // By a thread that never sleeps, and by one lane of a warp alone.
    not_reached(
        with_mbarrier!(
            1,
            "«|@p mbarrier.arrive.shared.b64 _, [memory];»\n\
             wait: mbarrier.test_wait.parity.shared.b64 q, [memory], 0;\n@!q bra wait;"
        ),
        32,
        0,
        1,
        0,
    );
    not_reached(
        with_mbarrier!(
            2,
            "mbarrier.arrive.shared.b64 _, [memory];\n@!p bra end;\n«|mbarrier.arrive.shared.b64 _, [memory], 2;»\n\
             wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 1;\n@!q bra wait;\nend:\nbar.warp.sync -1;"
        ),
        2,
        1,
        2,
        0,
    );
}

#[test]
fn lanes_of_a_warp_wait_for_each_other() {
    // The first half waits for the second half, which waits for the first: neither arm of the branch goes
    // to its end before the other.
    let (_, fault) = caught(
        1,
        32,
        with_mbarrier!(
            16,
            "@p mbarrier.init.shared.b64 [memory+8], 16;\nbar.warp.sync -1;\n\
         setp.gt.u32 q, thread, 15;\n@q bra other;\nst.shared.u32 [s+64], thread;\n\
         mbarrier.arrive.shared.b64 _, [memory];\n\
         back: mbarrier.try_wait.parity.shared.b64 p, [memory+8], 0;\n@!p bra back;\n\
         ld.shared.u32 a, [s+128];\nbra end;\n\
         other: mbarrier.try_wait.parity.shared.b64 p, [memory], 0;\n@!p bra other;\n\
         st.shared.u32 [s+64], thread;\n«|mbarrier.arrive.shared.b64 _, [memory+8];»\nend:\nbar.warp.sync -1;"
        ),
    );
    let missing =
        FaultKind::MbarrierNotReached { rank: 0, address: 8, phase: 0, arrivals: 16, bytes: 0 };
    assert_eq!(*fault.kind, missing);
    // What a lane has written before all have arrived others read after the wait.
    let (_, fault) = caught(
        1,
        32,
        with_mbarrier!(
            32,
            "st.shared.u32 [s+64], thread;\nmbarrier.arrive.shared.b64 _, [memory];\n\
         wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0;\n«|@!q bra wait;»\n\
         xor.b32 a, s, 4; ld.shared.u32 b, [a+«68|64»];"
        ),
    );
    assert!(matches!(*fault.kind, FaultKind::UninitializedMemory { .. } | FaultKind::Race { .. }));
}

#[test]
fn a_thread_may_do_something_else_while_it_waits() {
    // Warp 1 arrives once warp 0, which polls the mbarrier, has seen its flag and answered.
    let (_, fault) = caught(
        1,
        64,
        with_mbarrier!(
            1,
            "@p st.shared.u32 [memory+64], 0; @p st.shared.u32 [memory+68], 0;\nbar.sync 0;\n\
         setp.gt.u32 p, thread, 31;\n@p bra other;\n\
         poll: mbarrier.try_wait.parity.shared.b64 q, [memory], 0;\n@q bra end;\n\
         ld.relaxed.cta.shared.u32 a, [memory+64];\nsetp.ne.u32 q, a, 0;\n@q st.relaxed.cta.shared.u32 [memory+68], a;\nbra poll;\n\
         other: st.relaxed.cta.shared.u32 [memory+64], «0|1»;\n\
         answer: ld.relaxed.cta.shared.u32 a, [memory+68];\nsetp.ne.u32 q, a, 1;\n@q bra answer;\n\
         setp.eq.u32 p, thread, 32;\n@p mbarrier.arrive.shared.b64 _, [memory];\nend:"
        ),
    );
    assert!(
        matches!(
            *fault.kind,
            FaultKind::Deadlock | FaultKind::MbarrierNotReached { arrivals: 1, .. }
        ),
        "{fault}"
    );
}
