/// One thread: stops the grid with an error that the host sees (`trap`).
#[crate::gpu_only]
#[inline(always)]
pub fn trap() -> ! {
    // SAFETY: the instruction has no operands, and nothing runs after it.
    unsafe { core::arch::asm!("trap;", options(noreturn, nomem, nostack)) }
}
