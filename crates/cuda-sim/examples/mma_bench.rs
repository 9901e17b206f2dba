//! How long simulated matrix products take: `cargo run --release --example mma_bench`.

use std::time::Instant;

use cuda_sim::device::Device;
use cuda_sim::{Launch, Machine, Order};

/// Runs a kernel's body, which repeats something as often as register `i` counts, and gives how long each
/// took in microseconds.
fn time(threads: u32, loops: u32, body: &str) -> Result<f64, Box<dyn std::error::Error>> {
    let ptx = format!(
        ".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry bench()\n{{\n\
         .reg .pred p; .reg .b32 i; mov.b32 i, 0;\n{body}\n\
         add.u32 i, i, 1; setp.lt.u32 p, i, {loops};\n@p bra again;\nret;\n}}\n"
    );
    let machine = Machine::new(Device::named("sm_90").ok_or("no such device")?);
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
        let each = time(32, 1 << 17, &body)?;
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
        let each = time(128, 1 << 11, &body)?;
        println!("wgmma.m64n256k16 {ty}: {each:.1} us for all four warps");
    }
    Ok(())
}
