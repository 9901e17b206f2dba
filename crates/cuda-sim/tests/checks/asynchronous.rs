//! What is asynchronous, and not waited for, not announced or not allowed.

use cuda_sim::fault::FaultKind;

use super::harness::{caught, caught_in_cluster, line, race};

/// `p` holds in the first thread. There is an mbarrier of one arrival at 2048. Four lines.
const START: &str = "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory+2048], 1;\n\
    @p fence.mbarrier_init.release.cluster;\nbar.sync 0;\n";

/// The start of the buffer is copied to that of shared memory. Two lines.
const LOAD: &str = "@p mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 128;\n\
    @p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [memory], [buffer], 128, [memory+2048];\n";

/// All threads wait for that. Two lines.
const WAIT: &str =
    "wait: mbarrier.try_wait.parity.shared.b64 q, [memory+2048], 0;\n@!q bra wait;\n";

/// The start of shared memory is copied to that of the buffer. Two lines.
const STORE: &str = "@p cp.async.bulk.global.shared::cta.bulk_group [buffer], [memory], 128;\n\
    @p cp.async.bulk.commit_group;\n";

#[test]
fn a_copy_is_read_before_the_wait() {
    let (_, fault) = caught(1, 32, &format!("{START}{LOAD}«|{WAIT}»ld.shared.u32 a, [s];"));
    assert_eq!((line(&fault), *fault.kind), (6, FaultKind::PendingCopy { address: 0 }));
    // It is waited for, but not as one who reads what has come.
    let (_, fault) = caught(
        1,
        64,
        &format!(
            "{START}{LOAD}wait: mbarrier.try_wait.parity.«relaxed.cta.|»shared.b64 q, [memory+2048], 0;\n\
             @!q bra wait;\nand.b32 s, s, 127; ld.shared.u32 a, [s];"
        ),
    );
    assert_eq!((line(&fault), *fault.kind), (8, FaultKind::PendingCopy { address: 0 }));
}

#[test]
fn a_copy_is_read_after_a_wait_for_another_s_mbarrier() {
    let start = START.replace(
        "bar.sync 0;",
        "@p mbarrier.init.shared.b64 [memory+2056], 1;\n\
         @p fence.mbarrier_init.release.cluster; bar.sync 0;",
    );
    let second =
        LOAD.replace("2048", "2056").replace("[memory], [buffer]", "[memory+128], [buffer+128]");
    let body = format!("{start}{LOAD}{second}{WAIT}ld.shared.u32 a, [s+«128|0»];");
    let (_, fault) = caught(1, 32, &body);
    assert_eq!((line(&fault), *fault.kind), (11, FaultKind::PendingCopy { address: 128 }));
    // Nor does one know of it whom a thread has told that has waited for the first alone.
    let told = WAIT.replace("2048", "«2048|2056»");
    let body = format!(
        "{start}{LOAD}{second}setp.gt.u32 q, thread, 31;\n@q bra read;\n{told}read: bar.sync 0;\n\
         and.b32 s, s, 127; ld.shared.u32 a, [s+128];"
    );
    let (_, fault) = caught(1, 64, &body);
    assert_eq!(*fault.kind, FaultKind::PendingCopy { address: 128 });
}

#[test]
fn a_stage_is_overwritten_before_consumers_have_released_it() {
    // Warp 0 fills it three times, warp 1 reads it. The second mbarrier says that it is empty.
    let body = |wait: &str, read: &str| {
        format!(
            "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory+2048], 1;\n\
             @p mbarrier.init.shared.b64 [memory+2056], 32;\n@p fence.mbarrier_init.release.cluster;\nbar.sync 0;\n\
             mov.u32 c, 0; setp.gt.u32 q, thread, 31;\n@q bra consume;\n@!p bra end;\n\
             produce:\nxor.b32 d, c, 1; and.b32 d, d, 1;\n\
             {wait}mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 128;\n\
             cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [memory], [buffer], 128, [memory+2048];\n\
             add.u32 c, c, 1; setp.lt.u32 q, c, 3;\n@q bra produce;\nbra end;\n\
             consume:\nand.b32 d, c, 1;\n\
             full: mbarrier.try_wait.parity.shared.b64 q, [memory+2048], d;\n@!q bra full;\n\
             sub.u32 a, s, 128;\n{read}add.u32 c, c, 1; setp.lt.u32 q, c, 3;\n@q bra consume;\nend:"
        )
    };
    let wait = "empty: mbarrier.try_wait.parity.shared.b64 q, [memory+2056], d;\n@!q bra empty;\n";
    let read = "ld.shared.u32 b, [a];\nmbarrier.arrive.shared.b64 _, [memory+2056];\n";
    // The producer does not know that what it filled has ever come.
    let (_, fault) = caught(1, 64, &body(&format!("«|{wait}»"), read));
    assert_eq!(*fault.kind, FaultKind::PendingCopy { address: 0 });
    // Consumers say that they have read it before they have.
    let early = "«mbarrier.arrive.shared.b64 _, [memory+2056];\n|»ld.shared.u32 b, [a];\n\
         «|mbarrier.arrive.shared.b64 _, [memory+2056];\n»";
    let (_, fault) = caught(1, 64, &body(wait, early));
    assert_eq!(race(&fault), ("shared", 0, "warp 1", "write after read"));
    assert_eq!(fault.thread, [0, 0, 0]);
    // Or say it to nobody.
    let relaxed = "ld.shared.u32 b, [a];\n\
         mbarrier.arrive.«relaxed.cta|release.cta».shared.b64 _, [memory+2056];\n";
    let (_, fault) = caught(1, 64, &body(wait, relaxed));
    assert_eq!(*fault.kind, FaultKind::PendingCopy { address: 0 });
}

#[test]
fn a_store_meets_what_was_written_without_a_proxy_fence() {
    let missing = FaultKind::MissingProxyFence { space: "shared", address: 0 };
    for fence in ["|fence.proxy.async;", "fence.proxy.async.global;|fence.proxy.async.shared::cta;"]
    {
        let body = format!(
            "{START}st.shared.u32 [s], thread;\n«{fence}» bar.sync 0;\n\
             {STORE}@p cp.async.bulk.wait_group 0;"
        );
        let (_, fault) = caught(1, 64, &body);
        assert_eq!((line(&fault), &*fault.kind), (6, &missing));
    }
    // So does a tensor's, and a copy over what was written.
    let body = format!(
        "{START}st.shared.u32 [s], thread;\n«|fence.proxy.async;» bar.sync 0;\n\
         @p cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [map, {{0, 0}}], [memory];\n\
         @p cp.async.bulk.commit_group;\n@p cp.async.bulk.wait_group 0;"
    );
    let (_, fault) = caught(1, 64, &body);
    assert_eq!((line(&fault), &*fault.kind), (6, &missing));
    let body = format!(
        "{START}st.shared.u32 [s], thread;\n«|fence.proxy.async;» bar.sync 0;\n{LOAD}{WAIT}"
    );
    let (_, fault) = caught(1, 64, &body);
    assert_eq!((line(&fault), &*fault.kind), (7, &missing));
}

#[test]
fn an_mbarrier_is_not_announced_to_copies() {
    let (_, fault) = caught(
        1,
        32,
        &format!(
            "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory+2048], 1;\n\
             «|@p fence.mbarrier_init.release.cluster;»\nbar.sync 0;\n{LOAD}{WAIT}"
        ),
    );
    let expected = FaultKind::MissingProxyFence { space: "shared", address: 2048 };
    assert_eq!((line(&fault), *fault.kind), (5, expected));
}

#[test]
fn an_mbarrier_is_announced_by_a_proxy_fence_too() {
    // In later phases as well, when threads have arrived at it since.
    let wait = WAIT.replace("wait:", "again:").replace("bra wait", "bra again");
    let again = LOAD.to_owned() + &wait.replace("2048], 0", "2048], 1");
    let body = format!("{START}{LOAD}{WAIT}bar.sync 0;\n{again}").replace(
        "@p fence.mbarrier_init.release.cluster;",
        "«fence.proxy.async.global;|fence.proxy.async.shared::cta;»",
    );
    let (_, fault) = caught(1, 64, &body);
    let expected = FaultKind::MissingProxyFence { space: "shared", address: 2048 };
    assert_eq!((line(&fault), *fault.kind), (5, expected));
}

#[test]
fn other_bytes_are_expected_than_come() {
    for (expected, left) in [("144", 16), ("112", -16)] {
        let body =
            format!("{START}{LOAD}{WAIT}").replace("128;\n", &format!("«{expected}|128»;\n"));
        let (_, fault) = caught(1, 32, &body);
        let (rank, address, phase) = (0, 2048, 0);
        let kind = FaultKind::MbarrierNotReached { rank, address, phase, arrivals: 0, bytes: left };
        assert_eq!(*fault.kind, kind);
    }
    // More than an mbarrier can count, together with those of the copy.
    let body = format!(
        "{START}@p mbarrier.expect_tx.relaxed.cta.shared.b64 [memory+2048], «1048448|0»;\n{LOAD}{WAIT}"
    );
    let (_, fault) = caught(1, 32, &body);
    assert_eq!(line(&fault), 5);
    assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
}

#[test]
fn a_buffer_is_reused_before_a_store_has_read_it() {
    let body = format!(
        "{START}st.shared.u32 [s], thread;\nfence.proxy.async; bar.sync 0;\n\
         {STORE}«|@p cp.async.bulk.wait_group.read 0;» bar.sync 0;\nst.shared.u32 [s], 0;\n\
         @p cp.async.bulk.wait_group 0;"
    );
    let (_, fault) = caught(1, 32, &body);
    assert_eq!(race(&fault), ("shared", 0, "what reads asynchronously", "write after read"));
    assert_eq!(line(&fault), 9);
    // Of two groups the first may be left, the second must not be.
    let body = format!(
        "{START}st.shared.u32 [s], thread;\nst.shared.u32 [s+128], thread;\n\
         fence.proxy.async; bar.sync 0;\n{STORE}\
         @p cp.async.bulk.global.shared::cta.bulk_group [buffer+128], [memory+128], 128;\n\
         @p cp.async.bulk.commit_group;\n@p cp.async.bulk.wait_group.read 1; bar.sync 0;\n\
         st.shared.u32 [s+«128|0»], 0;\n@p cp.async.bulk.wait_group 0;"
    );
    let (_, fault) = caught(1, 32, &body);
    assert_eq!(race(&fault), ("shared", 128, "what reads asynchronously", "write after read"));
}

#[test]
fn a_thread_exits_before_its_store_has_read() {
    let start = format!("{START}st.shared.u32 [s], thread;\nfence.proxy.async; bar.sync 0;\n");
    for (wait, committed) in [
        ("«|@p cp.async.bulk.wait_group.read 0;»", true),
        ("@p cp.async.bulk.wait_group «1|0»;", true),
    ] {
        let (_, fault) = caught(1, 32, &format!("{start}{STORE}{wait}"));
        assert_eq!(*fault.kind, FaultKind::UnfinishedCopy { committed });
        assert_eq!(fault.thread, [0, 0, 0]);
    }
    let body = format!("{start}{STORE}@p cp.async.bulk.wait_group 0;")
        .replace("@p cp.async.bulk.commit_group;", "«|@p cp.async.bulk.commit_group;»");
    let (_, fault) = caught(1, 32, &body);
    assert_eq!(*fault.kind, FaultKind::UnfinishedCopy { committed: false });
}

#[test]
fn sizes_and_addresses_are_in_units_of_16_bytes() {
    let load = |to: &str, from: &str, bytes: &str| {
        format!(
            "{START}mov.u32 a, {bytes};\n@p mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], a;\n\
             @p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [memory+{to}], [{from}], a, [memory+2048];\n\
             {WAIT}"
        )
    };
    let (_, fault) = caught(1, 32, &load("0", "buffer", "«24|32»"));
    assert_eq!(line(&fault), 6);
    assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    let (_, fault) = caught(1, 32, &load("«8|16»", "buffer", "32"));
    let misaligned = |space, address| FaultKind::Misaligned { space, address, alignment: 16 };
    assert_eq!(*fault.kind, misaligned("shared", 8));
    let (buffer, fault) = caught(1, 32, &load("0", "buffer+«8|16»", "32"));
    assert_eq!(*fault.kind, misaligned("global", buffer + 8));
    // Out of bounds at the end, and of what nothing has written.
    let (buffer, fault) = caught(1, 32, &load("0", "buffer+«4080|1024»", "32"));
    let (space, address, bytes) = ("global", buffer + 4080, 32);
    let near = Some((buffer, 4096));
    assert_eq!(*fault.kind, FaultKind::OutOfBounds { space, address, bytes, near });
    let (_, fault) = caught(1, 32, &load("«4080|0»", "buffer", "32"));
    let (space, address, near) = ("shared", 4080, Some((0, 4096)));
    assert_eq!(*fault.kind, FaultKind::OutOfBounds { space, address, bytes, near });
    let (buffer, fault) = caught(1, 32, &load("0", "buffer+«2032|2016»", "32"));
    let (space, address) = ("global", buffer + 2048);
    assert_eq!(*fault.kind, FaultKind::UninitializedMemory { space, address });
}

#[test]
fn a_store_is_of_shared_memory_that_is_there() {
    let body = format!(
        "{START}st.shared.u32 [s], thread; st.shared.u32 [s+3968], thread;\n\
         fence.proxy.async; bar.sync 0;\n{STORE}@p cp.async.bulk.wait_group 0;"
    );
    let (_, fault) = caught(1, 32, &body.replace("[memory], 128", "[memory+«3984|3968»], 128"));
    let (space, address, bytes, near) = ("shared", 3984, 128, Some((0, 4096)));
    assert_eq!(*fault.kind, FaultKind::OutOfBounds { space, address, bytes, near });
    let (_, fault) = caught(1, 32, &body.replace("[memory], 128", "[memory+«16|0»], 128"));
    let (space, address) = ("shared", 128);
    assert_eq!(*fault.kind, FaultKind::UninitializedMemory { space, address });
}

/// All blocks of the cluster wait for each other. Two lines.
const MEET: &str = "barrier.cluster.arrive;\nbarrier.cluster.wait;\n";

#[test]
fn a_copy_goes_to_a_block_that_has_exited() {
    let body = format!(
        "{START}@p mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 128;\n\
         barrier.cluster.arrive; mov.u32 block, %cluster_ctarank; setp.ne.u32 q, block, 0;\n\
         «@q ret;|»\nbarrier.cluster.wait; mov.u16 h, 3; setp.eq.and.u32 q, block, 0, p;\n\
         @q cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster \
         [memory], [buffer], 128, [memory+2048], h;\n{WAIT}{MEET}"
    );
    let (_, fault) = caught_in_cluster(2, 32, &body);
    assert_eq!((line(&fault), *fault.kind), (8, FaultKind::ExitedBlock { rank: 1 }));
    // Or that is not there.
    let body = body.replace("«@q ret;|»", "").replace("h, 3", "h, «7|3»");
    let (_, fault) = caught_in_cluster(2, 32, &body);
    assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
}

#[test]
fn a_copy_from_block_to_block_goes_to_another_and_its_mbarrier() {
    let body = |to: &str, mbarrier: &str| {
        format!(
            "{START}@p mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 128;\n\
             st.shared.u32 [s+1024], thread; fence.proxy.async;\n{MEET}\
             mov.u32 block, %cluster_ctarank; xor.b32 block, block, 1; mov.u32 c, 0; mov.u32 d, 2048;\n\
             mapa.shared::cluster.u32 a, c, {to}; mapa.shared::cluster.u32 b, d, {mbarrier};\n\
             @p cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [a], [memory+1024], 128, [b];\n\
             {WAIT}ld.shared.u32 a, [s];\n{MEET}"
        )
    };
    for (to, mbarrier) in [("«0|block»", "«0|block»"), ("block", "«0|block»")] {
        // Block 0 is the first to come there. What it copies for itself is refused, and so is a copy to
        // block 1 that its own mbarrier counts.
        let (_, fault) = caught_in_cluster(2, 32, &body(to, mbarrier));
        assert_eq!(line(&fault), 10);
        assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    }
    // What comes is there after the wait; what is sent may be overwritten when it has come.
    let waits = |body: String| body.replace(WAIT, &format!("«|{WAIT}»"));
    let (_, fault) = caught_in_cluster(2, 32, &waits(body("block", "block")));
    let kind = fault.kind;
    assert!(
        matches!(
            *kind,
            FaultKind::PendingCopy { address: 0 } | FaultKind::UninitializedMemory { .. }
        ),
        "{kind}"
    );
    let sent = body("block", "block").replace(
        &format!("{WAIT}ld.shared.u32 a, [s];\n{MEET}"),
        &format!("{WAIT}«|{MEET}»st.shared.u32 [s+1024], 0;\n{MEET}"),
    );
    let (_, fault) = caught_in_cluster(2, 32, &sent);
    assert_eq!(race(&fault), ("shared", 1024, "what reads asynchronously", "write after read"));
}

#[test]
fn what_is_added_in_another_block_is_read_before_the_wait() {
    let body = format!(
        "{START}@p mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 128;\n\
         st.shared.u32 [s], 1; st.shared.u32 [s+1024], thread; fence.proxy.async;\n{MEET}\
         mov.u32 block, %cluster_ctarank; xor.b32 block, block, 1; mov.u32 c, 0; mov.u32 d, 2048;\n\
         mapa.shared::cluster.u32 a, c, block; mapa.shared::cluster.u32 b, d, block;\n\
         @p cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.u32 \
         [a], [memory+1024], 128, [b];\nbarrier.cluster.arrive.relaxed; barrier.cluster.wait;\n\
         «|{WAIT}»ld.shared.u32 a, [s];\n{MEET}"
    );
    let (_, fault) = caught_in_cluster(2, 32, &body);
    assert_eq!((line(&fault), *fault.kind), (12, FaultKind::PendingCopy { address: 0 }));
}

#[test]
fn global_memory_is_copied_that_was_written_without_a_proxy_fence() {
    for fence in ["|fence.proxy.async;", "fence.proxy.async.shared::cta;|fence.proxy.async.global;"]
    {
        let body =
            format!("{START}st.global.u32 [at], thread;\n«{fence}» bar.sync 0;\n{LOAD}{WAIT}");
        let (buffer, fault) = caught(1, 32, &body);
        let expected = FaultKind::MissingProxyFence { space: "global", address: buffer };
        assert_eq!((line(&fault), *fault.kind), (7, expected));
    }
    // What was written before the launch needs none, nor what a copy has written.
    let body = format!(
        "{START}st.shared.u32 [s+1024], thread;\nfence.proxy.async.shared::cta; bar.sync 0;\n\
         «st.global.u32 [at], thread;|@p cp.async.bulk.global.shared::cta.bulk_group [buffer], [memory+1024], 128;»\n\
         @p cp.async.bulk.commit_group;\n@p cp.async.bulk.wait_group 0;\nbar.sync 0;\n{LOAD}{WAIT}"
    );
    let (buffer, fault) = caught(1, 32, &body);
    let expected = FaultKind::MissingProxyFence { space: "global", address: buffer };
    assert_eq!((line(&fault), *fault.kind), (11, expected));
}

#[test]
fn blocks_store_to_the_same_place() {
    let body = format!(
        "{START}st.shared.u32 [s], thread;\nfence.proxy.async; bar.sync 0;\n\
         mad.wide.u32 at, block, «0|128», buffer;\n\
         @p cp.async.bulk.global.shared::cta.bulk_group [at], [memory], 128;\n\
         @p cp.async.bulk.commit_group;\n@p cp.async.bulk.wait_group 0;"
    );
    let (buffer, fault) = caught(2, 32, &body);
    let (space, address, _, order) = race(&fault);
    assert_eq!((space, address, order), ("global", buffer, "write after write"));
    // Sums of several blocks may meet.
    let sums = body
        .replace("cp.async.bulk.global", "cp.«|reduce.»async.bulk.global")
        .replace("bulk_group [at]", "bulk_group«|.add.u32» [at]")
        .replace("«0|128»", "0");
    assert_eq!(race(&caught(2, 32, &sums).1).0, "global");
}

#[test]
fn copies_of_threads_are_read_before_their_mbarrier_is_waited_for() {
    let start = START.replace("2048], 1;", "2048], 32;");
    let body = format!(
        "{start}cp.async.ca.shared.global [s], [at], 4;\n\
         cp.async.mbarrier.arrive.noinc.shared.b64 [memory+2048];\n«|{WAIT}»ld.shared.u32 a, [s];"
    );
    let (_, fault) = caught(1, 32, &body);
    assert_eq!((line(&fault), *fault.kind), (6, FaultKind::PendingCopy { address: 0 }));
    // Without .noinc there is one more to come for each.
    let body = format!(
        "{start}cp.async.ca.shared.global [s], [at], 4;\n\
         cp.async.mbarrier.arrive«|.noinc».shared.b64 [memory+2048];\n{WAIT}ld.shared.u32 a, [s];"
    );
    let (_, fault) = caught(1, 32, &body);
    let (rank, address, phase, bytes) = (0, 2048, 0, 0);
    let kind = FaultKind::MbarrierNotReached { rank, address, phase, arrivals: 32, bytes };
    assert_eq!(*fault.kind, kind);
}

/// A thread's copies arrive with each mbarrier that it tells of them.
#[test]
fn copies_are_there_for_those_who_wait_for_either_mbarrier() {
    let start =
        START.replace("2048], 1;", "2048], 32;\n@p mbarrier.init.shared.b64 [memory+2056], 32;");
    let wait = WAIT.replace("2048", "2056");
    let body = format!(
        "{start}cp.async.ca.shared.global [s], [at], 4;\n\
         cp.async.mbarrier.arrive.noinc.shared.b64 [memory+2048];\n\
         cp.async.mbarrier.arrive.noinc.shared.b64 [memory+2056];\n«|{wait}»ld.shared.u32 a, [s];"
    );
    let (_, fault) = caught(1, 32, &body);
    assert_eq!(*fault.kind, FaultKind::PendingCopy { address: 0 });
}

/// Who waits for an mbarrier knows of the copies of those that have told it, and not of those that the same
/// threads have told another of along with others.
#[test]
fn copies_are_there_for_those_alone_who_wait_for_their_mbarrier() {
    let start =
        START.replace("2048], 1;", "2048], 64;\n@p mbarrier.init.shared.b64 [memory+2056], 32;");
    // Both warps tell the first mbarrier of what they copy, and the second warp the other one too.
    let copy = format!(
        "{start}setp.gt.u32 p, thread, 31;\ncp.async.ca.shared.global [s], [at], 4;\n\
         cp.async.mbarrier.arrive.noinc.shared.b64 [memory+2048];\n"
    );
    let tell = "@p cp.async.mbarrier.arrive.noinc.shared.b64 [memory+2056];\n@!p bra end;\n";
    let other =
        WAIT.replace("2048", "2056").replace("wait: ", "other: ").replace("bra wait", "bra other");
    // That one's phase says nothing of what the first warp has copied.
    let body = format!("{copy}{tell}{other}xor.b32 s, s, «128|0»;\nld.shared.u32 a, [s];\nend:");
    let (_, fault) = caught(1, 64, &body);
    assert_eq!((line(&fault), *fault.kind), (13, FaultKind::PendingCopy { address: 0 }));
    let body =
        format!("{copy}{tell}{other}«|{WAIT}»xor.b32 s, s, 128;\nld.shared.u32 a, [s];\nend:");
    let (_, fault) = caught(1, 64, &body);
    assert_eq!((line(&fault), *fault.kind), (13, FaultKind::PendingCopy { address: 0 }));
    // Nor the first one's of what is copied later.
    let later = "cp.async.ca.shared.global [s+256], [at], 4;\n";
    let body = format!("{copy}{later}{tell}«|{other}»{WAIT}ld.shared.u32 a, [s+256];\nend:");
    let (_, fault) = caught(1, 64, &body);
    assert_eq!(*fault.kind, FaultKind::PendingCopy { address: 384 });
    // But what was copied before the one was told the other is told of as well.
    let body = format!(
        "{copy}{later}{tell}{other}ld.shared.u32 a, [s]; ld.shared.u32 a, [s+«128|256»];\nend:"
    );
    let (_, fault) = caught(1, 64, &body);
    assert_eq!(*fault.kind, FaultKind::PendingCopy { address: 256 });
}

/// A load of a box by the first thread, of `map` at some coordinates to an address. Two lines.
fn load_box(map: &str, coordinates: &str, to: &str) -> String {
    format!(
        "@p mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 128;\n\
         @p cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes \
         [memory+{to}], [{map}, {{{coordinates}}}], [memory+2048];\n"
    )
}

#[test]
fn boxes_that_cannot_be() {
    let (buffer, fault) =
        caught(1, 32, &format!("{START}{}{WAIT}", load_box("map", "0, «32|12»", "0")));
    let (space, address, bytes) = ("global", buffer + 4096, 32);
    match *fault.kind {
        FaultKind::OutOfBounds { space: s, address: a, bytes: b, .. } => {
            assert_eq!((s, a, b), (space, address, bytes));
        }
        other => panic!("{other}"),
    }
    let (_, fault) =
        caught(1, 32, &format!("{START}{}{WAIT}", load_box("map", "0, 0", "«64|128»")));
    let (space, address, alignment) = ("shared", 64, 128);
    assert_eq!(*fault.kind, FaultKind::Misaligned { space, address, alignment });
    let (_, fault) =
        caught(1, 32, &format!("{START}{}{WAIT}", load_box("map+«32|0»", "0, 0", "0")));
    assert!(matches!(*fault.kind, FaultKind::Misaligned { space: "param", alignment: 64, .. }));
    for (map, coordinates, story) in [
        ("map", "«2|4», 0", "no multiple of 16"),
        ("«buffer|map»", "0, 0", "there is no tensor map"),
        ("«x|map»", "0, 0", "in memory where none can be"),
        ("map", "«0|0, 0»", "1 coordinates for a tensor of rank 2"),
    ] {
        let load = load_box(map, coordinates, "0");
        let load = match coordinates {
            "«0|0, 0»" => load.replace("tensor.2d", "tensor.«1|2»d"),
            _ => load,
        };
        let body = format!("{START}mov.u64 x, 0; cvta.shared.u64 x, x; {load}{WAIT}");
        let (_, fault) = caught(1, 32, &body);
        assert!(fault.kind.to_string().contains(story), "{fault}");
        assert_eq!(line(&fault), 5);
    }
}

#[test]
fn a_tensor_map_that_was_written_without_a_proxy_fence() {
    // 16 threads copy the map into the buffer, and it is used there.
    let body = format!(
        "{START}mad.wide.u32 x, thread, 8, map; mad.wide.u32 at, thread, 8, buffer;\n\
         ld.u64 x, [x]; st.global.u64 [at], x;\n\
         «|fence.proxy.tensormap::generic.release.gpu;»\nbar.sync 0;\n\
         «|fence.proxy.tensormap::generic.acquire.gpu [buffer], 128;»\n{}{WAIT}",
        load_box("buffer", "0, 4", "0")
    );
    let (buffer, fault) = caught(1, 16, &body);
    let expected = FaultKind::MissingProxyFence { space: "global", address: buffer };
    assert_eq!((line(&fault), *fault.kind), (10, expected));
}
