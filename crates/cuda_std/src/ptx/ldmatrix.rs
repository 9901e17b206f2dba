use crate::gpu_only;

/// A warp: four matrices of 8 by 8 16-bit elements from shared memory (`ldmatrix.x4`; sm_75). Lane `8 m + r`
/// gives the address of row `r` of matrix `m`; lane `4 g + t` gets, as word `m`, elements `2 t` and `2 t + 1` of
/// row `g` of matrix `m`.
///
/// # Safety
///
/// All lanes of the warp come to this call together, each with the address of 16 initialised bytes of shared
/// memory, a multiple of 16, which no other thread writes meanwhile.
#[gpu_only]
#[inline(always)]
pub unsafe fn ldmatrix_x4(row: u32) -> [u32; 4] {
    let (a, b, c, d);
    // SAFETY: the caller promises the addresses, and brings all lanes together.
    unsafe {
        core::arch::asm!(
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {{{}, {}, {}, {}}}, [{}];",
            out(reg32) a, out(reg32) b, out(reg32) c, out(reg32) d, in(reg32) row,
            options(readonly, nostack),
        );
    }
    [a, b, c, d]
}

/// As [`ldmatrix_x4`], but lane `4 g + t` gets elements `g` of rows `2 t` and `2 t + 1`: the matrices are
/// transposed on their way (`ldmatrix.x4.trans`).
///
/// # Safety
///
/// As [`ldmatrix_x4`].
#[gpu_only]
#[inline(always)]
pub unsafe fn ldmatrix_x4_trans(row: u32) -> [u32; 4] {
    let (a, b, c, d);
    // SAFETY: the caller promises the addresses, and brings all lanes together.
    unsafe {
        core::arch::asm!(
            "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {{{}, {}, {}, {}}}, [{}];",
            out(reg32) a, out(reg32) b, out(reg32) c, out(reg32) d, in(reg32) row,
            options(readonly, nostack),
        );
    }
    [a, b, c, d]
}
