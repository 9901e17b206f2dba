use crate::gpu_only;

/// The lanes of `mask`: the word that lane `lane` of the segment gives (`shfl.sync.idx`). `clamp` is the instruction's last operand; the flag says whether
/// the lane that is read from is within its segment.
///
/// # Safety
///
/// The lane is in `mask`, and all lanes of `mask` come to this call with the same mask; the lane that is read from is
/// in `mask`.
#[gpu_only]
#[inline(always)]
pub unsafe fn shfl_sync_idx(mask: u32, value: u32, lane: u32, clamp: u32) -> (u32, bool) {
    let (word, is_there): (u32, u32);
    // SAFETY: the caller brings the lanes together; the instruction works on registers.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; shfl.sync.idx.b32 {word}|p, {value}, {lane}, {clamp}, {mask}; \
             selp.u32 {is_there}, 1, 0, p; }}",
            word = out(reg32) word, is_there = out(reg32) is_there, value = in(reg32) value,
            lane = in(reg32) lane, clamp = in(reg32) clamp, mask = in(reg32) mask,
            options(nomem, nostack),
        );
    }
    (word, is_there != 0)
}

/// The lanes of `mask`: the word of the lane `lane` below (`shfl.sync.up`). `clamp` is the instruction's last operand; the flag says whether
/// the lane that is read from is within its segment.
///
/// # Safety
///
/// The lane is in `mask`, and all lanes of `mask` come to this call with the same mask; the lane that is read from is
/// in `mask`.
#[gpu_only]
#[inline(always)]
pub unsafe fn shfl_sync_up(mask: u32, value: u32, lane: u32, clamp: u32) -> (u32, bool) {
    let (word, is_there): (u32, u32);
    // SAFETY: the caller brings the lanes together; the instruction works on registers.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; shfl.sync.up.b32 {word}|p, {value}, {lane}, {clamp}, {mask}; \
             selp.u32 {is_there}, 1, 0, p; }}",
            word = out(reg32) word, is_there = out(reg32) is_there, value = in(reg32) value,
            lane = in(reg32) lane, clamp = in(reg32) clamp, mask = in(reg32) mask,
            options(nomem, nostack),
        );
    }
    (word, is_there != 0)
}

/// The lanes of `mask`: the word of the lane `lane` above (`shfl.sync.down`). `clamp` is the instruction's last operand; the flag says whether
/// the lane that is read from is within its segment.
///
/// # Safety
///
/// The lane is in `mask`, and all lanes of `mask` come to this call with the same mask; the lane that is read from is
/// in `mask`.
#[gpu_only]
#[inline(always)]
pub unsafe fn shfl_sync_down(mask: u32, value: u32, lane: u32, clamp: u32) -> (u32, bool) {
    let (word, is_there): (u32, u32);
    // SAFETY: the caller brings the lanes together; the instruction works on registers.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; shfl.sync.down.b32 {word}|p, {value}, {lane}, {clamp}, {mask}; \
             selp.u32 {is_there}, 1, 0, p; }}",
            word = out(reg32) word, is_there = out(reg32) is_there, value = in(reg32) value,
            lane = in(reg32) lane, clamp = in(reg32) clamp, mask = in(reg32) mask,
            options(nomem, nostack),
        );
    }
    (word, is_there != 0)
}

/// The lanes of `mask`: the word of the lane whose number differs in the bits of `lane` (`shfl.sync.bfly`). `clamp` is the instruction's last operand; the flag says whether
/// the lane that is read from is within its segment.
///
/// # Safety
///
/// The lane is in `mask`, and all lanes of `mask` come to this call with the same mask; the lane that is read from is
/// in `mask`.
#[gpu_only]
#[inline(always)]
pub unsafe fn shfl_sync_bfly(mask: u32, value: u32, lane: u32, clamp: u32) -> (u32, bool) {
    let (word, is_there): (u32, u32);
    // SAFETY: the caller brings the lanes together; the instruction works on registers.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; shfl.sync.bfly.b32 {word}|p, {value}, {lane}, {clamp}, {mask}; \
             selp.u32 {is_there}, 1, 0, p; }}",
            word = out(reg32) word, is_there = out(reg32) is_there, value = in(reg32) value,
            lane = in(reg32) lane, clamp = in(reg32) clamp, mask = in(reg32) mask,
            options(nomem, nostack),
        );
    }
    (word, is_there != 0)
}
