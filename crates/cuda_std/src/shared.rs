//! Memory that the threads of a block share: fast, and gone when the block ends.
//!
//! It starts with arbitrary contents. What one thread writes, another may read after a barrier
//! ([`sync_threads`](crate::thread::sync_threads)) between the two.

use crate::gpu_only;
use crate::ptr::SharedPtr;

/// The dynamic shared memory: as many bytes as the launch asks for, aligned to 1024. Every call gives
/// the same memory.
#[gpu_only]
#[inline(always)]
pub fn dynamic_shared<T>() -> SharedPtr<T> {
    SharedPtr::from_address(crate::ptx::dynamic_shared_address())
}

/// [`dynamic_shared`] as an ordinary pointer, as in Rust-CUDA. Accesses through it find out at run time
/// in which address space they are, so prefer the other one.
#[gpu_only]
#[inline(always)]
pub fn dynamic_shared_mem<T>() -> *mut T {
    crate::ptx::generic_from_shared(crate::ptx::dynamic_shared_address()) as *mut T
}

/// Static shared memory for one `T`, aligned to 16.
///
/// Each place in the *compiled* kernel that this call comes to has memory of its own. Call it in the
/// kernel's own body, outside of loops, and pass the pointer on.
#[gpu_only]
#[inline(always)]
pub fn static_shared<T>() -> SharedPtr<T> {
    const { assert!(align_of::<T>() <= 16) }
    SharedPtr::from_address(crate::ptx::static_shared_address::<T>())
}
