//! `tcgen05.ld` and `tcgen05.st` in every shape.

use super::*;

/// A shape, and how many registers a thread has of it without repetition.
const SHAPES: [(&str, usize); 5] =
    [("32x32b", 1), ("16x64b", 1), ("16x128b", 2), ("16x256b", 4), ("16x32bx2", 1)];

/// Columns of tensor memory that the tests look at, and where the second half of `.16x32bx2` starts.
const COLUMNS: usize = 512;
const SECOND: usize = 260;

#[derive(Clone, Copy, Debug)]
struct Case {
    shape: &'static str,
    /// Registers of each thread.
    count: usize,
    repeats: usize,
    packed: bool,
    /// The lane of each warp's that it starts at, and the column.
    lane: usize,
    column: usize,
}

impl Case {
    /// The thread and the register that have a cell, which is in these lanes and columns behind the start: the
    /// manual's figures "Matrix Fragment for shape".
    fn holder(&self, lane: usize, column: usize) -> Option<(usize, usize)> {
        let lanes = if self.shape == "32x32b" { 32 } else { 16 };
        let width = if self.packed { 2 } else { 1 };
        let (run, column) = match self.shape {
            "16x32bx2" if column >= SECOND => (1, column - SECOND),
            _ => (0, column),
        };
        let column = column / width;
        let (thread, register) = match self.shape {
            "32x32b" => (lane, column),
            "16x64b" => (lane % 8 * 4 + column % 2 * 2 + lane / 8, column / 2),
            "16x128b" => (lane % 8 * 4 + column % 4, column / 4 * 2 + lane / 8),
            "16x256b" => {
                (lane % 8 * 4 + column % 8 / 2, column / 8 * 4 + lane / 8 * 2 + column % 2)
            }
            _ => (16 * run + lane, column),
        };
        (lane < lanes && register < self.count).then_some((thread, register))
    }

    /// That of a cell of tensor memory, of which warp.
    fn of_cell(&self, lane: usize, column: usize) -> Option<(usize, usize)> {
        let (warp, lane) = (lane / 32, (lane % 32).checked_sub(self.lane)?);
        let (thread, register) = self.holder(lane, column.checked_sub(self.column)?)?;
        Some((32 * warp + thread, register))
    }

    fn start(&self) -> String {
        format!("{OWN_LANES}add.u32 to, to, {};\n", (self.lane << 16) + self.column)
    }

    /// The second half's start, as an operand with a comma behind it or before it.
    fn split(&self) -> String {
        if self.shape == "16x32bx2" { SECOND.to_string() } else { String::new() }
    }

    fn pack(&self, word: &str) -> String {
        if self.packed { format!(".{word}::16b") } else { String::new() }
    }

    fn stored(&self) {
        let Self { shape, count, repeats, .. } = self;
        let input: Vec<u32> = (0..128 * count).map(|index| mixed(index as u32)).collect();
        let split = if self.split().is_empty() { "" } else { &format!(" {},", self.split()) };
        let body = format!(
            "{}{FILL}{}{}tcgen05.st.sync.aligned.{shape}.x{repeats}{}.b32 [to],{split} {};\n\
             tcgen05.wait::st.sync.aligned;\n{DUMP}{}",
            allocate(512),
            self.start(),
            moved(*count, "ld", "in0"),
            self.pack("unpack"),
            registers(*count),
            deallocate(512),
        );
        let got = run(1, 128, 128 * COLUMNS, &[&input], &body);
        for (index, got) in got.iter().enumerate() {
            let (lane, column) = (index / COLUMNS, index % COLUMNS);
            let held = filled(lane, column);
            let expected = match self.of_cell(lane, column) {
                None => held,
                Some((thread, register)) => {
                    let value = input[thread * count + register];
                    let half = value >> (16 * ((column - self.column) % 2)) & 0xffff;
                    if self.packed { half } else { value }
                }
            };
            // Nothing is said of the upper half of a cell that a packed store writes.
            let is_half = self.packed && self.of_cell(lane, column).is_some();
            let got = if is_half { got & 0xffff } else { *got };
            assert_eq!(got, expected, "{self:?}, lane {lane}, column {column}");
        }
    }

    fn loaded(&self) {
        let Self { shape, count, repeats, .. } = self;
        let split = if self.split().is_empty() { "" } else { &format!(", {}", self.split()) };
        let body = format!(
            "{}{FILL}{}tcgen05.ld.sync.aligned.{shape}.x{repeats}{}.b32 {}, [to]{split};\n\
             tcgen05.wait::ld.sync.aligned;\n{}{}",
            allocate(512),
            self.start(),
            self.pack("pack"),
            registers(*count),
            moved(*count, "st", "out"),
            deallocate(512),
        );
        let got = run(1, 128, 128 * count, &[], &body);
        let mut expected = vec![0; 128 * count];
        let mut seen = 0;
        for (lane, column) in (0..128).flat_map(|lane| (0..COLUMNS).map(move |c| (lane, c))) {
            let Some((thread, register)) = self.of_cell(lane, column) else { continue };
            let value = filled(lane, column);
            let half = (value & 0xffff) << (16 * ((column - self.column) % 2));
            expected[thread * count + register] |= if self.packed { half } else { value };
            seen += 1;
        }
        assert_eq!(seen, expected.len() * if self.packed { 2 } else { 1 }, "{self:?}");
        assert_eq!(got, expected, "{self:?}");
    }
}

/// Numbers that look random.
fn mixed(index: u32) -> u32 {
    index.wrapping_mul(0x9e37_79b9) ^ index.wrapping_mul(0x85eb_ca6b) >> 7
}

/// What [`FILL`] puts into a cell.
fn filled(lane: usize, column: usize) -> u32 {
    (lane as u32) << 24 | 0x55_0000 | column as u32
}

/// Each thread fills its own lane.
const FILL: &str = "mov.u32 i, 0;\nagain: and.b32 to, warp, 3; shl.b32 to, to, 21; add.u32 to, to, base; \
    add.u32 to, to, i; shl.b32 w, thread, 24; or.b32 w, w, 0x550000; or.b32 w, w, i;\n\
    tcgen05.st.sync.aligned.32x32b.x1.b32 [to], {w};\n\
    add.u32 i, i, 1; setp.lt.u32 p, i, 512; @p bra again;\ntcgen05.wait::st.sync.aligned;\n";

/// And writes what it holds.
const DUMP: &str = "mov.u32 i, 0; mad.wide.u32 at, thread, 2048, out;\n\
    more: and.b32 to, warp, 3; shl.b32 to, to, 21; add.u32 to, to, base; add.u32 to, to, i;\n\
    tcgen05.ld.sync.aligned.32x32b.x1.b32 {w}, [to];\ntcgen05.wait::ld.sync.aligned;\n\
    st.global.b32 [at], w; add.u64 at, at, 4;\n\
    add.u32 i, i, 1; setp.lt.u32 p, i, 512; @p bra more;\n";

fn cases() -> impl Iterator<Item = Case> {
    SHAPES.into_iter().flat_map(|(shape, each)| {
        [1, 2, 4, 8, 16, 32, 64, 128].into_iter().filter(move |n| n * each <= 128).flat_map(
            move |repeats| {
                let lane = if shape != "32x32b" && repeats % 3 == 1 { 16 } else { 0 };
                let case =
                    Case { shape, count: repeats * each, repeats, packed: false, lane, column: 0 };
                let packed = Case { packed: true, ..case };
                // What is packed takes twice the columns.
                let columns =
                    |each: usize| repeats * each.max(if shape == "16x64b" { 2 } else { 1 });
                let fits = 2 * columns(2 * each) <= 252;
                [Some(case), fits.then_some(packed)].into_iter().flatten()
            },
        )
    })
}

#[test]
fn registers_are_stored_where_the_figures_have_them() {
    for case in cases() {
        case.stored();
    }
    Case { column: 5, ..cases().nth(5).expect("there are more") }.stored();
}

#[test]
fn registers_are_loaded_from_where_the_figures_have_them() {
    for case in cases() {
        case.loaded();
    }
    Case { column: 5, ..cases().nth(5).expect("there are more") }.loaded();
}

/// Warps of other warpgroups have the same lanes.
#[test]
fn warps_have_the_lanes_of_their_place_in_a_warpgroup() {
    let body = format!(
        "{}{OWN_LANES}setp.lt.u32 p, thread, 128; @!p bra other;\n\
         tcgen05.st.sync.aligned.32x32b.x1.b32 [to], {{thread}};\ntcgen05.wait::st.sync.aligned;\n\
         tcgen05.fence::before_thread_sync;\nother: bar.sync 0; @p bra end;\n\
         tcgen05.fence::after_thread_sync;\n\
         tcgen05.ld.sync.aligned.32x32b.x1.b32 {{w}}, [to];\ntcgen05.wait::ld.sync.aligned;\n\
         sub.u32 i, thread, 128; mad.wide.u32 at, i, 4, out; st.global.b32 [at], w;\nend:\n{}",
        allocate(32),
        deallocate(32),
    );
    assert_eq!(run(1, 256, 128, &[], &body), (0..128).collect::<Vec<u32>>());
}
