use crate::gpu_only;

// Each product over 128 elements is one statement. Most of them wait for their result: nothing that a compiler does with
// registers can come between, and nothing is on its way when they return. A `StartedProduct` does not wait.

/// `D = A B + D` of 64 by 128 and 16 by 128, or without `D` where the predicate is false; `D` is d0 to d63.
#[cfg(target_arch = "nvptx64")]
macro_rules! product {
    ($rest:literal) => {
        concat!(
            "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {{",
            "{d0}, {d1}, {d2}, {d3}, {d4}, {d5}, {d6}, {d7}, {d8}, {d9}, {d10}, {d11}, {d12}, {d13}, {d14}, {d15}, ",
            "{d16}, {d17}, {d18}, {d19}, {d20}, {d21}, {d22}, {d23}, {d24}, {d25}, {d26}, {d27}, {d28}, {d29}, {d30}, {d31}, ",
            "{d32}, {d33}, {d34}, {d35}, {d36}, {d37}, {d38}, {d39}, {d40}, {d41}, {d42}, {d43}, {d44}, {d45}, {d46}, {d47}, ",
            "{d48}, {d49}, {d50}, {d51}, {d52}, {d53}, {d54}, {d55}, {d56}, {d57}, {d58}, {d59}, {d60}, {d61}, {d62}, {d63}",
            "}}, ",
            $rest,
        )
    };
}

/// A warpgroup: `D = A B` of 64 by 128 and 128 by 128 bfloat16, both in shared memory with their rows (of B: columns) in
/// two panels of 64 elements with a swizzle of 128 bytes (`wgmma.mma_async.m64n128k16`; sm_90a). `NEXT_PANEL` is the
/// distance of the two, in units of 16 bytes, and both matrices have it.
///
/// Warp `w` of the four gets rows `16 w ..` of D, as `[8 columns][element]`, each as
/// [`mma_m16n8k16_f32_bf16`](super::mma_m16n8k16_f32_bf16) has them.
///
/// # Safety
///
/// All threads of four successive warps, the first a multiple of four, come to this call together. The descriptors are
/// those of such matrices, which are written, seen by the asynchronous proxy ([`fence_proxy_async`]), and left alone
/// meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn wgmma_m64n128k128_of_shared<const NEXT_PANEL: u64>(a: u64, b: u64) -> [[f32; 4]; 16] {
    let mut d = [[0.0_f32; 4]; 16];
    // SAFETY: the caller brings the warps together and promises the matrices.
    unsafe {
        core::arch::asm!(
            "{{ .reg .b64 a, b; .reg .pred p; setp.ne.b64 p, {a}, {a}; wgmma.fence.sync.aligned;",
            "add.s64 a, {a}, 0; add.s64 b, {b}, 0;",
            product!("a, b, p, 1, 1, 0, 0;"),
            "setp.eq.b64 p, b, b;",
            "add.s64 a, {a}, 2; add.s64 b, {b}, 2;",
            product!("a, b, p, 1, 1, 0, 0;"),
            "add.s64 a, {a}, 4; add.s64 b, {b}, 4;",
            product!("a, b, p, 1, 1, 0, 0;"),
            "add.s64 a, {a}, 6; add.s64 b, {b}, 6;",
            product!("a, b, p, 1, 1, 0, 0;"),
            "add.s64 a, {a}, {next0}; add.s64 b, {b}, {next0};",
            product!("a, b, p, 1, 1, 0, 0;"),
            "add.s64 a, {a}, {next1}; add.s64 b, {b}, {next1};",
            product!("a, b, p, 1, 1, 0, 0;"),
            "add.s64 a, {a}, {next2}; add.s64 b, {b}, {next2};",
            product!("a, b, p, 1, 1, 0, 0;"),
            "add.s64 a, {a}, {next3}; add.s64 b, {b}, {next3};",
            product!("a, b, p, 1, 1, 0, 0;"),
            "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }}",
            a = in(reg64) a, b = in(reg64) b,
            next0 = const NEXT_PANEL, next1 = const NEXT_PANEL + 2, next2 = const NEXT_PANEL + 4, next3 = const NEXT_PANEL + 6,
            d0 = out(reg32) d[0][0], d1 = out(reg32) d[0][1], d2 = out(reg32) d[0][2], d3 = out(reg32) d[0][3],
            d4 = out(reg32) d[1][0], d5 = out(reg32) d[1][1], d6 = out(reg32) d[1][2], d7 = out(reg32) d[1][3],
            d8 = out(reg32) d[2][0], d9 = out(reg32) d[2][1], d10 = out(reg32) d[2][2], d11 = out(reg32) d[2][3],
            d12 = out(reg32) d[3][0], d13 = out(reg32) d[3][1], d14 = out(reg32) d[3][2], d15 = out(reg32) d[3][3],
            d16 = out(reg32) d[4][0], d17 = out(reg32) d[4][1], d18 = out(reg32) d[4][2], d19 = out(reg32) d[4][3],
            d20 = out(reg32) d[5][0], d21 = out(reg32) d[5][1], d22 = out(reg32) d[5][2], d23 = out(reg32) d[5][3],
            d24 = out(reg32) d[6][0], d25 = out(reg32) d[6][1], d26 = out(reg32) d[6][2], d27 = out(reg32) d[6][3],
            d28 = out(reg32) d[7][0], d29 = out(reg32) d[7][1], d30 = out(reg32) d[7][2], d31 = out(reg32) d[7][3],
            d32 = out(reg32) d[8][0], d33 = out(reg32) d[8][1], d34 = out(reg32) d[8][2], d35 = out(reg32) d[8][3],
            d36 = out(reg32) d[9][0], d37 = out(reg32) d[9][1], d38 = out(reg32) d[9][2], d39 = out(reg32) d[9][3],
            d40 = out(reg32) d[10][0], d41 = out(reg32) d[10][1], d42 = out(reg32) d[10][2], d43 = out(reg32) d[10][3],
            d44 = out(reg32) d[11][0], d45 = out(reg32) d[11][1], d46 = out(reg32) d[11][2], d47 = out(reg32) d[11][3],
            d48 = out(reg32) d[12][0], d49 = out(reg32) d[12][1], d50 = out(reg32) d[12][2], d51 = out(reg32) d[12][3],
            d52 = out(reg32) d[13][0], d53 = out(reg32) d[13][1], d54 = out(reg32) d[13][2], d55 = out(reg32) d[13][3],
            d56 = out(reg32) d[14][0], d57 = out(reg32) d[14][1], d58 = out(reg32) d[14][2], d59 = out(reg32) d[14][3],
            d60 = out(reg32) d[15][0], d61 = out(reg32) d[15][1], d62 = out(reg32) d[15][2], d63 = out(reg32) d[15][3],
            options(nostack),
        );
    }
    d
}

/// A warpgroup: `D = A B` of 64 by 128 and 128 by 128 bfloat16, A in registers, B in shared memory with its rows in two
/// panels of 64 elements with a swizzle of 128 bytes (`wgmma.mma_async.m64n128k16`; sm_90a).
///
/// Warp `w` of the four gives rows `16 w ..` of A, for each 16 columns as
/// [`mma_m16n8k16_f32_bf16`](super::mma_m16n8k16_f32_bf16) has them, and gets those rows of D, as `[8 columns][element]`.
///
/// # Safety
///
/// As [`wgmma_m64n128k128_of_shared`].
#[gpu_only]
#[inline(always)]
pub unsafe fn wgmma_m64n128k128_of_registers(a: &[[u32; 4]; 8], b: u64) -> [[f32; 4]; 16] {
    let mut d = [[0.0_f32; 4]; 16];
    // SAFETY: the caller brings the warps together and promises the matrices.
    unsafe {
        core::arch::asm!(
            "{{ .reg .b64 b; .reg .pred p; setp.ne.b64 p, {b}, {b}; wgmma.fence.sync.aligned;",
            "add.s64 b, {b}, 0;",
            product!("{{{a0}, {a1}, {a2}, {a3}}}, b, p, 1, 1, 1;"),
            "setp.eq.b64 p, b, b;",
            "add.s64 b, {b}, 128;",
            product!("{{{a4}, {a5}, {a6}, {a7}}}, b, p, 1, 1, 1;"),
            "add.s64 b, {b}, 256;",
            product!("{{{a8}, {a9}, {a10}, {a11}}}, b, p, 1, 1, 1;"),
            "add.s64 b, {b}, 384;",
            product!("{{{a12}, {a13}, {a14}, {a15}}}, b, p, 1, 1, 1;"),
            "add.s64 b, {b}, 512;",
            product!("{{{a16}, {a17}, {a18}, {a19}}}, b, p, 1, 1, 1;"),
            "add.s64 b, {b}, 640;",
            product!("{{{a20}, {a21}, {a22}, {a23}}}, b, p, 1, 1, 1;"),
            "add.s64 b, {b}, 768;",
            product!("{{{a24}, {a25}, {a26}, {a27}}}, b, p, 1, 1, 1;"),
            "add.s64 b, {b}, 896;",
            product!("{{{a28}, {a29}, {a30}, {a31}}}, b, p, 1, 1, 1;"),
            "wgmma.commit_group.sync.aligned; wgmma.wait_group.sync.aligned 0; }}",
            b = in(reg64) b,
            a0 = in(reg32) a[0][0], a1 = in(reg32) a[0][1], a2 = in(reg32) a[0][2], a3 = in(reg32) a[0][3],
            a4 = in(reg32) a[1][0], a5 = in(reg32) a[1][1], a6 = in(reg32) a[1][2], a7 = in(reg32) a[1][3],
            a8 = in(reg32) a[2][0], a9 = in(reg32) a[2][1], a10 = in(reg32) a[2][2], a11 = in(reg32) a[2][3],
            a12 = in(reg32) a[3][0], a13 = in(reg32) a[3][1], a14 = in(reg32) a[3][2], a15 = in(reg32) a[3][3],
            a16 = in(reg32) a[4][0], a17 = in(reg32) a[4][1], a18 = in(reg32) a[4][2], a19 = in(reg32) a[4][3],
            a20 = in(reg32) a[5][0], a21 = in(reg32) a[5][1], a22 = in(reg32) a[5][2], a23 = in(reg32) a[5][3],
            a24 = in(reg32) a[6][0], a25 = in(reg32) a[6][1], a26 = in(reg32) a[6][2], a27 = in(reg32) a[6][3],
            a28 = in(reg32) a[7][0], a29 = in(reg32) a[7][1], a30 = in(reg32) a[7][2], a31 = in(reg32) a[7][3],
            d0 = out(reg32) d[0][0], d1 = out(reg32) d[0][1], d2 = out(reg32) d[0][2], d3 = out(reg32) d[0][3],
            d4 = out(reg32) d[1][0], d5 = out(reg32) d[1][1], d6 = out(reg32) d[1][2], d7 = out(reg32) d[1][3],
            d8 = out(reg32) d[2][0], d9 = out(reg32) d[2][1], d10 = out(reg32) d[2][2], d11 = out(reg32) d[2][3],
            d12 = out(reg32) d[3][0], d13 = out(reg32) d[3][1], d14 = out(reg32) d[3][2], d15 = out(reg32) d[3][3],
            d16 = out(reg32) d[4][0], d17 = out(reg32) d[4][1], d18 = out(reg32) d[4][2], d19 = out(reg32) d[4][3],
            d20 = out(reg32) d[5][0], d21 = out(reg32) d[5][1], d22 = out(reg32) d[5][2], d23 = out(reg32) d[5][3],
            d24 = out(reg32) d[6][0], d25 = out(reg32) d[6][1], d26 = out(reg32) d[6][2], d27 = out(reg32) d[6][3],
            d28 = out(reg32) d[7][0], d29 = out(reg32) d[7][1], d30 = out(reg32) d[7][2], d31 = out(reg32) d[7][3],
            d32 = out(reg32) d[8][0], d33 = out(reg32) d[8][1], d34 = out(reg32) d[8][2], d35 = out(reg32) d[8][3],
            d36 = out(reg32) d[9][0], d37 = out(reg32) d[9][1], d38 = out(reg32) d[9][2], d39 = out(reg32) d[9][3],
            d40 = out(reg32) d[10][0], d41 = out(reg32) d[10][1], d42 = out(reg32) d[10][2], d43 = out(reg32) d[10][3],
            d44 = out(reg32) d[11][0], d45 = out(reg32) d[11][1], d46 = out(reg32) d[11][2], d47 = out(reg32) d[11][3],
            d48 = out(reg32) d[12][0], d49 = out(reg32) d[12][1], d50 = out(reg32) d[12][2], d51 = out(reg32) d[12][3],
            d52 = out(reg32) d[13][0], d53 = out(reg32) d[13][1], d54 = out(reg32) d[13][2], d55 = out(reg32) d[13][3],
            d56 = out(reg32) d[14][0], d57 = out(reg32) d[14][1], d58 = out(reg32) d[14][2], d59 = out(reg32) d[14][3],
            d60 = out(reg32) d[15][0], d61 = out(reg32) d[15][1], d62 = out(reg32) d[15][2], d63 = out(reg32) d[15][3],
            options(nostack),
        );
    }
    d
}

/// [`product`] with registers of a [`StartedProduct`] for `D`.
#[cfg(target_arch = "nvptx64")]
macro_rules! started_product {
    ($rest:literal) => {
        concat!(
            "wgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 {{",
            "wgmma{nth}_0, wgmma{nth}_1, wgmma{nth}_2, wgmma{nth}_3, wgmma{nth}_4, wgmma{nth}_5, wgmma{nth}_6, wgmma{nth}_7, ",
            "wgmma{nth}_8, wgmma{nth}_9, wgmma{nth}_10, wgmma{nth}_11, wgmma{nth}_12, wgmma{nth}_13, wgmma{nth}_14, wgmma{nth}_15, ",
            "wgmma{nth}_16, wgmma{nth}_17, wgmma{nth}_18, wgmma{nth}_19, wgmma{nth}_20, wgmma{nth}_21, wgmma{nth}_22, wgmma{nth}_23, ",
            "wgmma{nth}_24, wgmma{nth}_25, wgmma{nth}_26, wgmma{nth}_27, wgmma{nth}_28, wgmma{nth}_29, wgmma{nth}_30, wgmma{nth}_31, ",
            "wgmma{nth}_32, wgmma{nth}_33, wgmma{nth}_34, wgmma{nth}_35, wgmma{nth}_36, wgmma{nth}_37, wgmma{nth}_38, wgmma{nth}_39, ",
            "wgmma{nth}_40, wgmma{nth}_41, wgmma{nth}_42, wgmma{nth}_43, wgmma{nth}_44, wgmma{nth}_45, wgmma{nth}_46, wgmma{nth}_47, ",
            "wgmma{nth}_48, wgmma{nth}_49, wgmma{nth}_50, wgmma{nth}_51, wgmma{nth}_52, wgmma{nth}_53, wgmma{nth}_54, wgmma{nth}_55, ",
            "wgmma{nth}_56, wgmma{nth}_57, wgmma{nth}_58, wgmma{nth}_59, wgmma{nth}_60, wgmma{nth}_61, wgmma{nth}_62, wgmma{nth}_63",
            "}}, ",
            $rest,
        )
    };
}

/// A warpgroup: a product of 64 by 128 that runs while other instructions do. `NTH` tells it from others of the kernel.
///
/// Each thread has its part in registers of which the compiler does not know. So it cannot copy them before they are there.
pub struct StartedProduct<const NTH: u32>(());

impl<const NTH: u32> StartedProduct<NTH> {
    /// Registers for one.
    ///
    /// # Safety
    ///
    /// The kernel comes here once, in its own body, outside of loops.
    #[gpu_only]
    #[inline(always)]
    pub unsafe fn new() -> Self {
        // SAFETY: registers are declared.
        unsafe {
            core::arch::asm!(
                ".reg .b32 wgmma{nth}_<64>;",
                nth = const NTH,
                options(nostack),
            );
        }
        Self(())
    }

    /// A warpgroup: starts `D = A B` of 64 by 128 and 128 by 128 bfloat16, A in registers, B in shared memory with its
    /// *columns* in two panels of 64 elements with a swizzle of 128 bytes, `NEXT_PANEL` units of 16 bytes from each other
    /// (`wgmma.mma_async.m64n128k16`; sm_90a).
    ///
    /// Warp `w` of the four gives rows `16 w ..` of A, for each 16 columns as
    /// [`mma_m16n8k16_f32_bf16`](super::mma_m16n8k16_f32_bf16) has them.
    ///
    /// # Safety
    ///
    /// As [`wgmma_m64n128k128_of_shared`]; B is left alone, and A keeps its value, until the product is waited for
    /// ([`wgmma_wait_group`]).
    #[gpu_only]
    #[inline(always)]
    pub unsafe fn start<const NEXT_PANEL: u64>(&mut self, a: &[[u32; 4]; 8], b: u64) {
        // SAFETY: the caller brings the warps together and promises the matrices.
        unsafe {
            core::arch::asm!(
                "{{ .reg .b64 b; .reg .pred p; setp.ne.b64 p, {b}, {b}; wgmma.fence.sync.aligned;",
                "add.s64 b, {b}, 0;",
                started_product!("{{{a0}, {a1}, {a2}, {a3}}}, b, p, 1, 1, 0;"),
                "setp.eq.b64 p, b, b;",
                "add.s64 b, {b}, 2;",
                started_product!("{{{a4}, {a5}, {a6}, {a7}}}, b, p, 1, 1, 0;"),
                "add.s64 b, {b}, 4;",
                started_product!("{{{a8}, {a9}, {a10}, {a11}}}, b, p, 1, 1, 0;"),
                "add.s64 b, {b}, 6;",
                started_product!("{{{a12}, {a13}, {a14}, {a15}}}, b, p, 1, 1, 0;"),
                "add.s64 b, {b}, {next0};",
                started_product!("{{{a16}, {a17}, {a18}, {a19}}}, b, p, 1, 1, 0;"),
                "add.s64 b, {b}, {next1};",
                started_product!("{{{a20}, {a21}, {a22}, {a23}}}, b, p, 1, 1, 0;"),
                "add.s64 b, {b}, {next2};",
                started_product!("{{{a24}, {a25}, {a26}, {a27}}}, b, p, 1, 1, 0;"),
                "add.s64 b, {b}, {next3};",
                started_product!("{{{a28}, {a29}, {a30}, {a31}}}, b, p, 1, 1, 0;"),
                "wgmma.commit_group.sync.aligned; }}",
                nth = const NTH, b = in(reg64) b,
                next0 = const NEXT_PANEL, next1 = const NEXT_PANEL + 2,
                next2 = const NEXT_PANEL + 4, next3 = const NEXT_PANEL + 6,
                a0 = in(reg32) a[0][0], a1 = in(reg32) a[0][1], a2 = in(reg32) a[0][2], a3 = in(reg32) a[0][3],
                a4 = in(reg32) a[1][0], a5 = in(reg32) a[1][1], a6 = in(reg32) a[1][2], a7 = in(reg32) a[1][3],
                a8 = in(reg32) a[2][0], a9 = in(reg32) a[2][1], a10 = in(reg32) a[2][2], a11 = in(reg32) a[2][3],
                a12 = in(reg32) a[3][0], a13 = in(reg32) a[3][1], a14 = in(reg32) a[3][2], a15 = in(reg32) a[3][3],
                a16 = in(reg32) a[4][0], a17 = in(reg32) a[4][1], a18 = in(reg32) a[4][2], a19 = in(reg32) a[4][3],
                a20 = in(reg32) a[5][0], a21 = in(reg32) a[5][1], a22 = in(reg32) a[5][2], a23 = in(reg32) a[5][3],
                a24 = in(reg32) a[6][0], a25 = in(reg32) a[6][1], a26 = in(reg32) a[6][2], a27 = in(reg32) a[6][3],
                a28 = in(reg32) a[7][0], a29 = in(reg32) a[7][1], a30 = in(reg32) a[7][2], a31 = in(reg32) a[7][3],
                options(nostack),
            );
        }
    }

    /// One thread: its part of D, as `[8 columns][element]`, each as
    /// [`mma_m16n8k16_f32_bf16`](super::mma_m16n8k16_f32_bf16) has them.
    ///
    /// # Safety
    ///
    /// The product was started, and waited for ([`wgmma_wait_group`]).
    #[gpu_only]
    #[inline(always)]
    pub unsafe fn values(&self) -> [[f32; 4]; 16] {
        let mut d = [[0.0_f32; 4]; 16];
        // SAFETY: nothing but these registers is read.
        unsafe {
            core::arch::asm!(
                "mov.b32 {d0}, wgmma{nth}_0; mov.b32 {d1}, wgmma{nth}_1; mov.b32 {d2}, wgmma{nth}_2; mov.b32 {d3}, wgmma{nth}_3;",
                "mov.b32 {d4}, wgmma{nth}_4; mov.b32 {d5}, wgmma{nth}_5; mov.b32 {d6}, wgmma{nth}_6; mov.b32 {d7}, wgmma{nth}_7;",
                "mov.b32 {d8}, wgmma{nth}_8; mov.b32 {d9}, wgmma{nth}_9; mov.b32 {d10}, wgmma{nth}_10; mov.b32 {d11}, wgmma{nth}_11;",
                "mov.b32 {d12}, wgmma{nth}_12; mov.b32 {d13}, wgmma{nth}_13; mov.b32 {d14}, wgmma{nth}_14; mov.b32 {d15}, wgmma{nth}_15;",
                "mov.b32 {d16}, wgmma{nth}_16; mov.b32 {d17}, wgmma{nth}_17; mov.b32 {d18}, wgmma{nth}_18; mov.b32 {d19}, wgmma{nth}_19;",
                "mov.b32 {d20}, wgmma{nth}_20; mov.b32 {d21}, wgmma{nth}_21; mov.b32 {d22}, wgmma{nth}_22; mov.b32 {d23}, wgmma{nth}_23;",
                "mov.b32 {d24}, wgmma{nth}_24; mov.b32 {d25}, wgmma{nth}_25; mov.b32 {d26}, wgmma{nth}_26; mov.b32 {d27}, wgmma{nth}_27;",
                "mov.b32 {d28}, wgmma{nth}_28; mov.b32 {d29}, wgmma{nth}_29; mov.b32 {d30}, wgmma{nth}_30; mov.b32 {d31}, wgmma{nth}_31;",
                "mov.b32 {d32}, wgmma{nth}_32; mov.b32 {d33}, wgmma{nth}_33; mov.b32 {d34}, wgmma{nth}_34; mov.b32 {d35}, wgmma{nth}_35;",
                "mov.b32 {d36}, wgmma{nth}_36; mov.b32 {d37}, wgmma{nth}_37; mov.b32 {d38}, wgmma{nth}_38; mov.b32 {d39}, wgmma{nth}_39;",
                "mov.b32 {d40}, wgmma{nth}_40; mov.b32 {d41}, wgmma{nth}_41; mov.b32 {d42}, wgmma{nth}_42; mov.b32 {d43}, wgmma{nth}_43;",
                "mov.b32 {d44}, wgmma{nth}_44; mov.b32 {d45}, wgmma{nth}_45; mov.b32 {d46}, wgmma{nth}_46; mov.b32 {d47}, wgmma{nth}_47;",
                "mov.b32 {d48}, wgmma{nth}_48; mov.b32 {d49}, wgmma{nth}_49; mov.b32 {d50}, wgmma{nth}_50; mov.b32 {d51}, wgmma{nth}_51;",
                "mov.b32 {d52}, wgmma{nth}_52; mov.b32 {d53}, wgmma{nth}_53; mov.b32 {d54}, wgmma{nth}_54; mov.b32 {d55}, wgmma{nth}_55;",
                "mov.b32 {d56}, wgmma{nth}_56; mov.b32 {d57}, wgmma{nth}_57; mov.b32 {d58}, wgmma{nth}_58; mov.b32 {d59}, wgmma{nth}_59;",
                "mov.b32 {d60}, wgmma{nth}_60; mov.b32 {d61}, wgmma{nth}_61; mov.b32 {d62}, wgmma{nth}_62; mov.b32 {d63}, wgmma{nth}_63;",
                nth = const NTH,
                d0 = out(reg32) d[0][0], d1 = out(reg32) d[0][1], d2 = out(reg32) d[0][2], d3 = out(reg32) d[0][3],
                d4 = out(reg32) d[1][0], d5 = out(reg32) d[1][1], d6 = out(reg32) d[1][2], d7 = out(reg32) d[1][3],
                d8 = out(reg32) d[2][0], d9 = out(reg32) d[2][1], d10 = out(reg32) d[2][2], d11 = out(reg32) d[2][3],
                d12 = out(reg32) d[3][0], d13 = out(reg32) d[3][1], d14 = out(reg32) d[3][2], d15 = out(reg32) d[3][3],
                d16 = out(reg32) d[4][0], d17 = out(reg32) d[4][1], d18 = out(reg32) d[4][2], d19 = out(reg32) d[4][3],
                d20 = out(reg32) d[5][0], d21 = out(reg32) d[5][1], d22 = out(reg32) d[5][2], d23 = out(reg32) d[5][3],
                d24 = out(reg32) d[6][0], d25 = out(reg32) d[6][1], d26 = out(reg32) d[6][2], d27 = out(reg32) d[6][3],
                d28 = out(reg32) d[7][0], d29 = out(reg32) d[7][1], d30 = out(reg32) d[7][2], d31 = out(reg32) d[7][3],
                d32 = out(reg32) d[8][0], d33 = out(reg32) d[8][1], d34 = out(reg32) d[8][2], d35 = out(reg32) d[8][3],
                d36 = out(reg32) d[9][0], d37 = out(reg32) d[9][1], d38 = out(reg32) d[9][2], d39 = out(reg32) d[9][3],
                d40 = out(reg32) d[10][0], d41 = out(reg32) d[10][1], d42 = out(reg32) d[10][2], d43 = out(reg32) d[10][3],
                d44 = out(reg32) d[11][0], d45 = out(reg32) d[11][1], d46 = out(reg32) d[11][2], d47 = out(reg32) d[11][3],
                d48 = out(reg32) d[12][0], d49 = out(reg32) d[12][1], d50 = out(reg32) d[12][2], d51 = out(reg32) d[12][3],
                d52 = out(reg32) d[13][0], d53 = out(reg32) d[13][1], d54 = out(reg32) d[13][2], d55 = out(reg32) d[13][3],
                d56 = out(reg32) d[14][0], d57 = out(reg32) d[14][1], d58 = out(reg32) d[14][2], d59 = out(reg32) d[14][3],
                d60 = out(reg32) d[15][0], d61 = out(reg32) d[15][1], d62 = out(reg32) d[15][2], d63 = out(reg32) d[15][3],
                options(nostack),
            );
        }
        d
    }
}

/// A warpgroup: waits for all products that were started but the last `LATER` ones (`wgmma.wait_group`; sm_90a).
///
/// # Safety
///
/// All threads of the warpgroup come to this call together.
#[gpu_only]
#[inline(always)]
pub unsafe fn wgmma_wait_group<const LATER: u32>() {
    // SAFETY: the caller brings the warps together.
    unsafe {
        core::arch::asm!(
            "wgmma.wait_group.sync.aligned {};",
            const LATER,
            options(nostack),
        );
    }
}

/// One thread: has the asynchronous proxy, by which `wgmma` reads shared memory, see what this thread has written or seen
/// (`fence.proxy.async`; sm_90).
#[gpu_only]
#[inline(always)]
pub fn fence_proxy_async() {
    // SAFETY: it has no operands.
    unsafe { core::arch::asm!("fence.proxy.async.shared::cta;", options(nostack)) }
}
