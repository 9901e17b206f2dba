use core::marker::PhantomData;

use super::width::{load, store};
use crate::ptx;

/// A pointer to `T`s in global memory.
#[repr(transparent)]
pub struct GlobalPtr<T> {
    address: u64,
    pointee: PhantomData<*mut T>,
}

impl<T> Clone for GlobalPtr<T> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for GlobalPtr<T> {}

impl<T> GlobalPtr<T> {
    /// The pointer with this address.
    #[inline(always)]
    pub const fn from_address(address: u64) -> Self {
        Self { address, pointee: PhantomData }
    }

    /// The pointer `count` elements on.
    #[inline(always)]
    pub const fn add(self, count: u64) -> Self {
        Self::from_address(self.address.wrapping_add(count.wrapping_mul(size_of::<T>() as u64)))
    }

    /// The same address as a pointer to other values.
    #[inline(always)]
    pub const fn cast<U>(self) -> GlobalPtr<U> {
        GlobalPtr::from_address(self.address)
    }
}

impl<T: Copy> GlobalPtr<T> {
    /// Reads the value (`ld.global`).
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
                || ptx::ld_global_b32(from),
                || ptx::ld_global_b64(from),
                || ptx::ld_global_v4_b32(from),
            )
        }
    }

    /// Reads a value that nothing writes while the kernel runs (`ld.global.nc`): such a load can be
    /// moved, and its value kept in the cache for constant data.
    ///
    /// # Safety
    ///
    /// As [`read`](Self::read), and nothing writes the value from the start of the kernel to its end.
    #[inline(always)]
    pub unsafe fn read_constant(self) -> T {
        let from = self.address;
        // SAFETY: the caller promises a constant `T` at an address that the load of its width accepts.
        unsafe {
            load(
                || ptx::ld_global_nc_b32(from),
                || ptx::ld_global_nc_b64(from),
                || ptx::ld_global_nc_v4_b32(from),
            )
        }
    }

    /// Writes the value (`st.global`).
    ///
    /// # Safety
    ///
    /// The memory is the kernel's to write, its address a multiple of the value's size, and no other
    /// thread reads or writes it meanwhile.
    #[inline(always)]
    pub unsafe fn write(self, value: T) {
        let to = self.address;
        // SAFETY: the caller promises writable memory at an address that the store of its width accepts.
        store(
            value,
            |word| unsafe { ptx::st_global_b32(to, word) },
            |word| unsafe { ptx::st_global_b64(to, word) },
            |words| unsafe { ptx::st_global_v4_b32(to, words) },
        );
    }
}
