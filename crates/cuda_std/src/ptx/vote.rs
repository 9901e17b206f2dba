use crate::gpu_only;

/// The lanes of `mask`: a bit for each lane, set where the predicate holds (`vote.sync.ballot`).
///
/// # Safety
///
/// The lane is in `mask`, and all lanes of `mask` come to this call with the same mask.
#[gpu_only]
#[inline(always)]
pub unsafe fn vote_sync_ballot(mask: u32, predicate: bool) -> u32 {
    let ballot;
    // SAFETY: the caller brings the lanes together; the instruction works on registers.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p; setp.ne.u32 p, {predicate}, 0; vote.sync.ballot.b32 {ballot}, p, {mask}; }}",
            ballot = out(reg32) ballot, predicate = in(reg32) u32::from(predicate), mask = in(reg32) mask,
            options(nomem, nostack),
        );
    }
    ballot
}

/// The lanes of `mask`: whether the predicate holds in all of them (`vote.sync.all`).
///
/// # Safety
///
/// As [`vote_sync_ballot`].
#[gpu_only]
#[inline(always)]
pub unsafe fn vote_sync_all(mask: u32, predicate: bool) -> bool {
    let holds: u32;
    // SAFETY: the caller brings the lanes together; the instruction works on registers.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p, q; setp.ne.u32 p, {predicate}, 0; vote.sync.all.pred q, p, {mask}; \
             selp.u32 {holds}, 1, 0, q; }}",
            holds = out(reg32) holds, predicate = in(reg32) u32::from(predicate), mask = in(reg32) mask,
            options(nomem, nostack),
        );
    }
    holds != 0
}

/// The lanes of `mask`: whether the predicate holds in any of them (`vote.sync.any`).
///
/// # Safety
///
/// As [`vote_sync_ballot`].
#[gpu_only]
#[inline(always)]
pub unsafe fn vote_sync_any(mask: u32, predicate: bool) -> bool {
    let holds: u32;
    // SAFETY: the caller brings the lanes together; the instruction works on registers.
    unsafe {
        core::arch::asm!(
            "{{ .reg .pred p, q; setp.ne.u32 p, {predicate}, 0; vote.sync.any.pred q, p, {mask}; \
             selp.u32 {holds}, 1, 0, q; }}",
            holds = out(reg32) holds, predicate = in(reg32) u32::from(predicate), mask = in(reg32) mask,
            options(nomem, nostack),
        );
    }
    holds != 0
}

/// One thread: the lanes that happen to run together now (`activemask`).
#[gpu_only]
#[inline(always)]
pub fn activemask() -> u32 {
    let mask;
    // SAFETY: it has no operand.
    unsafe { core::arch::asm!("activemask.b32 {};", out(reg32) mask, options(nomem, nostack)) }
    mask
}
