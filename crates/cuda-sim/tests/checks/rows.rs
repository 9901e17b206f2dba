//! Copies of four rows, which are not waited for or cannot be.

use cuda_sim::fault::FaultKind;

use super::harness::{caught_on_blackwell, line, race};

/// `p` holds in the first thread. There is an mbarrier of one arrival at 2048. Five lines.
const START: &str = "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory+2048], 1;\n\
    @p fence.mbarrier_init.release.cluster;\nbarrier.cluster.arrive; barrier.cluster.wait;\n\
    mov.u32 block, %cluster_ctarank;\n";

/// All threads wait for its first phase. Two lines.
const WAIT: &str =
    "wait: mbarrier.try_wait.parity.shared.b64 q, [memory+2048], 0;\n@!q bra wait;\n";

/// Four rows come to the start of shared memory, or whatever else is copied there. Two lines.
fn gather(map: &str, coordinates: &str, to: &str) -> String {
    format!(
        "@p mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 128;\n\
         @p cp.async.bulk.tensor.2d.shared::cta.global.tile::gather4.mbarrier::complete_tx::bytes \
         [memory+{to}], [{map}, {{{coordinates}}}], [memory+2048];\n"
    )
}

/// The start of shared memory goes to four rows. Two lines.
fn scatter(coordinates: &str) -> String {
    format!(
        "@p cp.async.bulk.tensor.2d.global.shared::cta.tile::scatter4.bulk_group \
         [rows, {{{coordinates}}}], [memory];\n@p cp.async.bulk.commit_group;\n"
    )
}

#[test]
fn rows_are_read_or_overwritten_before_the_wait() {
    let gather = gather("rows", "0, 3, -1, 7, 0", "0");
    for access in ["ld.shared.u32 a, [s];", "st.shared.u32 [s], 0;"] {
        let (_, fault) = caught_on_blackwell(1, 32, &format!("{START}{gather}«|{WAIT}»{access}"));
        assert_eq!((line(&fault), *fault.kind), (7, FaultKind::PendingCopy { address: 0 }));
    }
    // Another copy to the same place must wait too, and threads' stores must be fenced.
    let again = gather.replace("cta.b64", "b64");
    let body = format!(
        "{START}{gather}«|{WAIT}bar.sync 0;\n»{again}{}",
        WAIT.replace("wait", "then").replace("try_then", "try_wait").replace(", 0;", ", «0|1»;")
    );
    let (_, fault) = caught_on_blackwell(1, 32, &body);
    assert_eq!((line(&fault), *fault.kind), (8, FaultKind::PendingCopy { address: 0 }));
    let body =
        format!("{START}st.shared.u32 [s], 0;\n«|fence.proxy.async;»\nbar.sync 0;\n{gather}{WAIT}");
    let (_, fault) = caught_on_blackwell(1, 32, &body);
    let missing = FaultKind::MissingProxyFence { space: "shared", address: 0 };
    assert_eq!((line(&fault), *fault.kind), (9, missing));
}

#[test]
fn other_bytes_than_those_of_four_rows_are_expected() {
    // Those that are outside of the tensor count too.
    let gather = gather("rows", "0, 3, -1, 7, 0", "0");
    let (_, fault) = caught_on_blackwell(
        1,
        32,
        &format!("{START}{}{WAIT}", gather.replace(", 128;", ", «96|128»;")),
    );
    let (rank, address, phase) = (0, 2048, 0);
    let kind = FaultKind::MbarrierNotReached { rank, address, phase, arrivals: 0, bytes: -32 };
    assert_eq!(*fault.kind, kind);
}

#[test]
fn rows_that_cannot_be() {
    // The map claims rows that are not there.
    let body = format!("{START}{}{WAIT}", gather("rows", "0, 0, «32|12», 1, 2", "0"));
    let (buffer, fault) = caught_on_blackwell(1, 32, &body);
    match *fault.kind {
        FaultKind::OutOfBounds { space: "global", address, bytes: 32, .. } => {
            assert_eq!(address, buffer + 4096);
        }
        other => panic!("{other}"),
    }
    let body = format!("{START}{}{WAIT}", gather("rows", "0, 0, 1, 2, 3", "«64|128»"));
    let (_, fault) = caught_on_blackwell(1, 32, &body);
    let (space, address, alignment) = ("shared", 64, 128);
    assert_eq!(*fault.kind, FaultKind::Misaligned { space, address, alignment });
    let (_, fault) = caught_on_blackwell(
        1,
        32,
        &format!("{START}{}{WAIT}", gather("rows", "0, 0, 1, 2, 3", "«4096|1920»")),
    );
    assert!(matches!(*fault.kind, FaultKind::OutOfBounds { space: "shared", .. }), "{fault}");
    for (map, coordinates, story) in [
        ("rows", "«2|4», 0, 1, 2, 3", "no multiple of 16"),
        ("«map|rows»", "0, 0, 1, 2, 3", "whose box has 4 of them, expected one"),
    ] {
        let body = format!("{START}{}{WAIT}", gather(map, coordinates, "0"));
        let (_, fault) = caught_on_blackwell(1, 32, &body);
        assert!(fault.kind.to_string().contains(story), "{fault}");
        assert_eq!(line(&fault), 6);
    }
}

#[test]
fn rows_are_stored() {
    let start = format!("{START}st.shared.u32 [s], thread;\n«|fence.proxy.async;»\nbar.sync 0;\n");
    let wait = "@p cp.async.bulk.wait_group 0;\n";
    let body = format!("{start}{}{wait}", scatter("0, 3, -1, 7, 0"));
    let (_, fault) = caught_on_blackwell(1, 32, &body);
    let missing = FaultKind::MissingProxyFence { space: "shared", address: 0 };
    assert_eq!((line(&fault), *fault.kind), (8, missing));
    let start = start.replace("«|fence.proxy.async;»", "fence.proxy.async;");
    let body = format!(
        "{start}{}«|{wait}bar.sync 0;\n»st.shared.u32 [s], 0;\n«{wait}|»",
        scatter("0, 3, -1, 7, 0")
    );
    let (_, fault) = caught_on_blackwell(1, 32, &body);
    assert_eq!(race(&fault), ("shared", 0, "what reads asynchronously", "write after read"));
    let body = format!("{start}{}«|{wait}»", scatter("0, 3, -1, 7, 0"));
    let (_, fault) = caught_on_blackwell(1, 32, &body);
    assert_eq!(*fault.kind, FaultKind::UnfinishedCopy { committed: true });
    // Which of two rows that go to the same place stays there nobody says. Outside there is no such place.
    let body = format!("{start}{}{wait}", scatter("0, «3|-1», -1, 7, 3"));
    let (_, fault) = caught_on_blackwell(1, 32, &body);
    assert!(fault.kind.to_string().contains("stands twice"), "{fault}");
    assert_eq!(line(&fault), 8);
}

/// Block 0 starts a copy to a block's shared memory that an mbarrier of another counts. Both are told by a
/// barrier that it has come. Six lines more than the start.
fn of_pair(to: &str, mbarrier: &str, group: &str) -> String {
    format!(
        "{START}setp.eq.and.u32 q, block, {mbarrier}, p; mov.u32 c, memory; add.u32 d, c, 2048;\n\
         @q mbarrier.arrive.expect_tx.shared.b64 _, [memory+2048], 128;\n\
         setp.eq.and.u32 q, block, 0, p; mapa.shared::cluster.u32 a, c, {to}; mapa.shared::cluster.u32 b, d, {mbarrier};\n\
         @q cp.async.bulk.tensor.2d.shared::cluster.global.tile::gather4.mbarrier::complete_tx::bytes{group} \
         [a], [rows, {{0, 1, 2, 3, 4}}], [b];\n"
    )
}

#[test]
fn an_mbarrier_counts_for_another_pair() {
    let wait = format!(
        "setp.ne.u32 q, block, 1;\n@q bra told;\n{WAIT}told: barrier.cluster.arrive;\nbarrier.cluster.wait;\n"
    );
    for (to, group) in [
        ("«2|0»", ".cta_group::2"),
        ("«3|1»", ".cta_group::2"),
        ("0", "«|.cta_group::2»"),
        ("0", ".cta_group::«1|2»"),
    ] {
        let (_, fault) = caught_on_blackwell(4, 32, &format!("{}{wait}", of_pair(to, "1", group)));
        assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
        assert!(fault.kind.to_string().contains("that an mbarrier of block 1 counts"), "{fault}");
        assert_eq!(line(&fault), 8);
    }
    // Who does not wait there does not know of it.
    let body = format!(
        "{}setp.ne.u32 q, block, 1;\n@q bra told;\n«|{WAIT}»told: barrier.cluster.arrive;\nbarrier.cluster.wait;\n\
         ld.shared.u32 a, [s];\nbarrier.cluster.arrive; barrier.cluster.wait;",
        of_pair("0", "1", ".cta_group::2")
    );
    let body = body.replace("ld.shared.u32 a", "setp.eq.u32 q, block, 0;\n@q ld.shared.u32 a");
    let (_, fault) = caught_on_blackwell(2, 32, &body);
    assert_eq!((line(&fault), *fault.kind), (14, FaultKind::PendingCopy { address: 0 }));
}
