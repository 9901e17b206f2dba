//! Every check catches a kernel that was planted with its fault, exactly, and lets the same kernel
//! without the fault pass in every order of warps tried.

mod asynchronous;
mod cluster;
mod early;
mod harness;
mod launch_control;
mod mbarrier;
mod rows;
mod tcgen05;
mod wgmma;

use cuda_sim::fault::{Fault, FaultKind};

use self::harness::{caught, line, race};

#[test]
fn shared_memory_written_and_read_without_a_barrier() {
    // Whichever warp is first, the other one's access comes without order after it.
    let (_, fault) = caught(
        1,
        64,
        "st.shared.u32 [s], 0;\nbar.sync 0;\nst.shared.u32 [s], thread;\n\
         «|bar.sync 0;»\nxor.b32 a, s, 128; ld.shared.u32 b, [a];",
    );
    let (space, address, other, order) = race(&fault);
    assert_eq!((space, other, line(&fault), order), ("shared", "warp 0", 2, "write after read"));
    assert_eq!((fault.thread, address), ([32, 0, 0], 128));
}

#[test]
fn shared_memory_read_and_overwritten_without_a_barrier() {
    let (_, fault) = caught(
        1,
        64,
        "st.shared.u32 [s], thread;\nbar.sync 0;\n\
         xor.b32 a, s, 128; ld.shared.u32 b, [a];\n«|bar.sync 0;»\nst.shared.u32 [s], b;",
    );
    let (space, address, other, order) = race(&fault);
    assert_eq!((space, other, line(&fault), order), ("shared", "warp 0", 2, "read after write"));
    assert_eq!((fault.thread, address), ([32, 0, 0], 0));
}

#[test]
fn atomics_meet_plain_accesses_without_a_barrier() {
    // A counter that is set to zero while another warp counts.
    let (_, fault) = caught(
        1,
        64,
        "setp.eq.u32 p, thread, 0;\n@p st.shared.u32 [memory], 0;\n\
         «|bar.sync 0;»\nsetp.eq.u32 q, thread, 32;\n@q atom.shared.add.u32 a, [memory], 1;",
    );
    let (space, address, _, order) = race_or_unwritten(&fault);
    assert_eq!((space, address), ("shared", 0));
    assert!(matches!(order, "atomic access after write" | "unwritten"), "{order}");
    // And one that is read while others count.
    let (_, fault) = caught(
        1,
        64,
        "setp.eq.u32 p, thread, 0;\n@p st.shared.u32 [memory], 0;\nbar.sync 0;\n\
         atom.shared.add.u32 a, [memory], 1;\n«|bar.sync 0;»\nld.shared.u32 b, [memory];",
    );
    assert_eq!(race(&fault).3, "read after atomic access");
    assert_eq!((line(&fault), race(&fault).1), (5, 0));
}

/// A race, or what the other order of the same two accesses shows as.
fn race_or_unwritten(fault: &Fault) -> (&'static str, u64, &str, &str) {
    match &*fault.kind {
        FaultKind::UninitializedMemory { space, address } => (space, *address, "", "unwritten"),
        _ => race(fault),
    }
}

#[test]
fn lanes_of_a_warp_without_a_barrier_of_the_warp() {
    let (_, fault) = caught(
        1,
        32,
        "st.shared.u32 [s], thread;\n«|bar.warp.sync -1;»\n\
         xor.b32 a, s, 4; ld.shared.u32 b, [a];",
    );
    assert_eq!((line(&fault), fault.thread), (2, [0, 0, 0]));
    assert_eq!(race(&fault), ("shared", 4, "lane 1 of the warp", "read after write"));
    // After arms of a branch, one of which writes for the other.
    caught(
        1,
        32,
        "setp.lt.u32 p, thread, 16;\n@!p bra join;\nst.shared.u32 [s], thread;\njoin:\n\
         «|bar.warp.sync -1;»\nxor.b32 a, s, 64; @!p ld.shared.u32 b, [a];",
    );
}

#[test]
fn named_barriers_order_their_subset_alone() {
    // Warps 0 and 1 meet at barrier 1; warps 2 and 3 do not come to it.
    let (_, fault) = caught(
        1,
        128,
        "st.shared.u32 [s], thread;\nsetp.gt.u32 p, thread, 63;\n@p bra end;\n\
         bar.sync 1, 64;\nxor.b32 a, s, «256|128»; ld.shared.u32 b, [a];\nend:",
    );
    let (_, _, other, _) = race_or_unwritten(&fault);
    assert!(other.is_empty() || other == "warp 2" || other == "warp 3", "{other}");
}

#[test]
fn producers_arrive_and_consumers_wait() {
    // Warp 0 fills, warp 1 reads what it filled, three times over.
    caught(
        1,
        64,
        "mov.u32 c, 0;\nagain:\nsetp.gt.u32 p, thread, 31;\n@p bra consume;\n\
         st.shared.u32 [s], c;\nbar.arrive 1, 64;\n«|bar.sync 2, 64;»\nbra next;\n\
         consume:\nbar.sync 1, 64;\nsub.u32 a, s, 128; ld.shared.u32 b, [a];\n«|bar.arrive 2, 64;»\n\
         next:\nadd.u32 c, c, 1; setp.lt.u32 q, c, 3;\n@q bra again;",
    );
}

#[test]
fn blocks_write_and_read_global_memory_without_atomics() {
    let (buffer, fault) =
        caught(2, 32, "«|mad.wide.u32 at, block, 128, at;»\nst.global.u32 [at], block;");
    let (space, address, other, order) = race(&fault);
    assert_eq!((space, order, line(&fault)), ("global", "write after write", 1));
    assert_eq!(address, buffer + 4 * u64::from(fault.thread[0]));
    assert_eq!(other, format!("block {}", 1 - fault.block[0]));
    caught(
        2,
        1,
        "setp.eq.u32 p, block, «0|2»;\n@p st.global.u32 [buffer], 7;\n@!p ld.global.u32 a, [buffer];",
    );
}

#[test]
fn blocks_may_write_neighbouring_bytes_and_read_what_was_released() {
    let (_, fault) = caught(
        4,
        1,
        "cvt.u64.u32 x, «0|block»; add.u64 at, buffer, x;\n\
         cvt.u16.u32 h, block; st.global.u8 [at], h;",
    );
    assert_eq!(race(&fault).3, "write after write");
    // The last block to come reads what all have written, as it knows by a counter.
    let (_, fault) = caught(
        8,
        1,
        "mad.wide.u32 at, block, 4, buffer;\nst.global.u32 [at], block;\n\
         «|fence.acq_rel.gpu;»\natom.relaxed.gpu.global.add.u32 a, [other], 1;\n\
         setp.ne.u32 p, a, 7;\n@p bra end;\n«|fence.acq_rel.gpu;»\n\
         ld.global.u32 b, [buffer]; ld.global.u32 b, [buffer+28];\nend:",
    );
    assert_eq!((line(&fault), race(&fault).3), (7, "read after write"));
}

#[test]
fn threads_that_do_not_come_to_a_barrier() {
    let (_, fault) = caught(
        1,
        96,
        "setp.gt.u32 p, thread, 31;\n«@p|» bra other;\nbar.sync 0; bra end;\n\
         other:\nbar.sync «1, 96|0»;\nend:",
    );
    assert!(matches!(*fault.kind, FaultKind::BarrierNotReached { .. }), "{fault}");
    let (_, fault) =
        caught(1, 64, "setp.gt.u32 p, thread, 31;\n@p bra end;\nbar.sync 1, «64|32»;\nend:");
    assert_eq!(line(&fault), 2);
    let expected = FaultKind::BarrierNotReached { barrier: Some(1), arrived: 32, expected: 64 };
    assert_eq!(*fault.kind, expected);
}

#[test]
fn part_of_a_warp_at_what_takes_all_of_it() {
    let (_, fault) = caught(
        1,
        32,
        "setp.gt.u32 p, thread, «15|99»;\n@p bra end;\nbar.sync 0;\nbra end2;\n\
         end:\nbar.warp.sync 0xffff0000; bar.sync 1;\nend2:",
    );
    assert!(matches!(*fault.kind, FaultKind::Divergent { .. }), "{fault}");
    let (_, fault) = caught(1, 32, "shfl.sync.idx.b32 a, thread, 0, 31, «0xffff|-1»;");
    let expected = FaultKind::Divergent { lanes: u32::MAX, expected: 0xffff };
    assert_eq!((line(&fault), *fault.kind), (0, expected));
}

#[test]
fn a_copy_that_nobody_has_waited_for() {
    let (_, fault) = caught(
        1,
        32,
        "cp.async.ca.shared.global [s], [at], 4;\ncp.async.commit_group;\n\
         cp.async.wait_group «1|0»;\nld.shared.u32 a, [s];",
    );
    assert_eq!((line(&fault), *fault.kind), (3, FaultKind::PendingCopy { address: 0 }));
    // What has been waited for is there for the thread, and for others after a barrier.
    let (_, fault) = caught(
        1,
        64,
        "st.shared.u32 [s], 0;\nbar.sync 0;\ncp.async.ca.shared.global [s], [at], 4;\n\
         cp.async.wait_all;\n«|bar.sync 0;»\nxor.b32 a, s, 128; ld.shared.u32 b, [a];",
    );
    assert_eq!((line(&fault), race(&fault).3), (2, "write after read"));
}

#[test]
fn accesses_out_of_bounds() {
    let (buffer, fault) = caught(1, 1, "st.global.u32 [buffer+«4096|4092»], 0;");
    let expected = FaultKind::OutOfBounds {
        space: "global",
        address: buffer + 4096,
        bytes: 4,
        near: Some((buffer, 4096)),
    };
    assert_eq!((line(&fault), *fault.kind), (0, expected));
    // Across the end of an allocation, however close the next one is.
    let (buffer, fault) =
        caught(1, 1, "mov.u32 a, 0;\nst.global.v4.u32 [buffer+«4088|4080»], {a, a, a, a};");
    let expected = FaultKind::OutOfBounds {
        space: "global",
        address: buffer + 4088,
        bytes: 16,
        near: Some((buffer, 4096)),
    };
    assert_eq!((line(&fault), *fault.kind), (1, expected));
    let (_, fault) = caught(1, 32, "st.shared.u32 [s+«4092|0»], 0;");
    assert_eq!(fault.thread, [1, 0, 0]);
    assert!(matches!(*fault.kind, FaultKind::OutOfBounds { space: "shared", address: 4096, .. }));
    let (_, fault) = caught(1, 1, "ld.param.u32 a, [buffer_param+«320|8»];");
    assert!(matches!(*fault.kind, FaultKind::OutOfBounds { space: "param", .. }));
}

#[test]
fn an_access_after_free() {
    // The freed allocation follows the other one, at the next multiple of 512 behind its guard.
    let (buffer, fault) = caught(1, 1, "ld.global.u32 a, [other+«4608|0»];");
    assert_eq!(*fault.kind, FaultKind::UseAfterFree { address: buffer + 8192 + 512 + 4608 - 512 });
}

#[test]
fn misaligned_accesses() {
    let (buffer, fault) = caught(1, 1, "ld.global.v2.u32 {a, b}, [buffer+«4|8»];");
    let expected = FaultKind::Misaligned { space: "global", address: buffer + 4, alignment: 8 };
    assert_eq!((line(&fault), *fault.kind), (0, expected));
    let (_, fault) = caught(1, 1, "st.shared.u32 [memory+«2|4»], 0;");
    assert_eq!(*fault.kind, FaultKind::Misaligned { space: "shared", address: 2, alignment: 4 });
}

#[test]
fn reads_of_what_nothing_has_written() {
    // The buffer's second half.
    let (buffer, fault) = caught(
        1,
        1,
        "mov.u16 h, 0; st.global.u16 [buffer+2048], h;\n\
         ld.global.v2.u32 {a, b}, [buffer+«2048|2040»];",
    );
    let expected = FaultKind::UninitializedMemory { space: "global", address: buffer + 2050 };
    assert_eq!((line(&fault), *fault.kind), (1, expected));
    let (_, fault) = caught(
        1,
        32,
        "setp.ne.u32 p, thread, «5|99»;\n@p st.shared.u32 [s], 0;\nld.shared.u32 a, [s];",
    );
    assert_eq!((line(&fault), fault.thread), (2, [5, 0, 0]));
    assert_eq!(*fault.kind, FaultKind::UninitializedMemory { space: "shared", address: 20 });
    let (_, fault) =
        caught(1, 32, "setp.lt.u32 p, thread, «7|99»;\n@p mov.u32 a, 0;\nadd.u32 b, a, 1;");
    assert_eq!((line(&fault), fault.thread), (2, [7, 0, 0]));
    assert_eq!(*fault.kind, FaultKind::UninitializedRegister { register: "a".into() });
}

#[test]
fn a_wait_for_what_never_comes() {
    let (_, fault) = caught(
        1,
        32,
        "wait: ld.relaxed.gpu.global.u32 a, [other];\nsetp.ne.u32 p, a, «0|1»;\n\
         @!p bra wait;",
    );
    assert_eq!(*fault.kind, FaultKind::Deadlock);
}

#[test]
fn a_trap() {
    let (_, fault) = caught(1, 32, "setp.eq.u32 p, thread, «3|99»;\n@p trap;");
    assert_eq!((line(&fault), fault.thread, *fault.kind), (1, [3, 0, 0], FaultKind::Trap));
}

#[test]
fn what_is_undefined_may_be_moved_but_not_used() {
    // As compilers do where paths join.
    let (_, fault) = caught(
        1,
        32,
        "setp.lt.u32 p, thread, 16;\n@p mov.u32 a, 1;\nmov.b32 b, a; selp.b32 c, b, thread, p;\n\
         selp.b32 d, thread, «a|c», p;\nadd.u32 c, c, d;",
    );
    assert_eq!((line(&fault), fault.thread), (4, [16, 0, 0]));
    assert_eq!(*fault.kind, FaultKind::UninitializedRegister { register: "d".into() });
}
