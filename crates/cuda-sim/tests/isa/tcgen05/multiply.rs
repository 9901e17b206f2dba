//! `tcgen05.mma` of matrices that the kernel lays out itself. All elements are small whole numbers, so that every
//! order of summation gives the same.

use super::*;
use crate::harness::Random;
use crate::wgmma::{K_MAJOR, Layout, layouts};

/// D = A B + D, made smaller before; or D = A B; and then D = A B + D once more.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// Whether A and B are bf16, and D is f32.
    is_bf16: bool,
    is_f32: bool,
    m: usize,
    n: usize,
    /// Whether two blocks do it together.
    is_pair: bool,
    /// That of A where it is in shared memory.
    layouts: (Option<Layout>, Layout),
    /// The first lane of D.
    lane: usize,
    negated: [bool; 2],
    /// Whether the first product adds to D, which is scaled by so many powers of two.
    adds: &'static str,
    scale: u32,
    /// Whether some lanes of D are left as they are.
    is_masked: bool,
}

const CASE: Case = Case {
    is_bf16: true,
    is_f32: true,
    m: 128,
    n: 64,
    is_pair: false,
    layouts: (Some(K_MAJOR), K_MAJOR),
    lane: 0,
    negated: [false; 2],
    adds: "p",
    scale: 0,
    is_masked: false,
};

/// Where B is, and bytes of shared memory that are filled.
const OF_B: usize = 16384;
const FILLED: usize = 65536;

/// The first columns of D and of A, behind the first that is allocated.
const COLUMN_OF_D: usize = 32;
const COLUMN_OF_A: usize = 16;

/// Lanes that are left as they are.
const MASK: [u32; 8] = [0x8000_0001, 0, 0xffff_0000, 0x1234, 5, 0xffff_ffff, 0, 0x10000];

impl Case {
    fn blocks(&self) -> usize {
        if self.is_pair { 2 } else { 1 }
    }

    fn half(&self, is_bf16: bool, value: i32) -> u32 {
        match is_bf16 {
            true => half::bf16::from_f32(value as f32).to_bits().into(),
            false => half::f16::from_f32(value as f32).to_bits().into(),
        }
    }

    fn bits_of_sum(&self, value: i32) -> u32 {
        if self.is_f32 { (value as f32).to_bits() } else { self.half(false, value) }
    }

    /// The block, the lane and the column behind the first that have an element of D: the manual's layouts A, B, D
    /// and F of "Data Path Layout Organization".
    fn cell(&self, row: usize, column: usize) -> (usize, usize, usize) {
        match (self.is_pair, self.m) {
            (true, 256) => (row / 128, row % 128, column),
            (true, _) => {
                let half = self.n / 2;
                (row / 64, row % 64 + column / half * 64, column % half)
            }
            (false, 128) => (0, row, column),
            (false, _) => (0, row / 16 * 32 + row % 16 + self.lane, column),
        }
    }

    /// The instruction descriptor: the manual's table.
    fn instruction(&self) -> u32 {
        let ty = u32::from(self.is_bf16);
        let [a, b] = self.negated.map(u32::from);
        let (of_a, of_b) = self.layouts;
        let transposed = |layout: Layout| u32::from(layout.is_mn_major);
        u32::from(self.is_f32) << 4
            | ty << 7
            | ty << 10
            | a << 13
            | b << 14
            | of_a.map_or(0, transposed) << 15
            | transposed(of_b) << 16
            | (self.n as u32 >> 3) << 17
            | (self.m as u32 >> 4) << 24
    }

    /// A block's shared memory, with its share of the rows of A and of the columns of B.
    fn memory(&self, rank: usize, a: &[[i32; 16]], b: &[[i32; 16]]) -> Vec<u32> {
        let mut bytes = vec![0; FILLED];
        for (start, matrix, layout) in [(0, a, self.layouts.0), (OF_B, b, Some(self.layouts.1))] {
            let Some(layout) = layout else { continue };
            let share = matrix.len() / self.blocks();
            for (mn, row) in matrix[rank * share..][..share].iter().enumerate() {
                for (k, value) in row.iter().enumerate() {
                    let at = start + layout.place(share as u64, mn as u64, k as u64);
                    let bits = self.half(self.is_bf16, *value) as u16;
                    bytes[at..at + 2].copy_from_slice(&bits.to_le_bytes());
                }
            }
        }
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
        bytes.chunks(4).map(word).collect()
    }

    /// A descriptor of a block's share: the manual's table.
    fn descriptor(&self, layout: Layout, rows: usize, start: usize) -> u64 {
        let (leading, stride) = layout.offsets((rows / self.blocks()) as u64);
        let mode = [0, 2, 4, 6][layout.swizzle as usize];
        start as u64 >> 4 | leading >> 4 << 16 | stride >> 4 << 32 | 1 << 46 | mode << 61
    }

    /// What a block's lanes hold of A in tensor memory: two elements in each of 8 columns.
    fn tensor_a(&self, rank: usize, a: &[[i32; 16]]) -> Vec<u32> {
        let mut words = vec![0; 128 * 8];
        for (row, values) in a.iter().enumerate() {
            // Each part of the lanes that D is in has its rows.
            for n in [0, self.n - 1] {
                let (of, lane, _) = self.cell(row, n);
                if of != rank {
                    continue;
                }
                for (column, pair) in values.chunks(2).enumerate() {
                    let [low, high] = [pair[0], pair[1]].map(|v| self.half(self.is_bf16, v));
                    words[8 * lane + column] = low | high << 16;
                }
            }
        }
        words
    }

    fn body(&self) -> String {
        let Self { m, n, adds, scale, .. } = self;
        let group = self.blocks();
        let width = n;
        let start = |column: usize| (self.lane << 16) + column;
        let is_in_tensor_memory = self.layouts.0.is_none();
        let mask = if group == 1 {
            "{r8, r9, r10, r11}, "
        } else {
            "{r8, r9, r10, r11, r12, r13, r14, r15}, "
        };
        let mask = if self.is_masked { mask } else { "" };
        let multiply = |adds: &str, scale: &str| {
            let a = if is_in_tensor_memory { "[r1]" } else { "da" };
            format!(
                "tcgen05.mma.cta_group::{group}.kind::f16 [r0], {a}, db, r2, {mask}{adds}{scale};\n"
            )
        };
        let scaled = if *scale == 0 { String::new() } else { format!(", {scale}") };
        let masks: String = (0..8).map(|i| format!("mov.b32 r{}, {};\n", 8 + i, MASK[i])).collect();
        let cluster = "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;\n";
        let multicast = match group {
            1 => "mbarrier::arrive::one.shared::cluster.b64 [words+8];",
            _ => "mbarrier::arrive::one.shared::cluster.multicast::cluster.b64 [words+8], h;",
        };
        format!(
            ".reg .b16 h; .reg .b64 from;\n{cluster}\
             setp.ne.u32 p, thread, 0; @p bra made; mbarrier.init.shared.b64 [words+8], 1; \
             fence.mbarrier_init.release.cluster;\nmade:\n{}{OWN_LANES}\
             mad.lo.u32 i, rank, 128, thread; mad.wide.u32 from, i, {}, in1; mov.u32 i, 0;\n\
             fill: ld.global.b32 w, [from]; add.u64 from, from, 4; add.u32 r0, to, i;\n\
             tcgen05.st.sync.aligned.32x32b.x1.b32 [r0+{COLUMN_OF_D}], {{w}};\n\
             add.u32 i, i, 1; setp.lt.u32 p, i, {width}; @p bra fill;\n\
             mad.lo.u32 i, rank, 128, thread; mad.wide.u32 from, i, 32, in2;\n{}\
             tcgen05.st.sync.aligned.32x32b.x8.b32 [to+{COLUMN_OF_A}], {{r0, r1, r2, r3, r4, r5, r6, r7}};\n\
             tcgen05.wait::st.sync.aligned;\n\
             mad.wide.u32 from, rank, {FILLED}, in0; mov.u32 i, thread;\n\
             again: mad.wide.u32 at, i, 4, from; ld.global.b32 w, [at];\n\
             mov.u32 r0, memory; mad.lo.u32 r0, i, 4, r0; st.shared.b32 [r0], w;\n\
             add.u32 i, i, 128; setp.lt.u32 p, i, {}; @p bra again;\n\
             fence.proxy.async;\ntcgen05.fence::before_thread_sync;\n{cluster}\
             {masks}add.u32 r0, base, {}; add.u32 r1, base, {}; mov.b32 r2, {};\n\
             mov.b64 da, {}; mov.b64 db, {}; mov.b16 h, 3;\n\
             or.b32 w, thread, rank; setp.ne.u32 p, w, 0; @p bra issued;\n\
             tcgen05.fence::after_thread_sync;\n\
             setp.eq.u32 p, thread, 0; setp.ne.u32 q, thread, 0;\n{}{}\
             tcgen05.commit.cta_group::{group}.{multicast}\n\
             issued:\nwait: mbarrier.try_wait.parity.shared.b64 p, [words+8], 0;\n@!p bra wait;\n\
             tcgen05.fence::after_thread_sync;\n\
             mad.wide.u32 at, number, {}, out; mov.u32 i, 0;\n\
             dump: add.u32 r0, to, i;\n\
             tcgen05.ld.sync.aligned.32x32b.x1.b32 {{w}}, [r0+{COLUMN_OF_D}];\ntcgen05.wait::ld.sync.aligned;\n\
             st.global.b32 [at], w; add.u64 at, at, 4;\n\
             add.u32 i, i, 1; setp.lt.u32 p, i, {width}; @p bra dump;\n{cluster}{}",
            allocate(512).replace("group::1", &format!("group::{group}")),
            4 * width,
            (0..8).map(|i| format!("ld.global.b32 r{i}, [from+{}];\n", 4 * i)).collect::<String>(),
            FILLED / 4,
            start(COLUMN_OF_D),
            start(COLUMN_OF_A),
            self.instruction(),
            self.layouts.0.map_or(0, |layout| self.descriptor(layout, *m, 0)),
            self.descriptor(self.layouts.1, *n, OF_B),
            multiply(adds, &scaled),
            multiply("p", ""),
            4 * width,
            deallocate(512).replace("group::1", &format!("group::{group}")),
        )
    }

    fn check(&self) {
        self.check_as(&self.body()).unwrap_or_else(|fault| panic!("{self:?}: {fault}"));
    }

    /// Runs a body like its own, and compares what comes of it unless something is wrong with that.
    fn check_as(&self, body: &str) -> Result<(), Fault> {
        let mut random = Random(self.n as u64);
        let mut number = |bound: u64| (random.next() % (2 * bound + 1)) as i32 - bound as i32;
        let mut matrix = |rows: usize| -> Vec<[i32; 16]> {
            (0..rows).map(|_| std::array::from_fn(|_| number(4))).collect()
        };
        let (a, b) = (matrix(self.m), matrix(self.n));
        // What all lanes of the blocks hold at first.
        let held: Vec<i32> =
            (0..self.blocks() * 128 * self.n).map(|_| number(12) << self.scale).collect();
        let memory: Vec<u32> =
            (0..self.blocks()).flat_map(|rank| self.memory(rank, &a, &b)).collect();
        let tensor: Vec<u32> =
            (0..self.blocks()).flat_map(|rank| self.tensor_a(rank, &a)).collect();
        let bits: Vec<u32> = held.iter().map(|value| self.bits_of_sum(*value)).collect();
        let blocks = self.blocks() as u32;
        let inputs: [&[u32]; 3] = [&memory, &bits, &tensor];
        let mut got = run_in(Order::InTurn, (blocks, 128), held.len(), &inputs, body)?;
        if !self.is_f32 {
            // A sum of 16 bits is the lower half of its cell.
            got.iter_mut().for_each(|cell| *cell &= 0xffff);
        }
        let mut expected = bits.clone();
        let keeps = i32::from(matches!(self.adds, "p" | "!q"));
        let sign = if self.negated[0] != self.negated[1] { -1 } else { 1 };
        for (row, column) in (0..self.m).flat_map(|row| (0..self.n).map(move |n| (row, n))) {
            let (rank, lane, across) = self.cell(row, column);
            let index = (rank * 128 + lane) * self.n + across;
            let product: i32 = (0..16).map(|k| a[row][k] * b[column][k]).sum();
            if !(self.is_masked && MASK[4 * rank + lane / 32] >> (lane % 32) & 1 != 0) {
                let kept = keeps * (held[index] >> self.scale);
                expected[index] = self.bits_of_sum(kept + 2 * sign * product);
            }
        }
        assert!(got == expected, "{self:?}");
        Ok(())
    }
}

const TYPES: [Case; 3] =
    [CASE, Case { is_bf16: false, ..CASE }, Case { is_bf16: false, is_f32: false, ..CASE }];

/// Both sizes of M, each half of the lanes, and A in either memory.
fn shapes() -> impl Iterator<Item = Case> {
    let sizes = [(128, 0), (64, 0), (64, 16)];
    let factors = [Some(K_MAJOR), None];
    let with = move |(m, lane)| factors.map(|a| Case { m, lane, layouts: (a, K_MAJOR), ..CASE });
    sizes.into_iter().flat_map(with)
}

#[test]
fn every_type_and_shape_is_multiplied_and_accumulated() {
    for shape in shapes() {
        for n in [16, 48, 128, 256] {
            for Case { is_bf16, is_f32, .. } in TYPES {
                Case { is_bf16, is_f32, n, ..shape }.check();
            }
        }
    }
    Case { m: 64, n: 8, ..CASE }.check();
}

#[test]
fn operands_are_read_in_every_layout() {
    for layout in layouts() {
        Case { layouts: (Some(layout), K_MAJOR), ..CASE }.check();
        Case { layouts: (Some(layout), K_MAJOR), m: 64, ..CASE }.check();
        Case { layouts: (Some(K_MAJOR), layout), n: 256, ..CASE }.check();
        Case { layouts: (None, layout), n: 128, ..CASE }.check();
    }
}

#[test]
fn what_was_held_is_kept_or_not_and_operands_are_negated() {
    for shape in shapes() {
        for adds in ["p", "q", "!p", "!q"] {
            Case { adds, ..shape }.check();
        }
        for scale in [1, 5] {
            Case { scale, ..shape }.check();
        }
        for negated in [[true, false], [false, true], [true, true]] {
            Case { negated, ..shape }.check();
        }
        Case { is_masked: true, ..shape }.check();
    }
}

#[test]
fn two_blocks_multiply_together() {
    for (m, a) in [(256, Some(K_MAJOR)), (128, Some(K_MAJOR)), (256, None), (128, None)] {
        let pair = Case { is_pair: true, m, layouts: (a, K_MAJOR), ..CASE };
        for Case { is_bf16, is_f32, .. } in TYPES {
            for n in [32, 160, 256] {
                Case { is_bf16, is_f32, n, ..pair }.check();
            }
        }
        Case { is_masked: true, scale: 1, ..pair }.check();
    }
    for layout in layouts() {
        Case { is_pair: true, m: 256, n: 128, layouts: (Some(layout), K_MAJOR), ..CASE }.check();
        Case { is_pair: true, m: 128, n: 128, layouts: (Some(K_MAJOR), layout), ..CASE }.check();
    }
}

/// What the other block has laid out must be known to the one that multiplies.
#[test]
fn two_blocks_that_nothing_orders() {
    let pair = Case { is_pair: true, m: 256, ..CASE };
    let (body, barrier) =
        (pair.body(), "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;");
    let (start, rest) = body.split_once(barrier).expect("there is one at the start");
    let (middle, end) = rest.split_once(barrier).expect("there is one before the product");
    let planted = format!("{start}{barrier}{middle}bar.sync 0;{end}");
    let fault = pair.check_as(&planted).expect_err("nothing orders them");
    assert!(["race", "uninitialised memory"].contains(&fault.kind.name()), "{fault}");
    // Nor does a barrier suffice that tells nothing.
    let relaxed = barrier.replace("arrive.", "arrive.relaxed.");
    let fault = pair.check_as(&format!("{start}{barrier}{middle}{relaxed}{end}"));
    let fault = fault.expect_err("nothing is told");
    assert_eq!(fault.kind.name(), "race", "{fault}");
}
