//! Bulk copies, and what else tells an mbarrier that it has come.

use super::harness::*;

const THREADS: u32 = 64;

/// Some words, another list for each `seed`.
fn words(seed: u64) -> Vec<u32> {
    let mut random = Random(seed);
    (0..THREADS).map(|_| random.next() as u32).collect()
}

/// `w7` is the start of shared memory, `w6` an mbarrier of so many arrivals that copies may use, `w5` the
/// thread's word of shared memory, and `p` holds in the block's first thread.
fn start(arrivals: u32) -> String {
    format!(
        "mov.u32 w7, memory; add.u32 w6, w7, 16368; mov.u32 thread, %tid.x;\n\
         shl.b32 w5, thread, 2; add.u32 w5, w7, w5; setp.eq.u32 p, thread, 0;\n\
         @p mbarrier.init.shared::cta.b64 [w6], {arrivals};\n\
         @p fence.mbarrier_init.release.cluster;\n\
         bar.sync 0;\n"
    )
}

/// All threads wait for the mbarrier's first phase.
const WAIT: &str = "wait: mbarrier.try_wait.parity.shared::cta.b64 q, [w6], 0;\n@!q bra wait;\n";

/// All blocks of the cluster wait for each other.
const MEET: &str = "barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n";

#[test]
fn global_memory_is_copied_to_shared_memory() {
    let from = words(1);
    for (to, hint, policy) in [
        ("shared::cluster", "", ""),
        ("shared::cta", "", ""),
        ("shared::cluster", ".L2::cache_hint", ", x0"),
    ] {
        let code = format!(
            "{}mov.b64 x0, 0;\n\
             @p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 256;\n\
             @p cp.async.bulk.{to}.global.mbarrier::complete_tx::bytes{hint} [w7], [from], 256, [w6]{policy};\n\
             {WAIT}ld.shared.u32 d, [w5];",
            start(1)
        );
        assert_eq!(run_block(THREADS, &[("from", &from)], &code), from, "{to}{hint}");
    }
}

#[test]
fn copies_of_several_lanes_are_counted_together() {
    // Each of 16 lanes copies 16 bytes, in the opposite order.
    let from = words(2);
    let code = format!(
        "{}@p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 256;\nbar.sync 0;\n\
         setp.lt.u32 p, thread, 16; mad.wide.u32 x0, thread, 16, from; shl.b32 w0, thread, 4;\n\
         add.u32 w1, w7, 240; sub.u32 w0, w1, w0;\n\
         @p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [w0], [x0], 16, [w6];\n\
         {WAIT}ld.shared.u32 d, [w5];",
        start(1)
    );
    let expected: Vec<u32> = from.rchunks(4).flatten().copied().collect();
    assert_eq!(run_block(THREADS, &[("from", &from)], &code), expected);
}

#[test]
fn shared_memory_is_copied_to_global_memory() {
    let (from, to) = (words(3), words(4));
    for (hint, policy) in [("", ""), (".L2::cache_hint", ", x0")] {
        for wait in [
            "cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;",
            // The first of two groups has come when one may be left.
            "cp.async.bulk.commit_group;\ncp.async.bulk.commit_group;\ncp.async.bulk.wait_group 1;",
        ] {
            let wait = wait.replace("cp.", "@p cp.");
            let code = format!(
                "{}mov.b64 x0, 0; mad.wide.u32 at, thread, 4, from; ld.global.u32 d, [at];\n\
                 st.shared.u32 [w5], d;\nfence.proxy.async.shared::cta;\nbar.sync 0;\n\
                 @p cp.async.bulk.global.shared::cta.bulk_group{hint} [to], [w7], 256{policy};\n\
                 {wait}\nbar.sync 0;\n\
                 mad.wide.u32 at, thread, 4, to; ld.global.u32 d, [at];",
                start(1)
            );
            assert_eq!(run_block(THREADS, &[("from", &from), ("to", &to)], &code), from);
        }
    }
}

#[test]
fn what_is_read_may_be_written_again() {
    // The copy has what was there when it started.
    let (from, to) = (words(3), words(4));
    let code = format!(
        "{}mad.wide.u32 at, thread, 4, from; ld.global.u32 d, [at];\n\
         st.shared.u32 [w5], d;\nfence.proxy.async.shared::cta;\nbar.sync 0;\n\
         @p cp.async.bulk.global.shared::cta.bulk_group [to], [w7], 256;\n\
         @p cp.async.bulk.commit_group;\n@p cp.async.bulk.wait_group.read 0;\nbar.sync 0;\n\
         st.shared.u32 [w5], 0;\n@p cp.async.bulk.wait_group 0;\nbar.sync 0;\n\
         mad.wide.u32 at, thread, 4, to; ld.global.u32 d, [at];",
        start(1)
    );
    assert_eq!(run_block(THREADS, &[("from", &from), ("to", &to)], &code), from);
}

#[test]
fn a_copy_goes_to_several_blocks() {
    let from = words(5);
    // Blocks 0, 1 and 3 of four get 32 words each; the last block starts the copy.
    let code = format!(
        "{}@p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 128;\nst.shared.u32 [w5], 7;\n\
         fence.proxy.async;\n{MEET}mov.u32 w0, %cluster_ctarank; setp.eq.and.u32 q, w0, 3, p; mov.b16 h0, 11;\n\
         @q cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster \
         [w7], [from], 128, [w6], h0;\n\
         setp.eq.u32 q, w0, 2;\n@q bra end;\n{WAIT}end:\nld.shared.u32 d, [w5];\n{MEET}",
        start(1)
    );
    let got = run_clusters(4, 4, 32, &[("from", &from)], &code);
    let copied = &from[..32];
    let expected = [copied, copied, &[7; 32], copied].concat();
    assert_eq!(got, expected);
}

#[test]
fn a_copy_goes_from_block_to_block() {
    let from = words(6);
    // Each block of two sends 32 words to the other one.
    let code = format!(
        "{}@p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 128;\n\
         mov.u32 w0, %cluster_ctarank; xor.b32 w1, w0, 1; shl.b32 w2, w0, 5; add.u32 w2, w2, thread;\n\
         mad.wide.u32 at, w2, 4, from; ld.global.u32 d, [at]; st.shared.u32 [w5+1024], d;\n\
         fence.proxy.async.shared::cta;\n{MEET}\
         mapa.shared::cluster.u32 w3, w7, w1; mapa.shared::cluster.u32 w4, w6, w1; add.u32 w2, w7, 1024;\n\
         @p cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [w3], [w2], 128, [w4];\n\
         {WAIT}ld.shared.u32 d, [w5];\n{MEET}",
        start(1)
    );
    let expected = [&from[32..], &from[..32]].concat();
    assert_eq!(run_clusters(2, 2, 32, &[("from", &from)], &code), expected);
}

/// A type as a reduction names it, and what it puts in place of a value.
type Reduction = (&'static str, u32, fn(u64, u64) -> u64);

fn half(held: u64, by: u64, f: fn(f32, f32) -> f32) -> u64 {
    let [held, by] = [held, by].map(|bits| half::f16::from_bits(bits as u16).to_f32());
    half::f16::from_f32(f(held, by)).to_bits().into()
}

fn brain(held: u64, by: u64, f: fn(f32, f32) -> f32) -> u64 {
    let [held, by] = [held, by].map(|bits| half::bf16::from_bits(bits as u16).to_f32());
    half::bf16::from_f32(f(held, by)).to_bits().into()
}

/// Those to shared memory.
const TO_SHARED: [Reduction; 12] = [
    ("add.u32", 4, |held, by| u64::from((held as u32).wrapping_add(by as u32))),
    ("add.s32", 4, |held, by| u64::from((held as u32).wrapping_add(by as u32))),
    ("add.u64", 8, |held, by| held.wrapping_add(by)),
    ("min.u32", 4, |held, by| held.min(by)),
    ("max.u32", 4, |held, by| held.max(by)),
    ("min.s32", 4, |held, by| (held as i32).min(by as i32) as u32 as u64),
    ("max.s32", 4, |held, by| (held as i32).max(by as i32) as u32 as u64),
    ("inc.u32", 4, |held, by| if held >= by { 0 } else { held + 1 }),
    ("dec.u32", 4, |held, by| if held == 0 || held > by { by } else { held - 1 }),
    ("and.b32", 4, |held, by| held & by),
    ("or.b32", 4, |held, by| held | by),
    ("xor.b32", 4, |held, by| held ^ by),
];

/// Those to global memory besides.
const TO_GLOBAL: [Reduction; 15] = [
    ("add.f32", 4, |held, by| {
        u64::from((f32::from_bits(held as u32) + f32::from_bits(by as u32)).to_bits())
    }),
    ("add.f64", 8, |held, by| (f64::from_bits(held) + f64::from_bits(by)).to_bits()),
    ("add.noftz.f16", 2, |held, by| half(held, by, |a, b| a + b)),
    ("add.noftz.bf16", 2, |held, by| brain(held, by, |a, b| a + b)),
    ("min.f16", 2, |held, by| half(held, by, f32::min)),
    ("max.f16", 2, |held, by| half(held, by, f32::max)),
    ("min.bf16", 2, |held, by| brain(held, by, f32::min)),
    ("max.bf16", 2, |held, by| brain(held, by, f32::max)),
    ("min.u64", 8, |held, by| held.min(by)),
    ("max.u64", 8, |held, by| held.max(by)),
    ("min.s64", 8, |held, by| (held as i64).min(by as i64) as u64),
    ("max.s64", 8, |held, by| (held as i64).max(by as i64) as u64),
    ("and.b64", 8, |held, by| held & by),
    ("or.b64", 8, |held, by| held | by),
    ("xor.b64", 8, |held, by| held ^ by),
];

/// Words of elements of so many bytes that are numbers in every type that is added up.
fn operands(seed: u64, name: &str) -> Vec<u32> {
    let mut random = Random(seed);
    let mut small = || (random.next() % 512) as f32 / 8.0 - 32.0;
    (0..THREADS)
        .map(|index| match name.rsplit('.').next() {
            Some("f32") => small().to_bits(),
            Some("f64") if index % 2 == 0 => 0,
            Some("f64") => (f64::from(small()).to_bits() >> 32) as u32,
            Some("f16") => {
                let [low, high] = [small(), small()].map(|x| half::f16::from_f32(x).to_bits());
                u32::from(high) << 16 | u32::from(low)
            }
            Some("bf16") => {
                let [low, high] = [small(), small()].map(|x| half::bf16::from_f32(x).to_bits());
                u32::from(high) << 16 | u32::from(low)
            }
            _ => words(seed)[index as usize] >> (index % 3 * 14),
        })
        .collect()
}

fn reduced((_, bytes, f): Reduction, held: &[u32], by: &[u32]) -> Vec<u32> {
    let bytes_of =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_le_bytes()).collect() };
    let (held, by) = (bytes_of(held), bytes_of(by));
    let mut result = Vec::new();
    for (held, by) in held.chunks(bytes as usize).zip(by.chunks(bytes as usize)) {
        let value =
            |bytes: &[u8]| bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
        result.extend(&f(value(held), value(by)).to_le_bytes()[..bytes as usize]);
    }
    result.chunks(4).map(|word| u32::from_le_bytes(word.try_into().expect("4 bytes"))).collect()
}

#[test]
fn what_is_copied_to_global_memory_may_be_added_to_what_is_there() {
    for reduction in TO_SHARED.into_iter().chain(TO_GLOBAL) {
        let (name, ..) = reduction;
        let (by, to) = (operands(7, name), operands(8, name));
        let code = format!(
            "{}mad.wide.u32 at, thread, 4, by; ld.global.u32 d, [at];\n\
             st.shared.u32 [w5], d;\nfence.proxy.async.shared::cta;\nbar.sync 0;\n\
             @p cp.reduce.async.bulk.global.shared::cta.bulk_group.{name} [to], [w7], 256;\n\
             @p cp.async.bulk.commit_group;\n@p cp.async.bulk.wait_group 0;\nbar.sync 0;\n\
             mad.wide.u32 at, thread, 4, to; ld.global.u32 d, [at];",
            start(1)
        );
        let got = run_block(THREADS, &[("by", &by), ("to", &to)], &code);
        assert_eq!(got, reduced(reduction, &to, &by), "{name}");
    }
}

#[test]
fn what_is_copied_to_another_block_may_be_added_to_what_is_there() {
    for reduction in TO_SHARED {
        let (name, ..) = reduction;
        let (by, to) = (operands(9, name), operands(10, name));
        let code = format!(
            "{}mad.wide.u32 at, thread, 4, by; ld.global.u32 d, [at]; st.shared.u32 [w5+1024], d;\n\
             mad.wide.u32 at, thread, 4, to; ld.global.u32 d, [at]; st.shared.u32 [w5], d;\n\
             @p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 256;\n\
             fence.proxy.async;\n{MEET}mov.u32 w0, %cluster_ctarank; xor.b32 w1, w0, 1;\n\
             mapa.shared::cluster.u32 w3, w7, w1; mapa.shared::cluster.u32 w4, w6, w1; add.u32 w2, w7, 1024;\n\
             @p cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.{name} \
             [w3], [w2], 256, [w4];\n\
             {WAIT}ld.shared.u32 d, [w5];\n{MEET}",
            start(1)
        );
        let got = run_clusters(2, 2, THREADS, &[("by", &by), ("to", &to)], &code);
        let expected = reduced(reduction, &to, &by);
        assert_eq!(got, [&expected[..], &expected[..]].concat(), "{name}");
    }
}

#[test]
fn several_blocks_add_to_the_same_words() {
    // All of four blocks but the first add their ranks to its words.
    let code = format!(
        "{}st.shared.u32 [w5], 100; mov.u32 w0, %cluster_ctarank; st.shared.u32 [w5+1024], w0;\n\
         @p mbarrier.arrive.expect_tx.shared::cta.b64 _, [w6], 384;\n\
         fence.proxy.async;\n{MEET}setp.ne.and.u32 q, w0, 0, p; mov.u32 w1, 0;\n\
         mapa.shared::cluster.u32 w3, w7, w1; mapa.shared::cluster.u32 w4, w6, w1; add.u32 w2, w7, 1024;\n\
         @q cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.u32 \
         [w3], [w2], 128, [w4];\n\
         setp.ne.u32 q, w0, 0;\n@q bra end;\n{WAIT}end:\nld.shared.u32 d, [w5];\n{MEET}",
        start(1)
    );
    let got = run_clusters(4, 4, 32, &[], &code);
    assert_eq!(got, [[106; 32], [100; 32], [100; 32], [100; 32]].concat());
}

#[test]
fn copies_of_threads_arrive_at_an_mbarrier() {
    let from = words(11);
    let copy = "mad.wide.u32 at, thread, 4, from;\ncp.async.ca.shared.global [w5], [at], 4;\n";
    let read = "xor.b32 w5, w5, 128; ld.shared.u32 d, [w5];";
    // Another thread's word, as all wait for all.
    let code = format!(
        "{}{copy}cp.async.mbarrier.arrive.noinc.shared::cta.b64 [w6];\n{WAIT}{read}",
        start(THREADS)
    );
    let expected = [&from[32..], &from[..32]].concat();
    assert_eq!(run_block(THREADS, &[("from", &from)], &code), expected);
    let code = format!(
        "{}{copy}cp.async.mbarrier.arrive.shared.b64 [w6];\nmbarrier.arrive.shared.b64 _, [w6];\n{WAIT}{read}",
        start(THREADS)
    );
    assert_eq!(run_block(THREADS, &[("from", &from)], &code), expected);
    // The thread itself may also wait for its groups.
    let code = format!(
        "{}{copy}cp.async.mbarrier.arrive.noinc.shared.b64 [w6];\ncp.async.wait_all;\nld.shared.u32 d, [w5];\n{WAIT}",
        start(THREADS)
    );
    assert_eq!(run_block(THREADS, &[("from", &from)], &code), from);
}

#[test]
fn prefetches_and_fences_change_nothing() {
    let from = words(12);
    for code in [
        "cp.async.bulk.prefetch.L2.global [from], 256;",
        "mov.b64 x0, 0; cp.async.bulk.prefetch.L2.global.L2::cache_hint [from], 256, x0;",
        "cp.async.bulk.commit_group; cp.async.bulk.wait_group 0; cp.async.bulk.wait_group.read 3;",
        "fence.proxy.async; fence.proxy.async.global; fence.proxy.async.shared::cluster;",
        "fence.proxy.alias; membar.proxy.alias;",
        "fence.proxy.tensormap::generic.release.gpu;",
        "fence.proxy.tensormap::generic.acquire.gpu [from], 128;",
    ] {
        let code = format!("{code} ld.global.u32 d, [from+4];");
        assert_eq!(run_block(1, &[("from", &from)], &code), [from[1]], "{code}");
    }
}

#[test]
fn other_forms_are_refused_by_name() {
    for (body, reason) in [
        (
            "cp.async.bulk.global.shared::cta.bulk_group.cp_mask [x0], [w0], 16, h0;",
            "needs PTX ISA 8.6 and sm_100",
        ),
        (
            "cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes.ignore_oob [w0], [x0], 16, 0, 0, [w1];",
            ".ignore_oob is of PTX 9.2",
        ),
        ("cp.async.bulk.global.global.bulk_group [x0], [x1], 16;", "not a way that is copied"),
        ("cp.async.bulk.shared::cluster.global.bulk_group [w0], [x1], 16;", "expected .mbarrier"),
        (
            "cp.async.bulk.shared::cta.global.mbarrier::complete_tx::bytes.multicast::cluster [w0], [x0], 16, [w1], h0;",
            "unknown modifier .multicast::cluster",
        ),
        (
            "cp.reduce.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.add.u32 [w0], [x0], 16, [w1];",
            "not a way that is copied",
        ),
        (
            "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f16 [x0], [w0], 16;",
            "not a reduction of this type",
        ),
        (
            "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.s64 [x0], [w0], 16;",
            "not a reduction of this type",
        ),
        (
            "cp.reduce.async.bulk.global.shared::cta.bulk_group.exch.b32 [x0], [w0], 16;",
            "not a reduction of this type",
        ),
        (
            "cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.add.f32 [w0], [w1], 16, [w2];",
            "not a reduction of this type",
        ),
        ("cp.async.bulk.wait_group w0;", "the number of groups is constant"),
        ("cp.async.mbarrier.arrive.shared::cluster.b64 [w0];", "expected .shared or .shared::cta"),
        ("fence.proxy.texture;", "not a fence that is simulated"),
        ("fence.proxy.tensormap::generic.gpu;", "expected .acquire or .release"),
        ("fence.proxy.tensormap::generic.acquire.gpu [x0], 64;", "a tensor map has 128 bytes"),
    ] {
        let refusal = refusal(body);
        assert!(refusal.contains(reason), "{body}: {refusal}");
    }
}
