//! Faults of the blocks of a cluster.

use cuda_sim::fault::FaultKind;

use super::harness::{caught_in_cluster, line, race};

/// All blocks have begun, and `c` is this one's rank, `d` the other one's.
macro_rules! in_cluster {
    ($body:literal) => {
        concat!(
            "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n",
            "mov.u32 c, %cluster_ctarank; xor.b32 d, c, 1; setp.eq.u32 p, c, 0;\n",
            $body
        )
    };
}

fn invalid(body: &'static str, at: u32, what: &str) {
    let (_, fault) = caught_in_cluster(2, 32, body);
    let kind = FaultKind::InvalidOperand { what: what.to_owned() };
    assert_eq!((line(&fault), *fault.kind), (at, kind));
}

#[test]
fn a_barrier_of_the_cluster_that_a_block_does_not_reach() {
    let (_, fault) = caught_in_cluster(
        3,
        64,
        "mov.u32 c, %cluster_ctarank; setp.eq.u32 p, c, «1|9»;\n@p bra wait;\n\
         barrier.cluster.arrive; barrier.cluster.wait;\nbra end;\n\
         wait: bar.sync 1, 96;\nend:",
    );
    let expected = FaultKind::BarrierNotReached { barrier: None, arrived: 128, expected: 192 };
    assert_eq!((line(&fault), *fault.kind), (2, expected));
    assert_eq!((fault.block, fault.thread), ([0, 0, 0], [0, 0, 0]));
    // Part of a warp at a barrier that is said to take all of it.
    let (_, fault) = caught_in_cluster(
        2,
        32,
        "setp.gt.u32 p, thread, «15|99»;\n@p bra other;\nbarrier.cluster.arrive.aligned;\nbra join;\n\
         other: barrier.cluster.arrive.aligned;\njoin: barrier.cluster.wait.aligned;",
    );
    assert!(matches!(*fault.kind, FaultKind::Divergent { .. }), "{fault}");
}

#[test]
fn a_thread_arrives_twice_or_waits_without_arriving() {
    invalid(
        "barrier.cluster.arrive;\n«barrier.cluster.arrive;|»\nbarrier.cluster.wait;",
        1,
        "the thread arrives again before it has waited",
    );
    invalid(
        "«|barrier.cluster.arrive;»\nbarrier.cluster.wait;",
        1,
        "the thread waits without having arrived",
    );
}

#[test]
fn shared_memory_of_another_block_without_a_barrier_of_the_cluster() {
    // Read what the other block writes, and written over what it reads.
    let (_, fault) = caught_in_cluster(
        2,
        32,
        in_cluster!(
            "st.shared.u32 [s], thread;\n\
         «bar.sync 0;|barrier.cluster.arrive; barrier.cluster.wait;»\n\
         mapa.shared::cluster.u32 a, s, d;\nld.shared::cluster.u32 b, [a];\n\
         barrier.cluster.arrive; barrier.cluster.wait;"
        ),
    );
    assert_eq!((line(&fault), race(&fault)), (5, ("shared", 0, "warp 0", "read after write")));
    let (_, fault) = caught_in_cluster(
        2,
        32,
        in_cluster!(
            "st.shared.u32 [s], thread;\nbarrier.cluster.arrive; barrier.cluster.wait;\n\
         mapa.shared::cluster.u32 a, s, d;\nld.shared::cluster.u32 b, [a];\n\
         «|barrier.cluster.arrive; barrier.cluster.wait;»\nst.shared.u32 [s], b;\n\
         barrier.cluster.arrive; barrier.cluster.wait;"
        ),
    );
    let (_, _, other, order) = race(&fault);
    assert_eq!(other, "warp 0");
    assert!(
        matches!((line(&fault), order), (5, "read after write") | (7, "write after read")),
        "{fault}"
    );
    // Relaxed arrivals tell of nothing.
    let (_, fault) = caught_in_cluster(
        2,
        32,
        in_cluster!(
            "st.shared.u32 [s], thread;\nbarrier.cluster.arrive«.relaxed|»; barrier.cluster.wait;\n\
         mapa.shared::cluster.u32 a, s, d;\nld.shared::cluster.u32 b, [a];\n\
         barrier.cluster.arrive; barrier.cluster.wait;"
        ),
    );
    assert_eq!((line(&fault), race(&fault).3), (5, "read after write"));
    // What is written between arriving and waiting is not told, within a warp either.
    let (_, fault) = caught_in_cluster(
        2,
        32,
        "«|st.shared.u32 [s], thread;» barrier.cluster.arrive;\n«st.shared.u32 [s], thread;|»\n\
         barrier.cluster.wait;\nxor.b32 a, s, 4; ld.shared.u32 b, [a];",
    );
    assert_eq!((line(&fault), race(&fault).2), (3, "lane 1 of the warp"));
}

#[test]
fn a_race_names_the_block_of_the_other() {
    let (_, fault) = caught_in_cluster(
        2,
        32,
        in_cluster!(
            "st.shared.u32 [s], c;\nbarrier.cluster.arrive; barrier.cluster.wait;\n\
         mapa.shared::cluster.u32 a, s, 1;\n@!p bra read;\nst.shared::cluster.u32 [a], c;\n\
         st.«relaxed|release».gpu.global.u32 [other], 1;\nbra end;\n\
         read: ld.«relaxed|acquire».gpu.global.u32 b, [other];\nsetp.ne.u32 q, b, 1;\n@q bra read;\n\
         ld.shared.u32 b, [s];\nend: barrier.cluster.arrive; barrier.cluster.wait;"
        ),
    );
    assert_eq!(race(&fault).2, "warp 0 of block 0 of the cluster");
}

#[test]
fn shared_memory_of_a_block_that_has_not_begun() {
    for begin in [
        "barrier.cluster.arrive; barrier.cluster.wait;",
        "barrier.cluster.arrive.relaxed; barrier.cluster.wait;",
    ] {
        let body = format!(
            "mov.u32 c, %cluster_ctarank; xor.b32 d, c, 1; mapa.shared::cluster.u32 a, s, d;\n«|{begin}»\n\
             st.shared::cluster.u32 [a], c;\nbarrier.cluster.arrive; barrier.cluster.wait;"
        );
        let (_, fault) = caught_in_cluster(2, 32, body.leak());
        assert_eq!((line(&fault), &*fault.kind), (2, &FaultKind::UnstartedBlock { rank: 1 }));
    }
}

#[test]
fn shared_memory_of_a_block_that_has_exited() {
    let (_, fault) = caught_in_cluster(
        2,
        32,
        in_cluster!(
            "st.shared.u32 [s], c;\nbarrier.cluster.arrive; barrier.cluster.wait;\n\
         @p bra last;\nmapa.shared::cluster.u32 a, s, d;\nld.shared::cluster.u32 b, [a];\n\
         last: «|barrier.cluster.arrive; barrier.cluster.wait;»"
        ),
    );
    // In the planted kernel block 0 has exited when block 1 reads.
    assert_eq!((line(&fault), fault.block), (6, [1, 0, 0]));
    assert_eq!(*fault.kind, FaultKind::ExitedBlock { rank: 0 });
}

#[test]
fn addresses_of_blocks_that_there_are_not() {
    invalid("mapa.shared::cluster.u32 a, s, «2|1»;", 0, "block 2 of a cluster of 2");
    let (buffer, fault) = caught_in_cluster(
        2,
        32,
        "mov.u64 x, 16; cvta.shared.u64 x, x;\nmapa.u64 x, «buffer|x», 1;",
    );
    let what = format!("{buffer:#x}, which is not in shared memory");
    assert_eq!((line(&fault), *fault.kind), (1, FaultKind::InvalidOperand { what }));
    // Plain addresses of shared memory are of the block's own.
    let (_, fault) = caught_in_cluster(
        2,
        32,
        in_cluster!(
            "st.shared.u32 [s], c;\nmapa.shared::cluster.u32 a, s, c;\nld.shared«|::cluster».u32 b, [a];"
        ),
    );
    assert!(matches!(*fault.kind, FaultKind::OutOfBounds { space: "shared", .. }), "{fault}");
    // Only arrivals go to another block's mbarrier.
    let (_, fault) = caught_in_cluster(
        2,
        1,
        in_cluster!(
            "mbarrier.init.shared.b64 [memory], 1; mov.u64 x, 0; cvta.shared.u64 x, x; mapa.u64 x, x, «d|c»;\n\
         barrier.cluster.arrive; barrier.cluster.wait;\nmbarrier.test_wait.parity.b64 q, [x], 1;\n\
         barrier.cluster.arrive; barrier.cluster.wait;"
        ),
    );
    let what = "an mbarrier of block 1 of the cluster, expected its own".to_owned();
    assert_eq!((line(&fault), *fault.kind), (4, FaultKind::InvalidOperand { what }));
}

#[test]
fn an_asynchronous_store_that_is_not_waited_for() {
    let (_, fault) = caught_in_cluster(
        2,
        1,
        in_cluster!(
            "mbarrier.init.shared.b64 [memory], 1; mov.u32 s, 0;\n\
         mbarrier.arrive.expect_tx.shared.b64 _, [memory], 4; mapa.shared::cluster.u32 a, s, d;\n\
         barrier.cluster.arrive; barrier.cluster.wait;\n\
         st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [a+64], c, [a];\n\
         barrier.cluster.arrive; barrier.cluster.wait;\n\
         «|wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0; @!q bra wait;»\nld.shared.u32 b, [memory+64];\n\
         barrier.cluster.arrive; barrier.cluster.wait;"
        ),
    );
    assert_eq!((line(&fault), &*fault.kind), (8, &FaultKind::PendingCopy { address: 64 }));
    let (_, fault) = caught_in_cluster(
        2,
        1,
        in_cluster!(
            "mbarrier.init.shared.b64 [memory], 1; mov.u32 s, 0;\n\
         mbarrier.arrive.expect_tx.shared.b64 _, [memory], 4; mapa.shared::cluster.u32 a, s, d;\n\
         barrier.cluster.arrive; barrier.cluster.wait;\n\
         st.async.shared::cluster.mbarrier::complete_tx::bytes.b32 [a+64], c, [«s|a»];\n\
         wait: mbarrier.try_wait.parity.shared.b64 q, [memory], 0;\n@!q bra wait;\n\
         barrier.cluster.arrive; barrier.cluster.wait;"
        ),
    );
    let what = "a store to block 1 of the cluster that an mbarrier of block 0 counts".to_owned();
    assert_eq!((line(&fault), *fault.kind), (5, FaultKind::InvalidOperand { what }));
}

#[test]
fn a_thread_that_arrives_and_exits_stands_for_nobody_else() {
    // The second warps exit, and the first ones still wait for each other.
    let (_, fault) = caught_in_cluster(
        2,
        64,
        in_cluster!(
            "mapa.shared::cluster.u32 a, s, 1; setp.gt.u32 q, thread, 31;\n@q barrier.cluster.arrive;\n@q bra end;\n\
         @p st.shared::cluster.u32 [a], thread;\n«|barrier.cluster.arrive; barrier.cluster.wait;»\n\
         @!p ld.shared.u32 b, [s];\nend:"
        ),
    );
    // Who comes first decides what it is: the other block is done, or has not written yet.
    assert!(line(&fault) == 5 || line(&fault) == 7, "{fault}");
}
