//! How long simulated matrix products take: `cargo run --release --example mma_bench`.

use std::time::Instant;

use cuda_sim::device::Device;
use cuda_sim::{Launch, Machine, Order};

/// Runs a kernel's body on a device, which repeats something as often as register `i` counts before the end, and
/// gives how long each took in microseconds.
fn time(
    device: &str,
    (threads, loops): (u32, u32),
    body: &str,
    end: &str,
) -> Result<f64, Box<dyn std::error::Error>> {
    let ptx = format!(
        ".version 8.6\n.target {device}a\n.address_size 64\n.visible .entry bench()\n{{\n\
         .reg .pred p; .reg .b32 i; mov.b32 i, 0;\n{body}\n\
         add.u32 i, i, 1; setp.lt.u32 p, i, {loops};\n@p bra again;\n{end}\nret;\n}}\n"
    );
    let machine = Machine::new(Device::named(device).ok_or("no such device")?);
    let module = machine.load(&ptx)?;
    let function = module.function("bench").ok_or("no such kernel")?;
    let launch = Launch { block: [threads, 1, 1], ..Launch::default() };
    let start = Instant::now();
    machine.launch(&function, &launch, Order::InTurn, &[])?;
    Ok(start.elapsed().as_secs_f64() / f64::from(loops) * 1e6)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for ty in ["bf16", "f16"] {
        let body = format!(
            ".reg .b32 a<4>, b<2>; .reg .f32 c<4>;\n\
             mov.b32 a0, 0; mov.b32 a1, 0; mov.b32 a2, 0; mov.b32 a3, 0; mov.b32 b0, 0; mov.b32 b1, 0;\n\
             mov.f32 c0, 1.0; mov.f32 c1, 1.0; mov.f32 c2, 1.0; mov.f32 c3, 1.0;\nagain:\n\
             mma.sync.aligned.m16n8k16.row.col.f32.{ty}.{ty}.f32 \
             {{c0, c1, c2, c3}}, {{a0, a1, a2, a3}}, {{b0, b1}}, {{c0, c1, c2, c3}};"
        );
        let each = time("sm_90", (32, 1 << 17), &body, "")?;
        println!("mma.sync.m16n8k16 {ty}: {each:.2} us with its loop");
    }
    // A in 2 KiB, then B in 8 KiB, both of rows of 32 bytes with a swizzle of as many.
    let d: Vec<String> = (0..128).map(|index| format!("d{index}")).collect();
    for ty in ["bf16", "f16"] {
        let body = format!(
            ".shared .align 1024 .b8 memory[10240]; .reg .b32 at, zero; .reg .b64 a, b; .reg .f32 d<128>;\n\
             mov.b32 zero, 0; mov.u32 at, %tid.x; shl.b32 at, at, 4;\n\
             fill: st.shared.v4.b32 [at], {{zero, zero, zero, zero}};\n\
             add.u32 at, at, 2048; setp.lt.u32 p, at, 10240; @p bra fill;\n\
             mov.b64 a, 0xc000001000010000; add.u64 b, a, 128;\n\
             fence.proxy.async; bar.sync 0; wgmma.fence.sync.aligned;\n\
             wgmma.mma_async.sync.aligned.m64n256k16.f32.{ty}.{ty} {{{d}}}, a, b, 0, 1, 1, 0, 0;\nagain:\n\
             wgmma.mma_async.sync.aligned.m64n256k16.f32.{ty}.{ty} {{{d}}}, a, b, 1, 1, 1, 0, 0;\n\
             wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0;",
            d = d.join(", ")
        );
        let each = time("sm_90", (128, 1 << 11), &body, "")?;
        println!("wgmma.m64n256k16 {ty}: {each:.1} us for all four warps");
    }
    // A in 4 KiB and B in 8 KiB, laid out so too, and one thread.
    for (ty, instruction) in [("bf16", 0x8400490_u32), ("f16", 0x8400010)] {
        let body = format!(
            ".shared .align 1024 .b8 memory[12416]; .reg .b32 at, zero, base, parity; .reg .b64 a, b; \
             .reg .pred adds, q;\n\
             mov.b32 zero, 0; mov.u32 at, %tid.x; setp.eq.u32 q, at, 0; shl.b32 at, at, 4;\n\
             fill: st.shared.v4.b32 [at], {{zero, zero, zero, zero}};\n\
             add.u32 at, at, 512; setp.lt.u32 p, at, 12288; @p bra fill;\n\
             @q mbarrier.init.shared.b64 [memory+12288], 1; @q fence.mbarrier_init.release.cluster;\n\
             tcgen05.alloc.cta_group::1.sync.aligned.shared::cta.b32 [memory+12304], 256;\n\
             ld.shared.u32 base, [memory+12304]; setp.ne.u32 adds, zero, 0;\n\
             mov.b64 a, 0xc000401000010000; add.u64 b, a, 256;\n\
             fence.proxy.async; bar.warp.sync -1;\nagain:\n\
             @q tcgen05.mma.cta_group::1.kind::f16 [base], a, b, {instruction}, adds;\n\
             @q tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64 [memory+12288];\n\
             and.b32 parity, i, 1; setp.eq.u32 adds, zero, 0;\n\
             wait: mbarrier.try_wait.parity.shared.b64 p, [memory+12288], parity;\n@!p bra wait;"
        );
        let end = "tcgen05.dealloc.cta_group::1.sync.aligned.b32 base, 256;";
        let each = time("sm_100", (32, 1 << 10), &body, end)?;
        println!("tcgen05.m128n256k16 {ty}: {each:.1} us");
    }
    Ok(())
}
