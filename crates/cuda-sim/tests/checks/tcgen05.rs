//! Faults around `tcgen05`.

use cuda_sim::fault::{Fault, FaultKind};

use super::harness::{Case, caught_as, line, race};

/// One line: registers, and shared memory with zeros in it: A of 64 rows at address 0 and B of 16 columns at 2048, in
/// core matrices, with the descriptors `da` and `db`. There is an mbarrier at 2560; 64 columns of tensor memory are
/// allocated by warp 0, whose address goes to 2600. `i` is the descriptor of products with N = 8, and `wide` of those
/// with N = 16.
const START: &str = ".reg .b32 base, to, zero, i, wide, r<4>; .reg .b64 da, db; .reg .pred first, never, always; \
    mov.b32 zero, 0; mov.b32 i, 0x4020490; mov.b32 wide, 0x4040490; mov.b64 da, 0x401000080000; \
    add.u64 db, da, 128; setp.eq.u32 first, thread, 0; setp.eq.u32 always, zero, 0; setp.ne.u32 never, zero, 0; \
    shl.b32 s, s, 2; st.shared.v4.b32 [s], {zero, zero, zero, zero}; setp.lt.u32 p, thread, 32; \
    @p st.shared.v4.b32 [s+2048], {zero, zero, zero, zero}; @first mbarrier.init.shared.b64 [memory+2560], 1; \
    @first fence.mbarrier_init.release.cluster; @!p bra known; \
    tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [memory+2600], 64; known: \n";

/// What makes all of that known to all. `to` is the address of the warp's own lanes.
const KNOWN: &str = "fence.proxy.async; bar.sync 0; ld.shared.u32 base, [memory+2600]; shr.u32 to, thread, 5; \
    shl.b32 to, to, 21; add.u32 to, to, base;\n";
const MULTIPLY: &str = "@first tcgen05.mma.cta_group::1.kind::f16 [base], da, db, i, never;\n";
const ACCUMULATE: &str = "@first tcgen05.mma.cta_group::1.kind::f16 [base], da, db, i, always;\n";
const COMMIT: &str =
    "@first tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [memory+2560];\n";
/// One line.
const WAIT: &str = "wait: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 0; @!p bra wait;\n";
const BEFORE: &str = "tcgen05.fence::before_thread_sync;\n";
const AFTER: &str = "tcgen05.fence::after_thread_sync;\n";
const STORE: &str = "tcgen05.st.sync.aligned.16x64b.x4.b32 [to], {zero, zero, zero, zero};\n";
const LOAD: &str = "tcgen05.ld.sync.aligned.16x64b.x4.b32 {r0, r1, r2, r3}, [to];\n";
const STORED: &str = "tcgen05.wait::st.sync.aligned;\n";
const LOADED: &str = "tcgen05.wait::ld.sync.aligned;\n";
/// One line: warp 0 gives the columns back.
const END: &str = "bar.sync 0; setp.ge.u32 p, thread, 32; @p bra end; \
    tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, 64; end:\n";

/// What a block of 128 threads is caught at, or a cluster of them.
fn caught_in(blocks: u32, parts: &[&str]) -> Fault {
    let body = parts.concat();
    let is_cluster = blocks > 1;
    let device = "sm_100";
    caught_as(&Case { device, directives: "", blocks, is_cluster, threads: 128, body: &body }).1
}

fn caught(parts: &[&str]) -> Fault {
    caught_in(1, parts)
}

/// The same after the start, whose lines are the first two, and with all given back at the end.
fn caught_after(parts: &[&str]) -> Fault {
    caught(&[&[START, KNOWN], parts, &[END]].concat())
}

/// Which operation on tensor memory came first, and in what order the two are.
fn tensor_race(fault: &Fault) -> (&str, &str) {
    match &*fault.kind {
        FaultKind::TensorRace { other, order, .. } => (other, order),
        other => panic!("no race in tensor memory: {other}"),
    }
}

/// Which operation on tensor memory came first, and what fence is missing.
fn missing_fence(fault: &Fault) -> (&str, &str) {
    match &*fault.kind {
        FaultKind::MissingTensorFence { other, fence, .. } => (other, fence),
        other => panic!("no missing fence: {other}"),
    }
}

#[test]
fn cells_that_nothing_has_written() {
    let fault = caught_after(&[
        "«|tcgen05.st.sync.aligned.16x64b.x4.b32 [to], {zero, zero, zero, zero};»\n",
        STORED,
        LOAD,
        LOADED,
    ]);
    // The first of the 64 columns is the 449th.
    let expected = FaultKind::UninitializedMemory { space: "tensor", address: 448 };
    assert_eq!((line(&fault), *fault.kind), (4, expected));
    // D, where it is added to.
    let adds = "@first tcgen05.mma.cta_group::1.kind::f16 [base], da, db, i, «always|never»;\n";
    let fault = caught_after(&[adds, COMMIT, WAIT]);
    let expected = FaultKind::UninitializedMemory { space: "tensor", address: 448 };
    assert_eq!((line(&fault), fault.thread, *fault.kind), (2, [0, 0, 0], expected));
    // A, and what a shift moves.
    for issue in [
        "@first tcgen05.mma.cta_group::1.kind::f16 [base], [base+«16|32»], db, i, never;\n",
        "@first tcgen05.shift.cta_group::1.down [base+«8|32»];\n",
    ] {
        let store = "tcgen05.st.sync.aligned.32x32b.x8.b32 [to+32], {zero, zero, zero, zero, zero, zero, zero, zero};\n";
        let fault =
            caught_after(&[store, STORED, BEFORE, "bar.sync 0;\n", AFTER, issue, COMMIT, WAIT]);
        assert!(
            matches!(*fault.kind, FaultKind::UninitializedMemory { space: "tensor", .. }),
            "{fault}"
        );
        assert_eq!(line(&fault), 7);
    }
}

#[test]
fn operands_in_shared_memory_that_are_not_there() {
    let known = KNOWN.replace("fence.proxy.async; bar", "«|fence.proxy.async;» bar");
    for issue in [MULTIPLY, "@first tcgen05.cp.cta_group::1.32x128b.warpx4 [base], da;\n"] {
        let fault = caught(&[START, &known, issue, COMMIT, WAIT, END]);
        let expected = FaultKind::MissingProxyFence { space: "shared", address: 0 };
        let expected = match issue {
            // B is read first.
            MULTIPLY => FaultKind::MissingProxyFence { space: "shared", address: 2048 },
            _ => expected,
        };
        assert_eq!((line(&fault), *fault.kind), (2, expected), "{issue}");
    }
    // What a copy still brings.
    let copy = "@first mbarrier.init.shared.b64 [memory+2568], 1; @first fence.mbarrier_init.release.cluster; bar.sync 0; \
        @first mbarrier.arrive.expect_tx.shared.b64 _, [memory+2568], 16; \
        @first cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [memory+16], [buffer], 16, [memory+2568];\n\
        «|copied: mbarrier.try_wait.parity.shared.b64 p, [memory+2568], 0; @!p bra copied;»\n";
    let wait = "bar.sync 0; late: mbarrier.try_wait.parity.shared.b64 p, [memory+2568], 0; @!p bra late;\n";
    let fault = caught_after(&[copy, MULTIPLY, COMMIT, WAIT, wait]);
    assert_eq!((line(&fault), *fault.kind), (4, FaultKind::PendingCopy { address: 16 }));
}

#[test]
fn operands_that_are_overwritten_while_they_are_read() {
    let wait = "«|wait: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 0; @!p bra wait;»\n";
    let end = "bar.sync 0; late: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 0; @!p bra late;\n";
    let fault =
        caught_after(&[MULTIPLY, COMMIT, wait, "bar.sync 0; st.shared.u32 [s], zero;\n", end]);
    let expected = ("shared", 0, "what reads asynchronously", "write after read");
    assert_eq!((line(&fault), race(&fault)), (5, expected));
    // A product that comes after the commit is not waited for.
    let again = "«@first tcgen05.mma.cta_group::1.kind::f16 [base], da, db, i, always;|»\n";
    let commit = COMMIT.replace("2560", "2568");
    let start = START
        .replace("@first fence", "@first mbarrier.init.shared.b64 [memory+2568], 1; @first fence");
    let end = end.replace("2560", "2568");
    let write = "bar.sync 0; st.shared.u32 [s], zero;\n";
    let fault = caught(&[&start, KNOWN, MULTIPLY, COMMIT, again, WAIT, write, &commit, &end, END]);
    assert_eq!((line(&fault), race(&fault)), (6, expected));
}

#[test]
fn a_commit_tells_of_what_products_know_alone() {
    // What the thread itself has stored since its proxy fence is not among it.
    let write = "@first st.shared.u32 [memory+2700], zero;\n";
    let read = "«|bar.sync 0;»\nsetp.gt.u32 p, thread, 31; @p ld.shared.u32 a, [memory+2700];\n";
    let fault = caught_after(&[MULTIPLY, write, COMMIT, WAIT, read]);
    assert_eq!((line(&fault), race(&fault).3), (7, "read after write"));
    // What it has stored before others may overwrite.
    caught_after(&[
        MULTIPLY,
        COMMIT,
        WAIT,
        "setp.eq.u32 p, thread, 127; @p st.shared.u32 [memory], zero;\n«bar.sync 1, 160;|»\n",
    ]);
}

#[test]
fn results_that_are_not_waited_for() {
    let wait = "«|wait: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 0; @!p bra wait;»\n";
    let end = "bar.sync 0; late: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 0; @!p bra late;\n";
    let fault = caught_after(&[MULTIPLY, COMMIT, wait, AFTER, LOAD, LOADED, end]);
    assert_eq!(line(&fault), 6);
    assert_eq!(tensor_race(&fault), ("tcgen05.mma of warp 0", "read after write"));
    // Nor by a barrier of the block, or by a fence.
    let wait = wait.replace("«|wait", "bar.sync 0; «|wait");
    let fault = caught_after(&[MULTIPLY, BEFORE, COMMIT, &wait, AFTER, LOAD, LOADED, end]);
    assert_eq!(tensor_race(&fault), ("tcgen05.mma of warp 0", "read after write"));
    // Those of the thread that issues them neither.
    let alone = "tcgen05.ld.sync.aligned.32x32b.x1.b32 {r0}, [to];\n";
    let first = "setp.ge.u32 p, thread, 32; @p bra over;\n";
    let over = "over: bar.sync 0; late: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 0; @!p bra late;\n";
    let cp = "@first tcgen05.cp.cta_group::1.32x128b.warpx4 [base], da;\n";
    let wait = "«|wait: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 0; @!p bra wait;»\n";
    let fault = caught_after(&[cp, COMMIT, first, wait, AFTER, alone, LOADED, over]);
    assert_eq!(tensor_race(&fault), ("tcgen05.cp of warp 0", "read after write"));
}

#[test]
fn results_that_no_fence_comes_after() {
    let after = "«|tcgen05.fence::after_thread_sync;»\n";
    let fault = caught_after(&[MULTIPLY, COMMIT, WAIT, after, LOAD, LOADED]);
    assert_eq!(line(&fault), 6);
    assert_eq!(missing_fence(&fault), ("tcgen05.mma of warp 0", "after_thread_sync"));
    // Before the wait is too early.
    let fault = caught_after(&[MULTIPLY, COMMIT, AFTER, WAIT, after, LOAD, LOADED]);
    assert_eq!(missing_fence(&fault), ("tcgen05.mma of warp 0", "after_thread_sync"));
    // A relaxed wait does too.
    let wait = WAIT.replace("parity", "parity.relaxed.cta");
    let fault = caught_after(&[MULTIPLY, COMMIT, &wait, after, LOAD, LOADED]);
    assert!(matches!(*fault.kind, FaultKind::TensorRace { .. }), "{fault}");
}

#[test]
fn threads_that_no_fence_orders() {
    // Each warp stores its part of D, to which a thread adds.
    let (before, after) =
        ("«|tcgen05.fence::before_thread_sync;»\n", "«|tcgen05.fence::after_thread_sync;»\n");
    let barrier = "bar.sync 0;\n";
    let fault = caught_after(&[STORE, STORED, before, barrier, AFTER, ACCUMULATE, COMMIT, WAIT]);
    assert_eq!(
        (line(&fault), missing_fence(&fault)),
        (7, ("tcgen05.st of warp 1", "before_thread_sync"))
    );
    let fault = caught_after(&[STORE, STORED, BEFORE, barrier, after, ACCUMULATE, COMMIT, WAIT]);
    assert_eq!(
        (line(&fault), missing_fence(&fault)),
        (7, ("tcgen05.st of warp 1", "after_thread_sync"))
    );
    // The fence tells of what was waited for before alone.
    let late = "«|tcgen05.wait::st.sync.aligned;»\n";
    let fault =
        caught_after(&[STORE, late, BEFORE, STORED, barrier, AFTER, ACCUMULATE, COMMIT, WAIT]);
    assert_eq!(missing_fence(&fault), ("tcgen05.st of warp 1", "before_thread_sync"));
    // And each thread's own.
    let some =
        "setp.lt.u32 p, thread, 64; «@p bra over;|» tcgen05.fence::before_thread_sync;\nover:\n";
    let fault = caught_after(&[STORE, STORED, some, barrier, AFTER, ACCUMULATE, COMMIT, WAIT]);
    assert_eq!(missing_fence(&fault), ("tcgen05.st of warp 1", "before_thread_sync"));
    // A barrier is needed too.
    let fault = caught_after(&[
        STORE,
        STORED,
        BEFORE,
        "«|bar.sync 0;»\n",
        AFTER,
        ACCUMULATE,
        COMMIT,
        WAIT,
        "bar.sync 0;",
    ]);
    assert!(
        matches!(*fault.kind, FaultKind::UninitializedMemory { .. } | FaultKind::TensorRace { .. }),
        "{fault}"
    );
}

/// By arrivals and waits that order execution alone.
#[test]
fn threads_that_relaxed_operations_order() {
    let start = START.replace(
        "@first fence",
        "@first mbarrier.init.shared.b64 [memory+2568], 128; @first fence",
    );
    let arrive = "mbarrier.arrive.relaxed.cta.shared::cta.b64 _, [memory+2568];\n\
        stored: mbarrier.try_wait.parity.relaxed.cta.shared::cta.b64 p, [memory+2568], 0; @!p bra stored;\n";
    let (before, after) =
        ("«|tcgen05.fence::before_thread_sync;»\n", "«|tcgen05.fence::after_thread_sync;»\n");
    for (before, after) in [(before, AFTER), (BEFORE, after)] {
        let parts = [STORE, STORED, before, arrive, after, ACCUMULATE, COMMIT, WAIT];
        let fault = caught(&[&[start.as_str(), KNOWN], &parts[..], &[END]].concat());
        assert_eq!(tensor_race(&fault), ("tcgen05.st of warp 1", "write after write"));
    }
}

#[test]
fn accesses_of_one_warp_that_are_not_waited_for() {
    let (stored, loaded) =
        ("«|tcgen05.wait::st.sync.aligned;»\n", "«|tcgen05.wait::ld.sync.aligned;»\n");
    let fault = caught_after(&[STORE, stored, LOAD, LOADED, STORED]);
    assert_eq!(
        (line(&fault), tensor_race(&fault)),
        (4, ("tcgen05.st of warp 0", "read after write"))
    );
    let fault = caught_after(&[STORE, stored, STORE, STORED]);
    assert_eq!(
        (line(&fault), tensor_race(&fault)),
        (4, ("tcgen05.st of warp 0", "write after write"))
    );
    let fault = caught_after(&[STORE, STORED, LOAD, loaded, STORE, STORED, LOADED]);
    assert_eq!(
        (line(&fault), tensor_race(&fault)),
        (6, ("tcgen05.ld of warp 0", "write after read"))
    );
    // A wait for stores is not one for loads.
    let fault = caught_after(&[
        STORE,
        STORED,
        LOAD,
        "tcgen05.wait::«st|ld».sync.aligned;\n",
        STORE,
        STORED,
        LOADED,
    ]);
    assert_eq!(tensor_race(&fault), ("tcgen05.ld of warp 0", "write after read"));
    // Loads need not wait for each other.
    caught_after(&[
        STORE,
        STORED,
        LOAD,
        "tcgen05.ld.sync.aligned.16x64b.x1.b32 {«r3|a»}, [to];\n",
        LOADED,
    ]);
}

#[test]
fn accumulators_that_are_loaded_while_they_are_overwritten() {
    let wait = "«|tcgen05.wait::ld.sync.aligned;»\n";
    let barrier = "bar.sync 0;\n";
    let again = [
        MULTIPLY,
        "@first tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [memory+2560];\n\
        late: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 1; @!p bra late;\n",
    ];
    let parts = [MULTIPLY, COMMIT, WAIT, AFTER, LOAD, wait, BEFORE, barrier, AFTER];
    let fault = caught_after(&[&parts[..], &again, &[LOADED]].concat());
    assert_eq!(
        (line(&fault), tensor_race(&fault)),
        (11, ("tcgen05.ld of warp 0", "write after read"))
    );
}

#[test]
fn products_that_do_not_come_in_order() {
    // Those of one shape on one accumulator do, and others do not.
    let other = "@first tcgen05.mma.cta_group::1.kind::f16 [base], da, db, «wide|i», never;\n";
    let fault = caught_after(&[MULTIPLY, ACCUMULATE, other, COMMIT, WAIT]);
    assert_eq!(
        (line(&fault), tensor_race(&fault)),
        (4, ("tcgen05.mma of warp 0", "write after write"))
    );
    let other = "@first tcgen05.mma.cta_group::1.kind::f16 [base+«4|8»], da, db, i, never;\n";
    let fault = caught_after(&[MULTIPLY, other, COMMIT, WAIT]);
    assert_eq!(tensor_race(&fault), ("tcgen05.mma of warp 0", "write after write"));
    // What one gives is A of another.
    let other =
        "@first tcgen05.mma.cta_group::1.kind::f16 [base+16], [base+«0|32»], db, i, never;\n";
    let store = "tcgen05.st.sync.aligned.16x64b.x4.b32 [to+32], {zero, zero, zero, zero};\n";
    let parts = [store, STORED, BEFORE, "bar.sync 0;\n", AFTER, MULTIPLY, other, COMMIT, WAIT];
    let fault = caught_after(&parts);
    assert_eq!(tensor_race(&fault), ("tcgen05.mma of warp 0", "read after write"));
    // A of one is D of the next, and copies and shifts come in order with products.
    caught_after(&[
        "@first tcgen05.cp.cta_group::1.32x128b.warpx4 [base+16], da;\n",
        "@first tcgen05.cp.cta_group::1.32x128b.warpx4 [base+20], da;\n",
        "@first tcgen05.mma.cta_group::1.kind::f16 [base], [base+16], db, i, never;\n",
        "@first tcgen05.mma.cta_group::1.kind::f16 [base+16], da, db, i, never;\n",
        COMMIT,
        WAIT,
        "«bar.sync 1, 160;|»\n",
    ]);
    let fault = caught_after(&[
        MULTIPLY,
        "@first tcgen05.cp.cta_group::1.32x128b.warpx4 [base+«0|8»], da;\n",
        COMMIT,
        WAIT,
    ]);
    assert_eq!(tensor_race(&fault), ("tcgen05.mma of warp 0", "write after write"));
    // Those of another thread do not come in order without a fence, and each thread that comes issues one.
    let fault = caught_after(&[
        "«|@first» tcgen05.mma.cta_group::1.kind::f16 [base], da, db, i, never;\n",
        COMMIT,
        WAIT,
    ]);
    assert_eq!((line(&fault), fault.thread), (2, [1, 0, 0]));
    assert_eq!(tensor_race(&fault), ("tcgen05.mma of warp 0", "write after write"));
    let second = "bar.sync 0; setp.eq.u32 q, thread, 32;\n«|tcgen05.fence::after_thread_sync;»\n\
        @q tcgen05.mma.cta_group::1.kind::f16 [base], da, db, i, always;\n\
        @q tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [memory+2560];\n";
    let start = START.replace("[memory+2560], 1;", "[memory+2560], 2;");
    let fault = caught(&[&start, KNOWN, MULTIPLY, BEFORE, COMMIT, second, WAIT, END]);
    assert_eq!(tensor_race(&fault), ("tcgen05.mma of warp 0", "write after write"));
}

#[test]
fn registers_that_are_not_loaded_yet() {
    for access in
        ["mov.b32 a, r1;", "add.u32 a, r1, 1;", "mov.b32 r1, 0;", "st.global.b32 [at], r1;"]
    {
        let wait = "«|tcgen05.wait::ld.sync.aligned;»\n";
        let fault = caught_after(&[STORE, STORED, LOAD, wait, access, "\n", LOADED]);
        let expected = FaultKind::InFlightRegister { register: "r1".into() };
        assert_eq!((line(&fault), *fault.kind), (6, expected), "{access}");
    }
    let fault =
        caught_after(&[STORE, STORED, LOAD, "«|tcgen05.wait::ld.sync.aligned;»\n", LOAD, LOADED]);
    assert_eq!(*fault.kind, FaultKind::InFlightRegister { register: "r0".into() });
}

#[test]
fn lanes_and_columns_that_may_not_be_accessed() {
    let fault = caught_after(&["«mov.b32 to, base;|»\n", STORE, STORED]);
    let expected = FaultKind::ForeignLanes { lane: 0, own: fault.thread[0] };
    assert_eq!((line(&fault), *fault.kind), (3, expected));
    assert_ne!(fault.thread, [0; 3]);
    let fault = caught_after(&["add.u32 to, to, «0x80000|0x100000»;\n", STORE, STORED]);
    assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    // An address that not all lanes agree on.
    let fault =
        caught_after(&["setp.eq.u32 p, thread, 37; @p add.u32 to, to, «8|0»;\n", STORE, STORED]);
    assert_eq!((line(&fault), fault.thread), (3, [37, 0, 0]));
    let fault = caught_after(&["sub.u32 to, to, «8|0»;\n", STORE, STORED]);
    assert_eq!(*fault.kind, FaultKind::UnallocatedColumn { column: 440, freed: false });
    let fault = caught_after(&["add.u32 to, to, «60|56»;\n", STORE, STORED]);
    assert_eq!(*fault.kind, FaultKind::UnallocatedColumn { column: 512, freed: false });
    for issue in [
        "@first tcgen05.mma.cta_group::1.kind::f16 [base+«60|56»], da, db, i, never;\n",
        "@first tcgen05.cp.cta_group::1.32x128b.warpx4 [base+«61|60»], da;\n",
    ] {
        let fault = caught_after(&[issue, COMMIT, WAIT]);
        assert_eq!(*fault.kind, FaultKind::UnallocatedColumn { column: 512, freed: false });
    }
    // What has been given back.
    let fault = caught(&[
        START,
        KNOWN,
        "«|bra over;»\n",
        END,
        STORE,
        STORED,
        "bra done;\n",
        "over:\n",
        STORE,
        STORED,
        &END.replace("end", "last"),
        "done:\n",
    ]);
    assert_eq!(*fault.kind, FaultKind::UnallocatedColumn { column: 448, freed: true });
}

#[test]
fn allocations_that_cannot_be() {
    let alloc = |columns: &str| {
        format!(
            "mov.u32 b, {columns}; tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [memory+2604], b;\n"
        )
    };
    let first = "setp.ge.u32 p, thread, 32; @p bra over;\n";
    let free = "ld.shared.u32 a, [memory+2604]; tcgen05.dealloc.cta_group::1.sync.aligned.b32 a, 32; over:\n";
    for columns in ["«48|32»", "«16|32»", "«1024|32»", "«128|32»"] {
        let fault = caught_after(&[first, &alloc(columns), free]);
        assert_eq!(line(&fault), 3);
        assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    }
    let permit = "«tcgen05.relinquish_alloc_permit.cta_group::1.sync.aligned;|»\n";
    let fault = caught_after(&[first, permit, &alloc("32"), free]);
    assert_eq!((line(&fault), *fault.kind), (4, FaultKind::RelinquishedPermit));
    // Nobody gives back what is waited for.
    let start = START.replace("64; known", "512; known");
    let end = END.replace("64;", "512;");
    let fault = caught(&[
        &start,
        KNOWN,
        first,
        "«tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [memory+2604], 32;|»\nover:\n",
        &end,
    ]);
    assert_eq!(
        (line(&fault), *fault.kind),
        (3, FaultKind::ColumnsNotReleased { columns: 32, taken: 512 })
    );
}

#[test]
fn columns_that_are_given_back_too_late_or_too_early() {
    let free = "«|tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, 64;»";
    let end = END.replace("tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, 64;", free);
    let fault = caught(&[START, KNOWN, &end]);
    assert_eq!(*fault.kind, FaultKind::LeakedColumns { columns: 64 });
    let end = END.replace("base, 64", "base, «32|64»");
    let fault = caught(&[START, KNOWN, &end]);
    assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    let twice =
        END.replace("end:", "«tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, 64;|» end:");
    let fault = caught(&[START, KNOWN, &twice]);
    assert_eq!(*fault.kind, FaultKind::UnallocatedColumn { column: 448, freed: true });
    // While somebody uses them.
    let fault = caught_after(&[STORE, "«|tcgen05.wait::st.sync.aligned;»\n"]);
    assert_eq!(tensor_race(&fault), ("tcgen05.st of warp 0", "deallocation after write"));
    let wait = "«|wait: mbarrier.try_wait.parity.shared.b64 p, [memory+2560], 0; @!p bra wait;»\n";
    let fault = caught_after(&[MULTIPLY, COMMIT, wait]);
    assert_eq!(tensor_race(&fault), ("tcgen05.mma of warp 0", "deallocation after write"));
}

#[test]
fn descriptors_that_mean_nothing() {
    for (change, field) in [
        ("or.b32 i, i, «1|0»;\n", "dense"),
        ("or.b32 i, i, «0x40|0»;\n", "reserved"),
        ("add.u32 i, i, «0x1000000|0»;\n", "M is 64 or 128"),
        ("or.b64 da, da, «0x4000|0»;\n", "reserved"),
        ("xor.b64 db, db, «0x400000000000|0»;\n", "0b001"),
        ("or.b64 db, db, «0x6000000000000000|0»;\n", "swizzling mode"),
        ("or.b64 db, db, «0x2000000000000000|0»;\n", "not simulated"),
        ("or.b64 db, db, «0x10000000000000|0»;\n", "absolute"),
    ] {
        let fault = caught_after(&[change, MULTIPLY, COMMIT, WAIT]);
        assert!(matches!(*fault.kind, FaultKind::MalformedDescriptor { .. }), "{fault}");
        assert!(line(&fault) == 3 && fault.to_string().contains(field), "{fault}");
    }
    // Matrices in tensor memory that lie in each other, or at another lane.
    for operands in
        ["[base], [base+«4|32»]", "[base+«0x100000|0»], [base+32]", "[base+«0x80000|0»], da"]
    {
        let store = "tcgen05.st.sync.aligned.32x32b.x8.b32 [to+32], {zero, zero, zero, zero, zero, zero, zero, zero};\n";
        let multiply =
            format!("@first tcgen05.mma.cta_group::1.kind::f16 {operands}, db, i, never;\n");
        let parts = [store, STORED, BEFORE, "bar.sync 0;\n", AFTER, &multiply, COMMIT, WAIT];
        let fault = caught_after(&parts);
        assert!(matches!(*fault.kind, FaultKind::InvalidOperand { .. }), "{fault}");
    }
}

#[test]
fn a_pair_whose_blocks_do_not_do_the_same() {
    let start = "barrier.cluster.arrive; barrier.cluster.wait; .reg .b32 base; setp.ge.u32 q, thread, 32;\n";
    let alloc = "@q bra over;\ntcgen05.alloc.cta_group::2.sync.aligned.shared::cta.b32 [memory], «a|64»; ld.shared.u32 base, [memory];\n";
    let free = "«|tcgen05.dealloc.cta_group::2.sync.aligned.b32 base, 64;»\nover:\n";
    let columns = "mov.u32 a, 64; shl.b32 a, a, block;\n";
    let fault = caught_in(
        2,
        &[
            start,
            columns,
            alloc,
            "tcgen05.dealloc.cta_group::2.sync.aligned.b32 base, 64;\nover:\n",
        ],
    );
    assert!(fault.to_string().contains("does not do the same"), "{fault}");
    let alloc = alloc.replace("«a|64»", "64");
    let one = "setp.eq.u32 p, block, 1;\n«@p bra over;|»\n";
    let fault = caught_in(
        2,
        &[start, &alloc, one, "tcgen05.dealloc.cta_group::2.sync.aligned.b32 base, 64;\nover:\n"],
    );
    assert!(
        matches!(*fault.kind, FaultKind::LeakedColumns { .. } | FaultKind::PeerMissing { .. }),
        "{fault}"
    );
    let fault = caught_in(2, &[start, &alloc, free]);
    assert_eq!(*fault.kind, FaultKind::LeakedColumns { columns: 64 });
    // Nobody knows whether the other has begun.
    let start = start.replace(
        "barrier.cluster.arrive; barrier.cluster.wait;",
        "«|barrier.cluster.arrive; barrier.cluster.wait;»",
    );
    let fault = caught_in(
        2,
        &[&start, &alloc, "tcgen05.dealloc.cta_group::2.sync.aligned.b32 base, 64;\nover:\n"],
    );
    assert_eq!(*fault.kind, FaultKind::UnstartedBlock { rank: 1 });
}
