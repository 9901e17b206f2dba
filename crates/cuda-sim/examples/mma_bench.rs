//! How long a simulated `mma.sync.m16n8k16` takes: `cargo run --release --example mma_bench`.

use std::time::Instant;

use cuda_sim::device::Device;
use cuda_sim::{Launch, Machine, Order};

/// Multiplications of one warp.
const LOOPS: u32 = 1 << 17;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for ty in ["bf16", "f16"] {
        let ptx = format!(
            ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry bench()\n{{\n\
             .reg .pred p; .reg .b32 i, a<4>, b<2>; .reg .f32 c<4>;\n\
             mov.b32 a0, 0; mov.b32 a1, 0; mov.b32 a2, 0; mov.b32 a3, 0; mov.b32 b0, 0; mov.b32 b1, 0;\n\
             mov.f32 c0, 1.0; mov.f32 c1, 1.0; mov.f32 c2, 1.0; mov.f32 c3, 1.0; mov.b32 i, 0;\n\
             again:\n\
             mma.sync.aligned.m16n8k16.row.col.f32.{ty}.{ty}.f32 \
             {{c0, c1, c2, c3}}, {{a0, a1, a2, a3}}, {{b0, b1}}, {{c0, c1, c2, c3}};\n\
             add.u32 i, i, 1; setp.lt.u32 p, i, {LOOPS};\n@p bra again;\nret;\n}}\n"
        );
        let machine = Machine::new(Device::named("sm_80").ok_or("no such device")?);
        let module = machine.load(&ptx)?;
        let function = module.function("bench").ok_or("no such kernel")?;
        let launch = Launch { block: [32, 1, 1], ..Launch::default() };
        let start = Instant::now();
        machine.launch(&function, &launch, Order::InTurn, &[])?;
        let each = start.elapsed().as_secs_f64() / f64::from(LOOPS);
        println!("mma.sync.m16n8k16 {ty}: {:.2} us with its loop", each * 1e6);
    }
    Ok(())
}
