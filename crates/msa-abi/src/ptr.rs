use core::fmt;
use core::marker::PhantomData;

/// The address of the first of some `T`s in a GPU's global memory, 0 where an operand is absent.
///
/// Always 64 bits wide, so that a parameter struct has one layout on host and device. It is data:
/// only device code, which knows what it points to, turns it into something that can be read.
#[repr(transparent)]
pub struct DevicePtr<T> {
    address: u64,
    pointee: PhantomData<fn() -> T>,
}

impl<T> DevicePtr<T> {
    /// The pointer with this address, as the driver gave it (a `CUdeviceptr`).
    pub const fn from_address(address: u64) -> Self {
        Self { address, pointee: PhantomData }
    }

    /// The address that the driver knows it by.
    pub const fn address(self) -> u64 {
        self.address
    }
}

impl<T> Clone for DevicePtr<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for DevicePtr<T> {}

impl<T> fmt::Debug for DevicePtr<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.address)
    }
}

// SAFETY: it is a number of 64 bits and nothing else.
#[cfg(feature = "bytemuck")]
unsafe impl<T: 'static> bytemuck::NoUninit for DevicePtr<T> {}
