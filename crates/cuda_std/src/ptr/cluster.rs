use core::marker::PhantomData;
use core::mem::transmute_copy;

use super::SharedPtr;
use crate::ptx;

/// A pointer to `T`s in the shared memory of a block of the cluster, to be written by its other blocks (sm_90).
#[repr(transparent)]
pub struct ClusterPtr<T> {
    address: u32,
    pointee: PhantomData<*mut T>,
}

impl<T> Clone for ClusterPtr<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for ClusterPtr<T> {}

impl<T> ClusterPtr<T> {
    /// What is at the same place in the shared memory of the cluster's block `rank`.
    ///
    /// # Safety
    ///
    /// The cluster has the block.
    #[inline(always)]
    pub unsafe fn of_block(place: SharedPtr<T>, rank: u32) -> Self {
        // SAFETY: the caller's promise is the instruction's.
        let address = unsafe { ptx::mapa_shared_cluster(place.address(), rank) };
        Self { address, pointee: PhantomData }
    }
}

impl<T: Copy> ClusterPtr<T> {
    /// Writes a value of 8 bytes, which a barrier of the same block counts (`st.async`).
    ///
    /// # Safety
    ///
    /// The address is a multiple of the value's size, and no other thread accesses the memory before the barrier's phase
    /// ends. The barrier is initialised, which this thread has learnt, and its block does not exit before.
    #[inline(always)]
    pub unsafe fn write_counted(self, value: T, barrier: ClusterPtr<u64>) {
        const { assert!(size_of::<T>() == 8) };
        // SAFETY: an integer may have any bits; the caller promises the memory.
        unsafe { ptx::st_async_b64(self.address, transmute_copy(&value), barrier.address) }
    }
}
