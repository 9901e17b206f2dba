//! What a launch is counted to cost.

use cuda_sim::counters::{Banks, Counters, Traffic};
use cuda_sim::device::Device;
use cuda_sim::{Launch, Machine, Order};

/// Runs `body` with the address of a zeroed buffer of 4096 bytes in `buffer`, and of the thread's word
/// of it in `at`.
fn count(blocks: u32, threads: u32, body: &str, order: Order) -> Counters {
    let ptx = format!(
        ".version 8.0\n.target sm_90\n.address_size 64\n\
         .visible .entry counted(.param .u64 buffer_param) {{\n\
         .shared .align 16 .b8 memory[8192]; .reg .pred p; .reg .b32 a<4>, b<2>, c<4>, d, thread, s;\n\
         .reg .b64 buffer, at;\n\
         ld.param.u64 buffer, [buffer_param]; mov.u32 thread, %tid.x; mad.wide.u32 at, thread, 4, buffer;\n\
         {body}\nret; }}\n"
    );
    let machine = Machine::new(Device::named("sm_90").expect("it is known"));
    let module = machine.load(&ptx).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("counted").expect("it is there");
    let buffer = machine.allocate(4096);
    machine.write(buffer, &[0; 4096]).expect("it fits");
    let launch = Launch { grid: [blocks, 1, 1], block: [threads, 1, 1], ..Launch::default() };
    machine
        .launch(&function, &launch, order, &buffer.to_le_bytes())
        .unwrap_or_else(|fault| panic!("{fault}"))
}

#[test]
fn instructions_are_counted_by_kind_and_by_lane() {
    let body = "setp.lt.u32 p, thread, 8;\n@p bra few;\nadd.u32 d, thread, 1;\nfew:\nbar.sync 0;";
    let counters = count(2, 64, body, Order::InTurn);
    let of = |kind: &str| counters.instructions.get(kind).copied().unwrap_or(0);
    // Two blocks of two warps.
    assert_eq!((of("setp"), of("bra"), of("add"), of("bar"), of("ret")), (4, 4, 4, 4, 4));
    assert_eq!((of("ld.param"), of("mul")), (4, 0));
    // In the first warp of each block 8 lanes branch and 24 add.
    assert_eq!(counters.totals.divergent, 2 + 2);
    assert_eq!(counters.totals.barriers, 4);
    let all = 4 * 32 * 6 + 2 * (8 + 24 + 32);
    assert_eq!(counters.totals.lane_instructions, all);
}

#[test]
fn global_memory_is_counted_in_sectors() {
    // Two blocks load the same 128 bytes; a stride of 32 bytes touches a sector for each lane.
    let counters = count(2, 32, "ld.global.u32 d, [at];", Order::InTurn);
    let expected = Traffic { bytes: 256, sectors: 8, distinct_sectors: 4 };
    assert_eq!(counters.totals.global_loads, expected);
    assert_eq!(counters.totals.global_stores, Traffic::default());
    let strided = "mad.wide.u32 at, thread, 32, buffer;\nst.global.u32 [at], thread;\nst.global.u32 [at+4], thread;";
    let counters = count(1, 32, strided, Order::InTurn);
    let expected = Traffic { bytes: 256, sectors: 64, distinct_sectors: 32 };
    assert_eq!(counters.totals.global_stores, expected);
    let counters = count(
        1,
        32,
        "mad.wide.u32 at, thread, 16, buffer;\nld.global.v4.u32 {a0, a1, a2, a3}, [at];",
        Order::InTurn,
    );
    let expected = Traffic { bytes: 512, sectors: 16, distinct_sectors: 16 };
    assert_eq!(counters.totals.global_loads, expected);
}

#[test]
fn copies_to_shared_memory_are_also_counted_apart() {
    let body = "shl.b32 s, thread, 4;\nmad.wide.u32 at, thread, 16, buffer;\n\
         cp.async.ca.shared.global [s], [at], 16;\ncp.async.wait_all;\nld.global.u32 d, [at];";
    let totals = count(2, 32, body, Order::InTurn).totals;
    let copies = Traffic { bytes: 1024, sectors: 32, distinct_sectors: 16 };
    assert_eq!(totals.global_copies, copies);
    let all = Traffic { bytes: 1024 + 256, sectors: 64, distinct_sectors: 16 };
    assert_eq!(totals.global_loads, all);
    // A source that gives nothing is not read.
    let body = "shl.b32 s, thread, 4;\ncp.async.ca.shared.global [s], [buffer], 16, 0;\ncp.async.wait_all;";
    assert_eq!(count(1, 32, body, Order::InTurn).totals.global_copies, Traffic::default());
}

#[test]
fn bulk_copies_are_counted_as_traffic_of_global_memory_alone() {
    // 64 bytes from the middle of a sector on, and back to the next sectors.
    let body = "setp.eq.u32 p, thread, 0;\n@p mbarrier.init.shared.b64 [memory+4096], 1; fence.proxy.async; bar.warp.sync -1;\n\
         @p mbarrier.arrive.expect_tx.shared.b64 _, [memory+4096], 64;\n\
         @p cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [memory], [buffer+16], 64, [memory+4096];\n\
         wait: mbarrier.try_wait.parity.shared.b64 p, [memory+4096], 0;\n@!p bra wait;\n\
         setp.eq.u32 p, thread, 0;\n@p cp.async.bulk.global.shared::cta.bulk_group [buffer+128], [memory], 64;\n\
         @p cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [buffer+128], [memory], 64;\n\
         @p cp.async.bulk.commit_group;\n@p cp.async.bulk.wait_group 0;";
    let totals = count(1, 32, body, Order::InTurn).totals;
    assert_eq!(totals.global_loads, Traffic { bytes: 64, sectors: 3, distinct_sectors: 3 });
    assert_eq!(totals.global_copies, totals.global_loads);
    assert_eq!(totals.global_stores, Traffic { bytes: 128, sectors: 4, distinct_sectors: 2 });
    assert_eq!(totals.shared, Banks::default());
}

#[test]
fn shared_memory_is_counted_in_wavefronts() {
    let banks = |stride: u32, ty: &str| {
        let body = format!(
            "mul.lo.u32 s, thread, {stride};\nst.shared.{ty} [s], {};",
            match ty {
                "v4.u32" => "{thread, thread, thread, thread}",
                _ => "thread",
            }
        );
        count(1, 32, &body, Order::InTurn).totals.shared
    };
    assert_eq!(banks(4, "u32"), Banks { accesses: 1, wavefronts: 1, conflicts: 0 });
    assert_eq!(banks(8, "u32"), Banks { accesses: 1, wavefronts: 2, conflicts: 1 });
    assert_eq!(banks(128, "u32"), Banks { accesses: 1, wavefronts: 32, conflicts: 31 });
    assert_eq!(banks(16, "v4.u32"), Banks { accesses: 1, wavefronts: 4, conflicts: 0 });
    assert_eq!(banks(128, "v4.u32"), Banks { accesses: 1, wavefronts: 32, conflicts: 28 });
}

#[test]
fn matrix_multiplications_are_counted_by_shape() {
    let zero = (0..4).map(|i| format!("mov.b32 a{i}, 0; mov.b32 c{i}, 0;\n")).collect::<String>();
    let body = format!(
        "{zero} mov.b32 b0, 0; mov.b32 b1, 0;\n\
         mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {{c0, c1, c2, c3}}, {{a0, a1, a2, a3}}, \
         {{b0, b1}}, {{c0, c1, c2, c3}};\n\
         mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {{c0, c1, c2, c3}}, {{a0, a1}}, {{b0}}, \
         {{c0, c1, c2, c3}};"
    );
    let counters = count(3, 64, &body, Order::InTurn);
    let flops: Vec<_> = counters.mma_flops.into_iter().collect();
    assert_eq!(
        flops,
        [
            ("m16n8k16.f32.bf16".to_owned(), 6 * 2 * 16 * 8 * 16),
            ("m16n8k8.f32.f16".to_owned(), 6 * 2 * 16 * 8 * 8),
        ]
    );
}

/// One product of two small matrices, of which a thread issues it and another warp does nothing.
#[test]
fn products_in_tensor_memory_are_counted_as_issued() {
    // K-major in core matrices, zeros everywhere: M = 64 and N = 8.
    let ptx = ".version 8.6\n.target sm_100a\n.address_size 64\n.visible .entry counted() {\n\
         .shared .align 128 .b8 memory[2560]; .reg .pred p, q; .reg .b32 thread, s, zero, base, i; .reg .b64 da, db;\n\
         mov.u32 thread, %tid.x; mov.b32 zero, 0; shl.b32 s, thread, 4;\n\
         setp.lt.u32 p, thread, 16; st.shared.v4.b32 [s], {zero, zero, zero, zero};\n\
         @p st.shared.v4.b32 [s+2048], {zero, zero, zero, zero}; setp.eq.u32 q, thread, 0;\n\
         @q mbarrier.init.shared.b64 [memory+2304], 1; @q fence.mbarrier_init.release.cluster;\n\
         setp.ge.u32 p, thread, 32; @p bra over;\n\
         tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [memory+2320], 32;\n\
         over: fence.proxy.async; bar.sync 0; ld.shared.u32 base, [memory+2320];\n\
         mov.b64 da, 0x401000080000; add.u64 db, da, 128; mov.b32 i, 0x4020490; setp.ne.u32 p, zero, 0;\n\
         @q tcgen05.mma.cta_group::1.kind::f16 [base], da, db, i, p;\n\
         @q tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [memory+2304];\n\
         wait: mbarrier.try_wait.parity.shared.b64 p, [memory+2304], 0; @!p bra wait;\n\
         bar.sync 0; setp.ge.u32 p, thread, 32; @p bra end;\n\
         tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, 32;\nend: ret; }\n";
    let machine = Machine::new(Device::named("sm_100").expect("it is known"));
    let module = machine.load(ptx).unwrap_or_else(|error| panic!("{error}"));
    let function = module.function("counted").expect("it is there");
    let launch = Launch { grid: [3, 1, 1], block: [128, 1, 1], ..Launch::default() };
    let counters = machine.launch(&function, &launch, Order::InTurn, &[]);
    let counters = counters.unwrap_or_else(|fault| panic!("{fault}"));
    let flops: Vec<_> = counters.mma_flops.into_iter().collect();
    assert_eq!(flops, [("tcgen05.m64nNk16.f32.bf16".to_owned(), 3 * 2 * 64 * 8 * 16)]);
    let of = |kind: &str| counters.instructions.get(kind).copied().unwrap_or(0);
    // A and B have 64 and 8 rows of 16 elements.
    assert_eq!(counters.totals.operands, 3 * (64 + 8) * 32);
    assert_eq!((of("tcgen05.mma"), of("tcgen05.commit"), of("tcgen05.alloc")), (12, 12, 3));
}

#[test]
fn counts_do_not_depend_on_the_order_of_warps() {
    let body = "shl.b32 s, thread, 2;\nst.shared.u32 [s], thread;\nbar.sync 0;\nxor.b32 s, s, 128;\n\
         ld.shared.u32 d, [s];\nred.global.add.u32 [buffer], d;\nld.global.u32 d, [at+512];";
    let first = count(8, 128, body, Order::InTurn);
    for seed in 0..10 {
        assert_eq!(count(8, 128, body, Order::Random(seed)), first);
    }
}
