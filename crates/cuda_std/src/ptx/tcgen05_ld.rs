use crate::gpu_only;

/// A warp: 32 columns of its lanes of tensor memory, once they are there (`tcgen05.ld.32x32b.x32` and `tcgen05.wait::ld`;
/// sm_100f). Lane `l` gets those of the `l`-th of the 32 lanes.
///
/// # Safety
///
/// All lanes of the warp come to this call together, with the same address: that of a column, and of the first of the 32
/// lanes that are the warp's, by its number in its warpgroup. They are allocated and written, and what wrote them has been
/// waited for.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_ld_32x32b_x32(address: u32) -> [u32; 32] {
    let mut r = [0_u32; 32];
    // SAFETY: the caller promises the place, and brings all lanes together. No register is touched before it is there.
    unsafe {
        core::arch::asm!(
            "tcgen05.ld.sync.aligned.32x32b.x32.b32 {{",
            "{r0}, {r1}, {r2}, {r3}, {r4}, {r5}, {r6}, {r7}, {r8}, {r9}, {r10}, {r11}, {r12}, {r13}, {r14}, {r15}, ",
            "{r16}, {r17}, {r18}, {r19}, {r20}, {r21}, {r22}, {r23}, {r24}, {r25}, {r26}, {r27}, {r28}, {r29}, {r30}, {r31}",
            "}}, [{address}];",
            "tcgen05.wait::ld.sync.aligned;",
            r0 = out(reg32) r[0], r1 = out(reg32) r[1], r2 = out(reg32) r[2], r3 = out(reg32) r[3],
            r4 = out(reg32) r[4], r5 = out(reg32) r[5], r6 = out(reg32) r[6], r7 = out(reg32) r[7],
            r8 = out(reg32) r[8], r9 = out(reg32) r[9], r10 = out(reg32) r[10], r11 = out(reg32) r[11],
            r12 = out(reg32) r[12], r13 = out(reg32) r[13], r14 = out(reg32) r[14], r15 = out(reg32) r[15],
            r16 = out(reg32) r[16], r17 = out(reg32) r[17], r18 = out(reg32) r[18], r19 = out(reg32) r[19],
            r20 = out(reg32) r[20], r21 = out(reg32) r[21], r22 = out(reg32) r[22], r23 = out(reg32) r[23],
            r24 = out(reg32) r[24], r25 = out(reg32) r[25], r26 = out(reg32) r[26], r27 = out(reg32) r[27],
            r28 = out(reg32) r[28], r29 = out(reg32) r[29], r30 = out(reg32) r[30], r31 = out(reg32) r[31],
            address = in(reg32) address,
            options(nostack),
        );
    }
    r
}

/// A warp: 64 columns of 16 of its lanes, once they are there (`tcgen05.ld.16x128b.x16` and `tcgen05.wait::ld`; sm_100f). Two
/// bfloat16 in each cell are eight operands A of [`mma_m16n8k16_f32_bf16`](super::mma_m16n8k16_f32_bf16), of 16 columns each.
///
/// # Safety
///
/// As [`tcgen05_ld_32x32b_x32`], of the first 16 lanes that are the warp's or the others.
#[gpu_only]
#[inline(always)]
pub unsafe fn tcgen05_ld_16x128b_x16(address: u32) -> [[u32; 4]; 8] {
    let mut r = [[0_u32; 4]; 8];
    // SAFETY: the caller promises the place, and brings all lanes together. No register is touched before it is there.
    unsafe {
        core::arch::asm!(
            "tcgen05.ld.sync.aligned.16x128b.x16.b32 {{",
            "{r0}, {r1}, {r2}, {r3}, {r4}, {r5}, {r6}, {r7}, {r8}, {r9}, {r10}, {r11}, {r12}, {r13}, {r14}, {r15}, ",
            "{r16}, {r17}, {r18}, {r19}, {r20}, {r21}, {r22}, {r23}, {r24}, {r25}, {r26}, {r27}, {r28}, {r29}, {r30}, {r31}",
            "}}, [{address}];",
            "tcgen05.wait::ld.sync.aligned;",
            r0 = out(reg32) r[0][0], r1 = out(reg32) r[0][1], r2 = out(reg32) r[0][2], r3 = out(reg32) r[0][3],
            r4 = out(reg32) r[1][0], r5 = out(reg32) r[1][1], r6 = out(reg32) r[1][2], r7 = out(reg32) r[1][3],
            r8 = out(reg32) r[2][0], r9 = out(reg32) r[2][1], r10 = out(reg32) r[2][2], r11 = out(reg32) r[2][3],
            r12 = out(reg32) r[3][0], r13 = out(reg32) r[3][1], r14 = out(reg32) r[3][2], r15 = out(reg32) r[3][3],
            r16 = out(reg32) r[4][0], r17 = out(reg32) r[4][1], r18 = out(reg32) r[4][2], r19 = out(reg32) r[4][3],
            r20 = out(reg32) r[5][0], r21 = out(reg32) r[5][1], r22 = out(reg32) r[5][2], r23 = out(reg32) r[5][3],
            r24 = out(reg32) r[6][0], r25 = out(reg32) r[6][1], r26 = out(reg32) r[6][2], r27 = out(reg32) r[6][3],
            r28 = out(reg32) r[7][0], r29 = out(reg32) r[7][1], r30 = out(reg32) r[7][2], r31 = out(reg32) r[7][3],
            address = in(reg32) address,
            options(nostack),
        );
    }
    r
}
