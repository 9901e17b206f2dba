use crate::gpu_only;

/// A warp: `D = A B + C` of 16 by 16 and 16 by 8 bfloat16 and f32 (`mma.sync.m16n8k16`; sm_80).
///
/// Lane `4 g + t` holds, of A: columns `2 t` and `2 t + 1` of rows `g` and `g + 8`, then columns `2 t + 8` and
/// `2 t + 9` of the same rows; of B: rows `2 t` and `2 t + 1`, then `2 t + 8` and `2 t + 9`, of column `g`; of C
/// and D: columns `2 t` and `2 t + 1` of row `g`, then of row `g + 8`. Two bfloat16 make a word, the first in its
/// lower half.
///
/// # Safety
///
/// All lanes of the warp come to this call together.
#[gpu_only]
#[inline(always)]
pub unsafe fn mma_m16n8k16_f32_bf16(a: [u32; 4], b: [u32; 2], c: [f32; 4]) -> [f32; 4] {
    let [mut d0, mut d1, mut d2, mut d3] = c;
    // SAFETY: the caller brings all lanes together; the instruction works on registers.
    unsafe {
        core::arch::asm!(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 \
             {{{d0}, {d1}, {d2}, {d3}}}, {{{a0}, {a1}, {a2}, {a3}}}, {{{b0}, {b1}}}, {{{d0}, {d1}, {d2}, {d3}}};",
            d0 = inout(reg32) d0, d1 = inout(reg32) d1, d2 = inout(reg32) d2, d3 = inout(reg32) d3,
            a0 = in(reg32) a[0], a1 = in(reg32) a[1], a2 = in(reg32) a[2], a3 = in(reg32) a[3],
            b0 = in(reg32) b[0], b1 = in(reg32) b[1],
            options(nomem, nostack),
        );
    }
    [d0, d1, d2, d3]
}
