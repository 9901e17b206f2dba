//! Products of a warpgroup, of matrices that the kernel lays out in shared memory itself. All elements are
//! small whole numbers, so that every order of summation gives the same.

use super::harness::*;
use cuda_sim::Launch;

/// How a matrix is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// Whether neighbours in memory are neighbours along m or n, not along k.
    pub is_mn_major: bool,
    /// As a descriptor numbers the swizzles: none, and those of 128, 64 and 32 bytes.
    pub swizzle: u64,
}

impl Layout {
    fn span(self) -> u64 {
        [16, 128, 64, 32][self.swizzle as usize]
    }

    /// The leading and the stride dimension byte offsets, for so many rows.
    pub fn offsets(self, rows: u64) -> (u64, u64) {
        let span = self.span();
        match (self.is_mn_major, self.swizzle) {
            // Core matrices of 128 bytes: those along k one after the other, with a gap behind each pair.
            (_, 0) => (128, 384),
            (false, _) => (16, 8 * span),
            // Repetitions along m or n are further apart than those along k, or nearer.
            (true, 2) => (16 * span, 8 * span),
            (true, _) => (8 * span, (2 * rows).div_ceil(span) * 8 * span),
        }
    }

    /// The bits of a descriptor beyond the start.
    fn descriptor(self, rows: u64) -> u64 {
        let (leading, stride) = self.offsets(rows);
        leading >> 4 << 16 | stride >> 4 << 32 | self.swizzle << 62
    }

    /// Where an element is, in bytes from a multiple of 1024: the manual's canonical layouts.
    pub fn place(self, rows: u64, mn: u64, k: u64) -> usize {
        let (leading, stride) = self.offsets(rows);
        let (span, width) = (self.span(), self.span() / 2);
        let offset = match (self.is_mn_major, self.swizzle) {
            (false, 0) => mn % 8 * 16 + mn / 8 * stride + k / 8 * leading + 2 * (k % 8),
            (false, _) => mn % 8 * span + mn / 8 * stride + 2 * k,
            (true, 0) => 2 * (mn % 8) + mn / 8 * stride + k % 8 * 16 + k / 8 * leading,
            (true, _) => 2 * (mn % width) + mn / width * leading + k % 8 * span + k / 8 * stride,
        };
        let bits = [0, 3, 2, 1][self.swizzle as usize];
        let moved = |to: u64, bit: u32| to ^ (offset >> (7 + bit) & 1) << (4 + bit);
        (0..bits).fold(offset, moved) as usize
    }
}

pub const K_MAJOR: Layout = Layout { is_mn_major: false, swizzle: 1 };

/// One kernel: D = scale D + A B, and then D = D + A B once more.
#[derive(Clone, Copy, Debug)]
struct Case {
    /// The types of D, A and B.
    types: &'static str,
    n: usize,
    /// That of A where it is in shared memory.
    layouts: (Option<Layout>, Layout),
    scale_d: &'static str,
    negated: [bool; 2],
}

const CASE: Case = Case {
    types: "f32.bf16.bf16",
    n: 64,
    layouts: (Some(K_MAJOR), K_MAJOR),
    scale_d: "1",
    negated: [false; 2],
};

/// Bytes of shared memory for A, and for both.
const OF_A: usize = 8192;
const MEMORY: usize = 40960;

impl Case {
    fn bits(&self, value: i32) -> u16 {
        match self.types {
            "f32.bf16.bf16" => half::bf16::from_f32(value as f32).to_bits(),
            _ => half::f16::from_f32(value as f32).to_bits(),
        }
    }

    fn has_f16_sums(&self) -> bool {
        self.types.starts_with("f16")
    }

    fn registers(&self) -> usize {
        self.n / if self.has_f16_sums() { 4 } else { 2 }
    }

    /// The registers that hold D: that of each thread, and each of its elements' place in it.
    fn packed(&self, element: impl Fn(usize, usize) -> i32) -> Vec<u32> {
        let mut words = Vec::new();
        for thread in 0..128 {
            let elements = (0..self.n / 2).map(|index| {
                let row = thread / 32 * 16 + thread % 32 / 4 + 8 * (index / 2 % 2);
                element(row, 8 * (index / 4) + 2 * (thread % 4) + index % 2)
            });
            let elements: Vec<i32> = elements.collect();
            if self.has_f16_sums() {
                let pairs = elements.chunks(2);
                words.extend(pairs.map(|pair| self.pair(pair[0], pair[1])));
            } else {
                words.extend(elements.iter().map(|value| (*value as f32).to_bits()));
            }
        }
        words
    }

    fn pair(&self, low: i32, high: i32) -> u32 {
        u32::from(self.bits(low)) | u32::from(self.bits(high)) << 16
    }

    /// A's registers of each thread.
    fn fragments(&self, a: &[[i32; 16]]) -> Vec<u32> {
        let of_thread = |thread: usize| {
            (0..4).map(move |index| {
                let row = &a[thread / 32 * 16 + thread % 32 / 4 + 8 * (index % 2)];
                let k = 2 * (thread % 4) + 8 * (index / 2);
                self.pair(row[k], row[k + 1])
            })
        };
        (0..128).flat_map(of_thread).collect()
    }

    /// What shared memory holds.
    fn memory(&self, a: &[[i32; 16]], b: &[[i32; 16]]) -> Vec<u32> {
        let mut bytes = vec![0; MEMORY];
        let matrices = [(0, a, self.layouts.0), (OF_A, b, Some(self.layouts.1))];
        for (start, matrix, layout) in matrices {
            let Some(layout) = layout else { continue };
            for (mn, row) in matrix.iter().enumerate() {
                for (k, value) in row.iter().enumerate() {
                    let at = start + layout.place(matrix.len() as u64, mn as u64, k as u64);
                    bytes[at..at + 2].copy_from_slice(&self.bits(*value).to_le_bytes());
                }
            }
        }
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
        bytes.chunks(4).map(word).collect()
    }

    fn ptx(&self) -> (String, String) {
        let Self { types, n, layouts, scale_d, negated } = self;
        let count = self.registers();
        let ty = if self.has_f16_sums() { "b32" } else { "f32" };
        let list = |name: &str, count: usize| {
            let names: Vec<String> = (0..count).map(|index| format!("{name}{index}")).collect();
            format!("{{{}}}", names.join(", "))
        };
        let scales = negated.map(|negated| if negated { -1 } else { 1 });
        let [of_a, of_b] = scales;
        let b_is_mn_major = u32::from(layouts.1.is_mn_major);
        let (a, trans) = match layouts.0 {
            Some(layout) => {
                let a_is_mn_major = u32::from(layout.is_mn_major);
                ("da".to_owned(), format!("{a_is_mn_major}, {b_is_mn_major}"))
            }
            None => (list("a", 4), format!("{b_is_mn_major}")),
        };
        let multiply = |scale_d: &str| {
            format!(
                "wgmma.mma_async.sync.aligned.m64n{n}k16.{types} {}, {a}, db, {scale_d}, {of_a}, {of_b}, \
                 {trans};",
                list("c", count)
            )
        };
        let each = |name: &str, count: usize, access: &str| -> String {
            let one = |i: usize| access.replace("{}", &format!("{name}{i}"));
            let one = |i| one(i).replace("{at}", &format!("[at+{}]", 4 * i));
            (0..count).map(one).collect()
        };
        let ptx = format!(
            ".version 8.6\n.target sm_90a\n.address_size 64\n\
             .visible .entry test(.param .u64 out_param, .param .u64 memory_param, .param .u64 a_param, \
             .param .u64 c_param)\n{{\n\
             .shared .align 1024 .b8 memory[{MEMORY}];\n\
             .reg .pred p, q; .reg .b32 thread, i, w, to, a<4>; .reg .b64 from, at, da, db, x; \
             .reg .{ty} c<{count}>;\n\
             mov.u32 thread, %tid.x;\n\
             ld.param.u64 from, [memory_param]; mov.u32 i, thread;\n\
             again: mad.wide.u32 at, i, 4, from; ld.global.b32 w, [at];\n\
             mov.u32 to, memory; mad.lo.u32 to, i, 4, to; st.shared.b32 [to], w;\n\
             add.u32 i, i, 128; setp.lt.u32 p, i, {words}; @p bra again;\n\
             ld.param.u64 from, [a_param]; mad.wide.u32 at, thread, 16, from;\n{load_a}\
             ld.param.u64 from, [c_param]; mad.wide.u32 at, thread, {stride}, from;\n{load_c}\
             mov.u32 to, memory; shr.u32 to, to, 4; cvt.u64.u32 x, to;\n\
             add.u64 da, x, {da}; add.u64 db, x, {db};\n\
             setp.eq.u32 p, thread, 999; setp.ne.u32 q, thread, 999;\n\
             fence.proxy.async;\nbar.sync 0;\nwgmma.fence.sync.aligned;\n\
             {}\n{}\n\
             wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n\
             ld.param.u64 from, [out_param]; mad.wide.u32 at, thread, {stride}, from;\n{store_c}\
             ret;\n}}\n",
            multiply(scale_d),
            multiply("1"),
            words = MEMORY / 4,
            stride = 4 * count,
            load_a = each("a", 4, "ld.global.b32 {}, {at};\n"),
            load_c = each("c", count, &format!("ld.global.{ty} {{}}, {{at}};\n")),
            store_c = each("c", count, &format!("st.global.{ty} {{at}}, {{}};\n")),
            da = layouts.0.map_or(0, |layout| layout.descriptor(64)),
            db = layouts.1.descriptor(*n as u64) + (OF_A as u64 >> 4),
        );
        let swizzle_of_b = layouts.1.swizzle;
        let swizzles = match layouts.0 {
            Some(Layout { swizzle, .. }) => format!("swizzles {swizzle} and {swizzle_of_b}"),
            None => format!("swizzle {swizzle_of_b}"),
        };
        let code = format!(
            "wgmma.mma_async.sync.aligned.m64n{n}k16.{types} c, {}, db, {scale_d}, {of_a}, {of_b}, \
             {trans}; twice, {swizzles}",
            if layouts.0.is_some() { "da" } else { "a" }
        );
        (code, ptx)
    }

    fn check(&self) {
        let mut random = Random(self.n as u64);
        let mut number = |bound: u64| (random.next() % (2 * bound + 1)) as i32 - bound as i32;
        let mut matrix = |rows: usize| -> Vec<[i32; 16]> {
            (0..rows).map(|_| std::array::from_fn(|_| number(4))).collect()
        };
        let (a, b) = (matrix(64), matrix(self.n));
        let c: Vec<Vec<i32>> =
            (0..64).map(|_| (0..self.n).map(|_| number(100)).collect()).collect();
        let (code, ptx) = self.ptx();
        let (memory, fragments) = (self.memory(&a, &b), self.fragments(&a));
        let held = self.packed(|row, column| c[row][column]);
        let inputs: [&[u32]; 3] = [&memory, &fragments, &held];
        let launch = Launch { block: [128, 1, 1], ..Launch::default() };
        let got = run_kernel(&code, &ptx, &launch, held.len(), &inputs);
        let keeps = i32::from(matches!(self.scale_d, "1" | "q" | "!p"));
        let sign = if self.negated[0] != self.negated[1] { -1 } else { 1 };
        let expected = self.packed(|row, column| {
            let product: i32 = (0..16).map(|k| a[row][k] * b[column][k]).sum();
            keeps * c[row][column] + 2 * sign * product
        });
        assert!(got == expected, "{self:?}");
    }
}

const TYPES: [&str; 3] = ["f32.bf16.bf16", "f32.f16.f16", "f16.f16.f16"];

pub fn layouts() -> impl Iterator<Item = Layout> {
    let of = |is_mn_major| (0..4).map(move |swizzle| Layout { is_mn_major, swizzle });
    [false, true].into_iter().flat_map(of)
}

#[test]
fn every_type_is_multiplied_and_accumulated() {
    for types in TYPES {
        for n in [8, 24, 64, 128, 200, 256] {
            Case { types, n, ..CASE }.check();
            Case { types, n, layouts: (None, K_MAJOR), ..CASE }.check();
        }
    }
}

#[test]
fn operands_are_read_in_every_layout() {
    for layout in layouts() {
        for types in TYPES {
            Case { types, n: 128, layouts: (Some(layout), K_MAJOR), ..CASE }.check();
            Case { types, n: 128, layouts: (Some(K_MAJOR), layout), ..CASE }.check();
            Case { types, n: 256, layouts: (None, layout), ..CASE }.check();
        }
    }
}

#[test]
fn what_was_held_is_kept_or_not_and_operands_are_negated() {
    for types in TYPES {
        for scale_d in ["0", "1", "p", "q", "!p", "!q"] {
            Case { types, scale_d, ..CASE }.check();
            Case { types, scale_d, layouts: (None, K_MAJOR), ..CASE }.check();
        }
        for negated in [[true, false], [false, true], [true, true]] {
            Case { types, negated, ..CASE }.check();
            Case { types, negated, layouts: (None, K_MAJOR), ..CASE }.check();
        }
    }
}
