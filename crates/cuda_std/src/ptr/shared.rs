use core::marker::PhantomData;

use super::width::{load, store};
use crate::ptx;

/// A pointer to `T`s in the block's shared memory: an address of 32 bits.
#[repr(transparent)]
pub struct SharedPtr<T> {
    address: u32,
    pointee: PhantomData<*mut T>,
}

impl<T> Clone for SharedPtr<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedPtr<T> {}

impl<T> SharedPtr<T> {
    /// The pointer with this address in shared memory.
    #[inline(always)]
    pub const fn from_address(address: u32) -> Self {
        Self { address, pointee: PhantomData }
    }

    /// The address in shared memory, as instructions take it.
    #[inline(always)]
    pub const fn address(self) -> u32 {
        self.address
    }

    /// The pointer `count` elements on.
    #[inline(always)]
    pub const fn add(self, count: u32) -> Self {
        self.byte_add(count.wrapping_mul(size_of::<T>() as u32))
    }

    /// The pointer `count` bytes on.
    #[inline(always)]
    pub const fn byte_add(self, count: u32) -> Self {
        Self::from_address(self.address.wrapping_add(count))
    }

    /// The same address as a pointer to other values.
    #[inline(always)]
    pub const fn cast<U>(self) -> SharedPtr<U> {
        SharedPtr::from_address(self.address)
    }
}

impl<T: Copy> SharedPtr<T> {
    /// Reads the value (`ld.shared`).
    ///
    /// # Safety
    ///
    /// A `T` is there, its address a multiple of its size, and no other thread writes it meanwhile.
    #[inline(always)]
    pub unsafe fn read(self) -> T {
        let from = self.address;
        // SAFETY: the caller promises a `T` at an address that the load of its width accepts.
        unsafe {
            load(
                || ptx::ld_shared_b32(from),
                || ptx::ld_shared_b64(from),
                || ptx::ld_shared_v4_b32(from),
            )
        }
    }

    /// Writes the value (`st.shared`).
    ///
    /// # Safety
    ///
    /// The memory is the block's, its address a multiple of the value's size, and no other thread reads
    /// or writes it meanwhile.
    #[inline(always)]
    pub unsafe fn write(self, value: T) {
        let to = self.address;
        // SAFETY: the caller promises shared memory at an address that the store of its width accepts.
        store(
            value,
            |word| unsafe { ptx::st_shared_b32(to, word) },
            |word| unsafe { ptx::st_shared_b64(to, word) },
            |words| unsafe { ptx::st_shared_v4_b32(to, words) },
        );
    }
}

impl SharedPtr<u32> {
    /// Adds to the number atomically (`atom.shared.add`, relaxed, within the block) and returns what it
    /// was before.
    ///
    /// # Safety
    ///
    /// A `u32` is there, and meanwhile other threads access it only by this function.
    #[inline(always)]
    pub unsafe fn atomic_add(self, count: u32) -> u32 {
        // SAFETY: the caller promises an aligned `u32` in shared memory.
        unsafe { ptx::atom_shared_add_u32(self.address, count) }
    }

    /// Sets bits of the number atomically (`atom.shared.or`, relaxed, within the block) and returns what it
    /// was before.
    ///
    /// # Safety
    ///
    /// A `u32` is there, and meanwhile other threads access it only by this function.
    #[inline(always)]
    pub unsafe fn atomic_or(self, bits: u32) -> u32 {
        // SAFETY: the caller promises an aligned `u32` in shared memory.
        unsafe { ptx::atom_shared_or_b32(self.address, bits) }
    }
}
