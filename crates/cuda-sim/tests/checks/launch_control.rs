//! Requests for clusters, and what is made of the responses.

use cuda_sim::fault::{Fault, FaultKind};

use super::harness::{BLACKWELL, Case, caught_as, caught_on_blackwell, line, race};

/// `p` holds in the first thread. There is an mbarrier of one arrival at 2048. Four lines.
const START: &str = ".reg .b128 r; setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory+2048], 1;\n\
    @p fence.mbarrier_init.release.cluster;\nbarrier.cluster.arrive; barrier.cluster.wait;\n";

/// The first thread asks for a cluster, and gets the response at the start of shared memory. Two lines.
const ASK: &str = "@p mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 16;\n\
    @p clusterlaunchcontrol.try_cancel.async.shared::cta.mbarrier::complete_tx::bytes.b128 [memory], [memory+2048];\n";

/// All threads wait for the first response, or for the second. Two lines.
const WAIT: &str =
    "wait: mbarrier.try_wait.parity.shared.b64 q, [memory+2048], 0;\n@!q bra wait;\n";
const WAIT_AGAIN: &str =
    "again: mbarrier.try_wait.parity.shared.b64 q, [memory+2048], 1;\n@!q bra again;\n";

/// Whether it has been granted, in `q`. Two lines.
const READ: &str =
    "ld.shared.b128 r, [memory];\nclusterlaunchcontrol.query_cancel.is_canceled.pred.b128 q, r;\n";

/// What one block is caught at. There is no other, so that all requests fail.
fn caught(threads: u32, body: &str) -> Fault {
    caught_on_blackwell(1, threads, body).1
}

/// What 149 blocks are caught at, which is one more than find a multiprocessor.
fn caught_of_many(body: &str) -> Fault {
    let (device, is_cluster) = (BLACKWELL, false);
    caught_as(&Case { device, directives: "", blocks: 149, is_cluster, threads: 32, body }).1
}

#[test]
fn a_response_is_read_before_it_is_there() {
    let fault = caught(32, &format!("{START}{ASK}«|{WAIT}»{READ}"));
    assert_eq!((line(&fault), *fault.kind), (6, FaultKind::PendingCopy { address: 0 }));
    // By a relaxed wait it is not known of.
    let relaxed = WAIT.replace("parity.", "parity.«relaxed.cta|acquire.cta».");
    let fault = caught(64, &format!("{START}{ASK}{relaxed}{READ}"));
    assert_eq!((line(&fault), *fault.kind), (8, FaultKind::PendingCopy { address: 0 }));
}

#[test]
fn a_block_asks_again_after_a_request_has_failed() {
    let fault = caught(32, &format!("{START}{ASK}{WAIT}«{ASK}{WAIT_AGAIN}|»{READ}"));
    assert_eq!((line(&fault), *fault.kind), (9, FaultKind::RequestAfterFailure));
    // Whichever warp has seen it.
    let ask = ASK.replace("@p", "@q");
    let fault = caught(
        64,
        &format!(
            "{START}{ASK}{WAIT}«|exit;\n»bar.sync 0;\nsetp.eq.u32 q, thread, 32;\n{ask}{WAIT_AGAIN}"
        ),
    );
    assert_eq!(*fault.kind, FaultKind::RequestAfterFailure);
    // Before it is seen another may be made.
    let other = ASK.replace("[memory]", "[memory+16]");
    let fault = caught(32, &format!("{START}{ASK}«{WAIT}|»{other}{WAIT_AGAIN}"));
    assert_eq!((line(&fault), *fault.kind), (9, FaultKind::RequestAfterFailure));
}

#[test]
fn nobody_waits_for_a_response() {
    let fault = caught(32, &format!("{START}{ASK}«|{WAIT}»"));
    assert_eq!((line(&fault), *fault.kind), (5, FaultKind::UnseenResponse { granted: false }));
    assert_eq!(fault.thread, [0, 0, 0]);
    let fault = caught_of_many(&format!("{START}{ASK}«|{WAIT}»"));
    assert_eq!((line(&fault), *fault.kind), (5, FaultKind::UnseenResponse { granted: true }));
    // One that was made ahead, by another mbarrier, before the first was seen to fail.
    let start =
        START.replace("2048], 1;", "2048], 1;@p mbarrier.init.shared.b64 [memory+2056], 1;");
    let [ahead, wait] =
        [ASK, WAIT].map(|code| code.replace("2048", "2056").replace("[memory]", "[memory+16]"));
    let wait = wait.replace("wait: ", "ahead: ").replace("bra wait", "bra ahead");
    let fault = caught(32, &format!("{start}{ASK}{ahead}{WAIT}«|{wait}»"));
    assert_eq!((line(&fault), *fault.kind), (7, FaultKind::UnseenResponse { granted: false }));
    // Of several blocks each has its own.
    let all = ASK
        .replace(
            "@p cluster",
            "mov.u32 a, %cluster_ctarank; setp.eq.and.u32 q, a, 0, p; @q cluster",
        )
        .replace(".b128", ".multicast::cluster::all.b128");
    let meet = "barrier.cluster.arrive; barrier.cluster.wait;";
    let first = "setp.eq.u32 q, a, 0;\n@!q bra end;\n";
    let (_, fault) =
        caught_on_blackwell(2, 32, &format!("{START}{all}«{first}|»{WAIT}end: {meet}"));
    assert_eq!((line(&fault), *fault.kind), (5, FaultKind::UnseenResponse { granted: false }));
}

#[test]
fn a_cluster_is_taken_that_was_not_granted() {
    for first in [
        "clusterlaunchcontrol.query_cancel.get_first_ctaid.v4.b32.b128 {a, b, c, _}, r;",
        "clusterlaunchcontrol.query_cancel.get_first_ctaid::y.b32.b128 a, r;",
    ] {
        let fault = caught(32, &format!("{START}{ASK}{WAIT}{READ}«|@q »{first}"));
        assert_eq!(line(&fault), 10);
        assert!(fault.kind.to_string().contains("a request that has failed"), "{fault}");
    }
}

#[test]
fn the_fourth_element_is_used() {
    let body = format!(
        "mov.u32 d, 0; {START}{ASK}{WAIT}{READ}@!q bra end;\n\
         clusterlaunchcontrol.query_cancel.get_first_ctaid.v4.b32.b128 {{a, b, c, d}}, r;\nadd.u32 a, a, «d|c»;\nend:"
    );
    let fault = caught_of_many(&body);
    let register = "d".to_owned();
    assert_eq!((line(&fault), *fault.kind), (12, FaultKind::UninitializedRegister { register }));
    assert_eq!(fault.block, [0, 0, 0]);
}

#[test]
fn what_is_queried_is_no_response() {
    let fault = caught(
        32,
        &format!(
            "{START}{ASK}{WAIT}«|ld.shared.b128 r, [memory];»\n{}",
            READ.replace("ld.shared.b128 r, [memory];", "")
        ),
    );
    let register = "r".to_owned();
    assert_eq!((line(&fault), *fault.kind), (10, FaultKind::UninitializedRegister { register }));
    let fault =
        caught(32, &format!("{START}{ASK}{WAIT}{}", READ.replace("[memory]", "[memory+«16|0»]")));
    let (space, address) = ("shared", 16);
    assert_eq!((line(&fault), *fault.kind), (8, FaultKind::UninitializedMemory { space, address }));
    let made_up = "mov.b64 x, 1; mov.b128 r, {x, x};\n";
    let query = READ.split_once('\n').expect("there are two lines").1;
    let fault =
        caught(32, &format!("{START}{ASK}{WAIT}«{made_up}|ld.shared.b128 r, [memory];\n»{query}"));
    assert_eq!(line(&fault), 9);
    assert!(fault.kind.to_string().contains("no response"), "{fault}");
}

#[test]
fn responses_have_their_place_and_their_bytes() {
    let to = |to: &str| ASK.replace("[memory]", to);
    let fault = caught(32, &format!("{START}{}{WAIT}", to("[memory+«8|16»]")));
    let (space, address, alignment) = ("shared", 8, 16);
    assert_eq!(
        (line(&fault), *fault.kind),
        (5, FaultKind::Misaligned { space, address, alignment })
    );
    let fault = caught(32, &format!("{START}{}{WAIT}", to("[memory+«4096|16»]")));
    assert!(matches!(*fault.kind, FaultKind::OutOfBounds { space: "shared", .. }), "{fault}");
    let fault = caught(32, &format!("{START}{ASK}{WAIT}").replace("], 16;", "], «32|16»;"));
    let (rank, address, phase) = (0, 2048, 0);
    let kind = FaultKind::MbarrierNotReached { rank, address, phase, arrivals: 0, bytes: 16 };
    assert_eq!(*fault.kind, kind);
    // Generic addresses are those of the block's own shared memory.
    let generic = ASK.replace(".shared::cta", "").replace("[memory], [memory+2048]", "[at], [x]");
    let own = "mov.u64 x, memory; cvta.shared.u64 x, x; add.u64 at, x, 16; add.u64 x, x, 2048;\n";
    let fault = caught(32, &format!("{START}{own}«mov.u64 at, buffer;|»\n{generic}{WAIT}"));
    assert_eq!(line(&fault), 7);
    assert!(fault.kind.to_string().contains("not in the block's own shared memory"), "{fault}");
    let other = "mov.u32 a, %cluster_ctarank; xor.b32 a, a, «1|0»; mapa.u64 at, at, a;\n";
    let meet = "barrier.cluster.arrive; barrier.cluster.wait;";
    let (_, fault) =
        caught_on_blackwell(2, 32, &format!("{START}{own}{other}{generic}{WAIT}{meet}"));
    assert!(fault.kind.to_string().contains("not in the block's own shared memory"), "{fault}");
    assert_eq!(line(&fault), 7);
}

#[test]
fn a_response_is_overwritten_before_all_have_read_it() {
    let body = "«|bar.sync 0;»\n@p st.shared.u32 [memory], 0;";
    let fault = caught(64, &format!("{START}{ASK}{WAIT}{READ}{body}"));
    assert_eq!(race(&fault), ("shared", 0, "lane 1 of the warp", "write after read"));
    // A response is written as a copy is.
    let fault = caught(
        32,
        &format!("{START}st.shared.u32 [s], 0;\n«|fence.proxy.async;»\nbar.sync 0;\n{ASK}{WAIT}"),
    );
    let missing = FaultKind::MissingProxyFence { space: "shared", address: 0 };
    assert_eq!((line(&fault), *fault.kind), (8, missing));
}

#[test]
fn a_response_is_for_the_block_alone_or_for_all_of_its_cluster() {
    // The first block asks, the second waits too.
    let ask = |to: &str| {
        ASK.replace(
            "@p cluster",
            "mov.u32 a, %cluster_ctarank; setp.eq.and.u32 q, a, 0, p; @q cluster",
        )
        .replace(".b128", &format!("{to}.b128"))
    };
    let all = ask("«|.multicast::cluster::all»");
    let meet = "barrier.cluster.arrive; barrier.cluster.wait;";
    let (_, fault) = caught_on_blackwell(2, 32, &format!("{START}{all}{WAIT}{READ}«|{meet}»"));
    let (rank, address, phase) = (1, 2048, 0);
    let kind = FaultKind::MbarrierNotReached { rank, address, phase, arrivals: 0, bytes: 16 };
    assert_eq!(*fault.kind, kind);
    // All of them must be there.
    let all = ask(".multicast::cluster::all");
    let (_, fault) = caught_on_blackwell(
        2,
        32,
        &format!(
            "{START}mov.u32 a, %cluster_ctarank; setp.ne.u32 q, a, 0; barrier.cluster.arrive;\n«@q ret;|»\n\
             barrier.cluster.wait;\n{all}{WAIT}{READ}{meet}"
        ),
    );
    assert_eq!((line(&fault), *fault.kind), (8, FaultKind::ExitedBlock { rank: 1 }));
    let start = START.replace(meet, &format!("«|{meet}»"));
    let (_, fault) = caught_on_blackwell(2, 32, &format!("{start}{all}{WAIT}{READ}{meet}"));
    assert_eq!((line(&fault), *fault.kind), (5, FaultKind::UnstartedBlock { rank: 1 }));
}
