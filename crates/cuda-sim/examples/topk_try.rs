use cuda_sim::*;
fn main() {
    let path = std::env::args().nth(1).expect("the path of block_topk's PTX");
    let ptx = std::fs::read_to_string(path).unwrap();
    let m = Machine::new(device::Device::named("sm_90").unwrap());
    let module = match m.load(&ptx) {
        Ok(m) => m,
        Err(e) => {
            eprintln!("{e}");
            std::process::exit(1)
        }
    };
    let f = module.function("block_topk").unwrap();
    println!("static {} params {}", f.static_shared(), f.parameter_bytes());
    let (rows, blocks, topk) = (64usize, 1024usize, 16usize);
    let scores: Vec<f32> =
        (0..rows * blocks).map(|i| ((i as u32).wrapping_mul(2654435761) >> 8) as f32).collect();
    let up = |b: &[u8]| {
        let a = m.allocate(b.len() as u64);
        m.write(a, b).unwrap();
        a
    };
    let s = up(&scores.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
    let ro = up(&(0..=rows as u32).flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
    let cl =
        up(&(0..rows).flat_map(|_| ((blocks * 128 - 1) as u32).to_le_bytes()).collect::<Vec<_>>());
    let ids = m.allocate((rows * topk * 4) as u64);
    let mut p = Vec::new();
    for a in [s, ro, cl, ids] {
        p.extend(a.to_le_bytes());
    }
    for a in [rows as u32, rows as u32, blocks as u32, topk as u32, 0, 1, 0, blocks as u32] {
        p.extend(a.to_le_bytes());
    }
    let threads = 256u32;
    let dynamic = (blocks as u32).div_ceil(4 * threads) * 4 * threads * 4;
    for order in [Order::InTurn, Order::InTurn, Order::Random(1), Order::Random(2)] {
        let t = std::time::Instant::now();
        match m.launch(
            &f,
            &Launch { grid: [rows as u32, 1, 1], block: [threads, 1, 1], dynamic_shared: dynamic },
            order,
            &p,
        ) {
            Ok(c) => println!(
                "{:?} {:.1} M lane-instr/s  {:?}",
                t.elapsed(),
                c.totals.lane_instructions as f64 / t.elapsed().as_secs_f64() / 1e6,
                c
            ),
            Err(e) => {
                println!("{e}");
                std::process::exit(1)
            }
        }
        let mut out = vec![0u8; rows * topk * 4];
        m.read(ids, &mut out).unwrap();
        for r in 0..rows {
            let got: Vec<i32> = out[r * 64..][..64]
                .chunks(4)
                .map(|c| i32::from_le_bytes(c.try_into().unwrap()))
                .collect();
            let mut want: Vec<i32> = (0..blocks as i32).collect();
            let sc = |b: i32| {
                if b as usize == blocks - 1 { 1e29 } else { scores[r * blocks + b as usize] }
            };
            want.sort_by(|&a, &b| sc(b).partial_cmp(&sc(a)).unwrap().then(a.cmp(&b)));
            assert_eq!(got, want[..16], "row {r}");
        }
    }
    println!("right");
}
