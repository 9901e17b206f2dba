//! A kernel as they are written: a warp that copies, a warp that multiplies and four that store what comes of it, with
//! stages and accumulators in turn. Whatever order its warps run in, nothing is found to be missing in it.

use super::*;
use crate::harness::Random;

const M: usize = 128;
const N: usize = 64;
/// Columns of A in a stage: 128 bytes, swizzled so.
const K: usize = 64;
const STAGES: usize = 3;
const STEPS: usize = 3;
const TILES: usize = 5;
/// Bytes of a stage: A's and all.
const OF_A: usize = M * 2 * K;
const STAGE: usize = OF_A + N * 2 * K;
/// Where the mbarriers are: of full and of empty stages, and of full and of empty accumulators.
const BARRIERS: usize = STAGES * STAGE;

fn barrier(kind: usize, index: usize) -> String {
    format!("[memory+{}]", BARRIERS + 8 * (STAGES * kind + index))
}

/// Waits until an mbarrier has completed as many phases as it has been used before, or one more.
fn wait(label: &str, at: &str, parity: usize) -> String {
    format!(
        "{label}: mbarrier.try_wait.parity.shared.b64 p, {at}, {};\n@!p bra {label};\n",
        parity % 2
    )
}

fn copies() -> String {
    let mut code = String::new();
    for step in 0..TILES * STEPS {
        let (stage, round) = (step % STAGES, step / STAGES);
        let (full, empty) = (barrier(0, stage), barrier(1, stage));
        code += &wait(&format!("e{step}"), &empty, round + 1);
        code += &format!(
            "mbarrier.arrive.expect_tx.shared.b64 _, {full}, {STAGE};\n\
             cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [memory+{}], [in0+{}], \
             {STAGE}, {full};\n",
            stage * STAGE,
            step * STAGE,
        );
    }
    code
}

fn products() -> String {
    let commit = "tcgen05.commit.cta_group::1.mbarrier::arrive::one.shared::cluster.b64";
    let instruction = 1 << 4 | 1 << 7 | 1 << 10 | (N >> 3) << 17 | (M >> 4) << 24;
    let descriptor = |start: usize| (start >> 4) as u64 | 64 << 32 | 1 << 46 | 2 << 61;
    let mut code = String::new();
    for tile in 0..TILES {
        let (accumulator, round) = (tile % 2, tile / 2);
        code += &wait(&format!("o{tile}"), &barrier(3, accumulator), round + 1);
        code += "tcgen05.fence::after_thread_sync;\n";
        for step in 0..STEPS {
            let number = tile * STEPS + step;
            let stage = number % STAGES;
            code += &wait(&format!("f{number}"), &barrier(0, stage), number / STAGES);
            for part in 0..K / 16 {
                let a = descriptor(stage * STAGE + 32 * part);
                let b = descriptor(stage * STAGE + OF_A + 32 * part);
                code += &format!(
                    "mov.b64 da, {a}; mov.b64 db, {b};\n\
                     tcgen05.mma.cta_group::1.kind::f16 [base+{}], da, db, {instruction}, {};\n",
                    N * accumulator,
                    u32::from(step + part > 0),
                );
            }
            code += &format!("{commit} {};\n", barrier(1, stage));
        }
        code += &format!("{commit} {};\n", barrier(2, accumulator));
    }
    code
}

fn results() -> String {
    let mut code = String::new();
    for tile in 0..TILES {
        let (accumulator, round) = (tile % 2, tile / 2);
        code += &wait(&format!("a{tile}"), &barrier(2, accumulator), round);
        code += &format!(
            "tcgen05.fence::after_thread_sync;\n\
             tcgen05.ld.sync.aligned.32x32b.x64.b32 {}, [to+{}];\ntcgen05.wait::ld.sync.aligned;\n\
             tcgen05.fence::before_thread_sync;\nmbarrier.arrive.shared.b64 _, {};\n{}add.u64 out, out, {};\n",
            registers(N),
            N * accumulator,
            barrier(3, accumulator),
            moved(N, "st", "out"),
            4 * M * N,
        );
    }
    code
}

#[test]
fn a_pipeline_of_copies_products_and_stores() {
    let mut random = Random(1);
    let mut matrix = |rows: usize| -> Vec<Vec<i32>> {
        let row = |_| (0..TILES * STEPS * K).map(|_| (random.next() % 9) as i32 - 4).collect();
        (0..rows).map(row).collect()
    };
    let (a, b) = (matrix(M), matrix(N));
    let mut bytes = vec![0; TILES * STEPS * STAGE];
    for (start, matrix) in [(0, &a), (OF_A, &b)] {
        for (row, values) in matrix.iter().enumerate() {
            for (k, value) in values.iter().enumerate() {
                // The chunks of 16 bytes trade places by the row.
                let chunk = (k % K / 8) ^ (row % 8);
                let at = k / K * STAGE + start + 128 * row + 16 * chunk + 2 * (k % 8);
                let bits = half::bf16::from_f32(*value as f32).to_bits();
                bytes[at..at + 2].copy_from_slice(&bits.to_le_bytes());
            }
        }
    }
    let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
    let stages: Vec<u32> = bytes.chunks(4).map(word).collect();
    let init = |kind: usize, index: usize, count: u32| {
        format!("mbarrier.init.shared.b64 {}, {count};\n", barrier(kind, index))
    };
    let of_stages = (0..STAGES).map(|stage| init(0, stage, 1) + &init(1, stage, 1));
    let of_accumulators = (0..2).map(|index| init(2, index, 1) + &init(3, index, 128));
    let inits: String = of_stages.chain(of_accumulators).collect();
    let body = format!(
        "setp.ne.u32 p, thread, 0; @p bra made;\n{inits}fence.mbarrier_init.release.cluster;\nmade:\n{}{OWN_LANES}\
         setp.lt.u32 p, warp, 4; @p bra results;\nsetp.ne.u32 p, lane, 0; @p bra over;\n\
         setp.eq.u32 p, warp, 5; @p bra products;\n{}bra over;\nproducts:\n{}bra over;\nresults:\n{}over:\n{}",
        allocate(2 * N as u32),
        copies(),
        products(),
        results(),
        deallocate(2 * N as u32),
    );
    let mut expected = Vec::new();
    for tile in 0..TILES {
        for (row, column) in (0..M).flat_map(|row| (0..N).map(move |column| (row, column))) {
            let of_tile = tile * STEPS * K..(tile + 1) * STEPS * K;
            let sum: i32 = of_tile.map(|k| a[row][k] * b[column][k]).sum();
            expected.push((sum as f32).to_bits());
        }
    }
    for order in (0..12).map(Order::Random).chain([Order::InTurn]) {
        let got = run_in(order, (1, 192), expected.len(), &[&stages], &body);
        assert!(got.unwrap_or_else(|fault| panic!("{order:?}: {fault}")) == expected, "{order:?}");
    }
    // Without any part of it that matters something is.
    let wait = |label: &str| {
        let found = body.lines().find_map(|line| line.strip_prefix(label));
        found.expect("it is there").to_owned()
    };
    let passes = "setp.eq.u32 p, thread, thread;";
    for (part, instead, kind) in [
        (wait("e4: "), passes, "pending copy"),
        (wait("f4: "), passes, "pending copy"),
        (wait("o2: "), passes, "tensor memory race"),
        (wait("a2: "), passes, "tensor memory race"),
        ("tcgen05.fence::after_thread_sync;".to_owned(), "", "missing tcgen05 fence"),
        ("tcgen05.fence::before_thread_sync;".to_owned(), "", "missing tcgen05 fence"),
        ("tcgen05.wait::ld.sync.aligned;".to_owned(), "", "register in flight"),
    ] {
        let without = body.replace(&part, instead);
        let fault = run_in(Order::InTurn, (1, 192), expected.len(), &[&stages], &without);
        let fault = fault.expect_err(&part);
        assert_eq!(fault.kind.name(), kind, "without {part}: {fault}");
    }
}
