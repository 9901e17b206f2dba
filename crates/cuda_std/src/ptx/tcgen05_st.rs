use crate::gpu_only;

/// A warp: starts to write 32 columns of its lanes of tensor memory (`tcgen05.st.32x32b.x32`; sm_100f). Lane `l` gives those of
/// the `l`-th of the 32 lanes.
///
/// # Safety
///
/// All lanes of the warp come to this call together, with the same address: that of a column, and of the first of the 32
/// lanes that are the warp's, by its number in its warpgroup. They are allocated, what used them has been waited for, and
/// nobody uses them before the stores are waited for ([`tcgen05_wait_st`]).
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_st_32x32b_x32(address: u32, r: &[u32; 32]) {
    // SAFETY: the caller promises the place, and brings all lanes together.
    unsafe {
        core::arch::asm!(
            "tcgen05.st.sync.aligned.32x32b.x32.b32 [{address}], {{",
            "{r0}, {r1}, {r2}, {r3}, {r4}, {r5}, {r6}, {r7}, {r8}, {r9}, {r10}, {r11}, {r12}, {r13}, {r14}, {r15}, ",
            "{r16}, {r17}, {r18}, {r19}, {r20}, {r21}, {r22}, {r23}, {r24}, {r25}, {r26}, {r27}, {r28}, {r29}, {r30}, {r31}",
            "}};",
            address = in(reg32) address,
            r0 = in(reg32) r[0], r1 = in(reg32) r[1], r2 = in(reg32) r[2], r3 = in(reg32) r[3],
            r4 = in(reg32) r[4], r5 = in(reg32) r[5], r6 = in(reg32) r[6], r7 = in(reg32) r[7],
            r8 = in(reg32) r[8], r9 = in(reg32) r[9], r10 = in(reg32) r[10], r11 = in(reg32) r[11],
            r12 = in(reg32) r[12], r13 = in(reg32) r[13], r14 = in(reg32) r[14], r15 = in(reg32) r[15],
            r16 = in(reg32) r[16], r17 = in(reg32) r[17], r18 = in(reg32) r[18], r19 = in(reg32) r[19],
            r20 = in(reg32) r[20], r21 = in(reg32) r[21], r22 = in(reg32) r[22], r23 = in(reg32) r[23],
            r24 = in(reg32) r[24], r25 = in(reg32) r[25], r26 = in(reg32) r[26], r27 = in(reg32) r[27],
            r28 = in(reg32) r[28], r29 = in(reg32) r[29], r30 = in(reg32) r[30], r31 = in(reg32) r[31],
            options(nostack),
        );
    }
}

/// A warp: starts to write 128 columns of 16 of its lanes (`tcgen05.st.16x256b.x16`; sm_100f), which are a product of 16 by 128
/// as `[8 columns][element]`, each as [`mma_m16n8k16_f32_bf16`](super::mma_m16n8k16_f32_bf16) has them.
///
/// # Safety
///
/// As [`tcgen05_st_32x32b_x32`], of the first 16 lanes that are the warp's or the others.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_st_16x256b_x16(address: u32, r: &[[f32; 4]; 16]) {
    // SAFETY: the caller promises the place, and brings all lanes together.
    unsafe {
        core::arch::asm!(
            "tcgen05.st.sync.aligned.16x256b.x16.b32 [{address}], {{",
            "{r0}, {r1}, {r2}, {r3}, {r4}, {r5}, {r6}, {r7}, {r8}, {r9}, {r10}, {r11}, {r12}, {r13}, {r14}, {r15}, ",
            "{r16}, {r17}, {r18}, {r19}, {r20}, {r21}, {r22}, {r23}, {r24}, {r25}, {r26}, {r27}, {r28}, {r29}, {r30}, {r31}, ",
            "{r32}, {r33}, {r34}, {r35}, {r36}, {r37}, {r38}, {r39}, {r40}, {r41}, {r42}, {r43}, {r44}, {r45}, {r46}, {r47}, ",
            "{r48}, {r49}, {r50}, {r51}, {r52}, {r53}, {r54}, {r55}, {r56}, {r57}, {r58}, {r59}, {r60}, {r61}, {r62}, {r63}",
            "}};",
            address = in(reg32) address,
            r0 = in(reg32) r[0][0], r1 = in(reg32) r[0][1], r2 = in(reg32) r[0][2], r3 = in(reg32) r[0][3],
            r4 = in(reg32) r[1][0], r5 = in(reg32) r[1][1], r6 = in(reg32) r[1][2], r7 = in(reg32) r[1][3],
            r8 = in(reg32) r[2][0], r9 = in(reg32) r[2][1], r10 = in(reg32) r[2][2], r11 = in(reg32) r[2][3],
            r12 = in(reg32) r[3][0], r13 = in(reg32) r[3][1], r14 = in(reg32) r[3][2], r15 = in(reg32) r[3][3],
            r16 = in(reg32) r[4][0], r17 = in(reg32) r[4][1], r18 = in(reg32) r[4][2], r19 = in(reg32) r[4][3],
            r20 = in(reg32) r[5][0], r21 = in(reg32) r[5][1], r22 = in(reg32) r[5][2], r23 = in(reg32) r[5][3],
            r24 = in(reg32) r[6][0], r25 = in(reg32) r[6][1], r26 = in(reg32) r[6][2], r27 = in(reg32) r[6][3],
            r28 = in(reg32) r[7][0], r29 = in(reg32) r[7][1], r30 = in(reg32) r[7][2], r31 = in(reg32) r[7][3],
            r32 = in(reg32) r[8][0], r33 = in(reg32) r[8][1], r34 = in(reg32) r[8][2], r35 = in(reg32) r[8][3],
            r36 = in(reg32) r[9][0], r37 = in(reg32) r[9][1], r38 = in(reg32) r[9][2], r39 = in(reg32) r[9][3],
            r40 = in(reg32) r[10][0], r41 = in(reg32) r[10][1], r42 = in(reg32) r[10][2], r43 = in(reg32) r[10][3],
            r44 = in(reg32) r[11][0], r45 = in(reg32) r[11][1], r46 = in(reg32) r[11][2], r47 = in(reg32) r[11][3],
            r48 = in(reg32) r[12][0], r49 = in(reg32) r[12][1], r50 = in(reg32) r[12][2], r51 = in(reg32) r[12][3],
            r52 = in(reg32) r[13][0], r53 = in(reg32) r[13][1], r54 = in(reg32) r[13][2], r55 = in(reg32) r[13][3],
            r56 = in(reg32) r[14][0], r57 = in(reg32) r[14][1], r58 = in(reg32) r[14][2], r59 = in(reg32) r[14][3],
            r60 = in(reg32) r[15][0], r61 = in(reg32) r[15][1], r62 = in(reg32) r[15][2], r63 = in(reg32) r[15][3],
            options(nostack),
        );
    }
}

/// A warp: waits for what it has started to write (`tcgen05.wait::st`; sm_100f).
///
/// # Safety
///
/// All lanes of the warp come to this call together.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_wait_st() {
    // SAFETY: the caller brings all lanes together.
    unsafe { core::arch::asm!("tcgen05.wait::st.sync.aligned;", options(nostack)) }
}
