//! `tcgen05.cp` and `tcgen05.shift`.

use super::*;
use crate::wgmma::{Layout, layouts};

/// Columns of tensor memory that are looked at, and where copies go.
const COLUMNS: usize = 32;
const TO: usize = 12;

/// What each lane holds at first.
fn held(lane: usize, column: usize) -> u32 {
    (lane << 8 | column) as u32
}

/// What a block holds in the end, lane after lane, after one thread has issued something.
fn after(blocks: u32, issue: &str, inputs: &[&[u32]]) -> Vec<u32> {
    let group = blocks;
    let cluster = "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n";
    let columns: Vec<String> = (0..COLUMNS)
        .map(|i| format!("shl.b32 r{i}, thread, 8; or.b32 r{i}, r{i}, {i};\n"))
        .collect();
    let body = format!(
        "{cluster}setp.ne.u32 p, thread, 0; @p bra made; mbarrier.init.shared.b64 [words+8], 1; \
         fence.mbarrier_init.release.cluster;\nmade:\n{}{OWN_LANES}{}\
         tcgen05.st.sync.aligned.32x32b.x32.b32 [to], {};\ntcgen05.wait::st.sync.aligned;\n{}\
         fence.proxy.async;\ntcgen05.fence::before_thread_sync;\n{cluster}\
         or.b32 w, thread, rank; setp.ne.u32 p, w, 0; @p bra issued;\n\
         .reg .b16 h; mov.b16 h, {}; tcgen05.fence::after_thread_sync;\n{issue}\
         tcgen05.commit.cta_group::{group}.mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 \
         [words+8], h;\n\
         issued:\nwait: mbarrier.try_wait.parity.shared.b64 p, [words+8], 0;\n@!p bra wait;\n\
         tcgen05.fence::after_thread_sync;\n\
         tcgen05.ld.sync.aligned.32x32b.x32.b32 {}, [to];\ntcgen05.wait::ld.sync.aligned;\n{}\
         {cluster}{}",
        allocate(32).replace("group::1", &format!("group::{group}")),
        columns.concat(),
        registers(COLUMNS),
        if inputs.is_empty() { "" } else { FILL },
        if blocks == 1 { 1 } else { 3 },
        registers(COLUMNS),
        moved(COLUMNS, "st", "out"),
        deallocate(32).replace("group::1", &format!("group::{group}")),
    );
    run(blocks, 128, 128 * COLUMNS * blocks as usize, inputs, &body)
}

/// Copies 16 KiB for each block to shared memory.
const FILL: &str = "mad.wide.u32 x, rank, 16384, in0; mov.u32 i, thread;\n\
    again: mad.wide.u32 at, i, 4, x; ld.global.b32 w, [at];\n\
    mov.u32 r0, memory; mad.lo.u32 r0, i, 4, r0; st.shared.b32 [r0], w;\n\
    add.u32 i, i, 128; setp.lt.u32 p, i, 4096; @p bra again;\n";

/// Shapes: rows, columns, and to which lanes each row goes.
type Shape = (&'static str, usize, usize, fn(usize) -> Vec<usize>);

const SHAPES: [Shape; 6] = [
    ("128x256b", 128, 8, |row| vec![row]),
    ("4x256b", 4, 8, |row| vec![32 * row]),
    ("128x128b", 128, 4, |row| vec![row]),
    ("64x128b.warpx2::02_13", 64, 4, |row| vec![row, 64 + row]),
    ("64x128b.warpx2::01_23", 64, 4, |row| match row {
        0..32 => vec![row, 32 + row],
        _ => vec![32 + row, 64 + row],
    }),
    ("32x128b.warpx4", 32, 4, |row| vec![row, 32 + row, 64 + row, 96 + row]),
];

fn check((name, rows, columns, lanes): Shape, layout: Layout, blocks: u32, lane: usize) {
    let (leading, stride) = layout.offsets(rows as u64);
    let mode = [0, 2, 4, 6][layout.swizzle as usize];
    let descriptor = leading >> 4 << 16 | stride >> 4 << 32 | 1_u64 << 46 | mode << 61;
    let value = |rank: usize, row: usize, column: usize| {
        (rank << 24 | 0x77_0000 | row << 8 | column) as u32
    };
    let mut memory = vec![0; 4096 * blocks as usize];
    for rank in 0..blocks as usize {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |c| (row, c))) {
            // Elements of a layout have 16 bits.
            let at = layout.place(rows as u64, row as u64, 2 * column as u64);
            memory[rank * 4096 + at / 4] = value(rank, row, column);
        }
    }
    let issue = format!(
        "mov.b64 da, {descriptor}; add.u32 to, base, {};\n\
         tcgen05.cp.cta_group::{blocks}.{name} [to], da; mov.u32 to, base;\n",
        (lane << 16) + TO,
    );
    let got = after(blocks, &issue, &[&memory]);
    let mut expected: Vec<u32> = (0..blocks as usize * 128 * COLUMNS)
        .map(|index| held(index / COLUMNS % 128, index % COLUMNS))
        .collect();
    for rank in 0..blocks as usize {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |c| (row, c))) {
            for to in lanes(row) {
                let at = (rank * 128 + to + lane) * COLUMNS + TO + column;
                expected[at] = value(rank, row, column);
            }
        }
    }
    assert!(got == expected, "{name}, {layout:?}");
}

#[test]
fn rows_are_copied_to_lanes() {
    for shape in SHAPES {
        for layout in layouts().filter(|layout| !layout.is_mn_major) {
            check(shape, layout, 1, 0);
        }
    }
    let layout = Layout { is_mn_major: false, swizzle: 1 };
    check(SHAPES[1], layout, 1, 7);
}

#[test]
fn rows_of_two_blocks_are_copied() {
    let layout = Layout { is_mn_major: false, swizzle: 2 };
    for shape in SHAPES {
        check(shape, layout, 2, 0);
    }
}

#[test]
fn rows_go_one_lane_down() {
    for blocks in [1, 2] {
        let issue = format!(
            "add.u32 to, base, {}; tcgen05.shift.cta_group::{blocks}.down [to]; mov.u32 to, base;\n",
            (32 << 16) + TO
        );
        let got = after(blocks, &issue, &[]);
        for (index, got) in got.into_iter().enumerate() {
            let (lane, column) = (index / COLUMNS % 128, index % COLUMNS);
            let moves = (33..64).contains(&lane) && (TO..TO + 8).contains(&column);
            assert_eq!(
                got,
                held(lane - usize::from(moves), column),
                "lane {lane}, column {column}"
            );
        }
    }
}
