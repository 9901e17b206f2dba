//! Launches that begin while the one before them ends, from sm_90 on. Elsewhere these functions do nothing, and launches
//! follow one another as ever.
//!
//! Two kernels of an operator of which the second reads what the first writes do so: the second is on its way, and has
//! found what depends on the operands alone, when the last block of the first is done. The first one lets it begin as
//! soon as its own first loads are on their way. That takes no room from it, since blocks of the second begin only when
//! all of the first have begun; and who waits takes no turns.
//!
//! What follows the second is launched plainly. So every thread of the second waits, also those that have nothing to do:
//! then the end of the second is that of both.

use cuda_std::ptx;

/// One thread: lets the launch after this one begin, as far as its block is concerned.
#[inline(always)]
pub(crate) fn let_next_begin() {
    if cfg!(target_feature = "sm_90") {
        ptx::griddepcontrol_launch_dependents();
    }
}

/// One thread: waits for the end of the launch before this one. What that one writes is read after it, and by `read`, not
/// by `read_constant`.
#[inline(always)]
pub(crate) fn wait_for_last() {
    if cfg!(target_feature = "sm_90") {
        ptx::griddepcontrol_wait();
    }
}
