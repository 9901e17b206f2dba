use crate::gpu_only;

/// One thread: says that, for its block, the launches that depend on this one may begin
/// (`griddepcontrol.launch_dependents`; sm_90). They do once a thread of every block has said so or all its threads have
/// exited, and see nothing of what this launch writes before they have waited ([`griddepcontrol_wait`]).
///
/// It changes nothing where no launch after this one was made for it, by programmatic stream serialization.
#[gpu_only]
#[inline(always)]
pub fn griddepcontrol_launch_dependents() {
    // SAFETY: it has no operands, and tells nobody of what memory holds.
    unsafe { core::arch::asm!("griddepcontrol.launch_dependents;", options(nomem, nostack)) }
}

/// One thread: waits until the launches that this one depends on have ended, and sees what they wrote
/// (`griddepcontrol.wait`; sm_90). It returns at once where the launch began after their end.
///
/// What they write is not read-only while this launch runs: it must not be loaded by `ld.global.nc`, not even afterwards.
#[gpu_only]
#[inline(always)]
pub fn griddepcontrol_wait() {
    // SAFETY: it has no operands. The compiler moves no access to memory across it.
    unsafe { core::arch::asm!("griddepcontrol.wait;", options(nostack)) }
}
