//! What C hands over: pointers that are checked for null once, here, and the API's structures.
//!
//! The types of this file are made by nobody but the caller of an exported function, who promises, as for
//! any driver, that a pointer is null or good for what the API says of it until the function returns.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use super::error::{Code, Result};
use super::table::Handle;

/// Where a result goes.
#[repr(transparent)]
pub(super) struct Out<T>(*mut T);

// Not derived: a pointer can be copied whatever it points to.
impl<T> Copy for Out<T> {}
impl<T> Clone for Out<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Out<T> {
    /// Writes a result.
    pub(super) fn write(self, value: T) -> Result<()> {
        if self.0.is_null() {
            return Err(Code::InvalidValue.because("a pointer for a result is null"));
        }
        self.write_if_wanted(value);
        Ok(())
    }

    /// Writes a result that the caller may do without.
    pub(super) fn write_if_wanted(self, value: T) {
        if !self.0.is_null() {
            // SAFETY: Not null, so the caller promises that a `T` may be written there. It need not be
            // aligned, as some callers pass fields of packed structures.
            unsafe { self.0.write_unaligned(value) }
        }
    }

    /// Where an element goes, of as many as the caller made room for. Null stays null.
    pub(super) fn at(self, index: usize) -> Self {
        if self.0.is_null() { self } else { Self(self.0.wrapping_add(index)) }
    }

    /// Writes a result's elements.
    pub(super) fn write_all(self, values: impl IntoIterator<Item = T>) -> Result<()> {
        values.into_iter().enumerate().try_for_each(|(index, value)| self.at(index).write(value))
    }

    pub(super) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// The same place, where the API says by another argument what goes there.
    pub(super) fn cast<U>(self) -> Out<U> {
        Out(self.0.cast())
    }

    pub(super) fn address(self) -> u64 {
        self.0 as u64
    }
}

/// Where an argument is read from.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct In<T>(*const T);

impl<T: Copy> In<T> {
    /// The argument.
    pub(super) fn read(self) -> Result<T> {
        self.at(0)
    }

    /// An element of the arguments.
    pub(super) fn at(self, index: usize) -> Result<T> {
        if self.0.is_null() {
            return Err(Code::InvalidValue.because("a pointer to an argument is null"));
        }
        // SAFETY: Not null, so the caller promises as many elements as the API says, and no more are
        // asked for. They need not be aligned.
        Ok(unsafe { self.0.wrapping_add(index).read_unaligned() })
    }

    /// As many elements as the API says that there are.
    pub(super) fn all(self, len: usize) -> Result<Vec<T>> {
        (0..len).map(|index| self.at(index)).collect()
    }

    pub(super) fn is_null(self) -> bool {
        self.0.is_null()
    }

    /// Where something of ours is, that outlives the caller's use of it.
    pub(super) fn of(values: &[T]) -> Self {
        Self(values.as_ptr())
    }

    pub(super) fn null() -> Self {
        Self(std::ptr::null())
    }

    pub(super) fn cast<U>(self) -> In<U> {
        In(self.0.cast())
    }
}

/// Where a value is read from, and replaced.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct InOut<T>(*mut T);

impl<T: Copy> InOut<T> {
    pub(super) fn input(self) -> In<T> {
        In(self.0)
    }

    pub(super) fn output(self) -> Out<T> {
        Out(self.0)
    }
}

/// A C string.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub(super) struct Text(*const c_char);

impl Text {
    /// Its bytes, without the zero at the end.
    pub(super) fn bytes<'a>(self) -> Result<&'a [u8]> {
        if self.0.is_null() {
            return Err(Code::InvalidValue.because("a string is null"));
        }
        // SAFETY: Not null, so the caller promises a string that ends in zero, and stays as it is until
        // the exported function returns. No borrow outlives that: all that is kept is copied.
        Ok(unsafe { CStr::from_ptr(self.0) }.to_bytes())
    }

    /// The string. One that is not UTF-8 names nothing here.
    pub(super) fn read<'a>(self) -> Result<&'a str> {
        let not_utf8 = |_| Code::InvalidValue.because("a string is not UTF-8");
        std::str::from_utf8(self.bytes()?).map_err(not_utf8)
    }
}

/// A kernel's parameters: a pointer to each.
pub(super) type Parameters = In<In<u8>>;
/// Names of further launch arguments, each followed by its value, up to a zero.
pub(super) type Extra = In<In<u8>>;

/// `CUhostFn`.
pub(super) type HostFunction = Option<unsafe extern "C" fn(*mut c_void)>;
/// `CUstreamCallback`.
pub(super) type StreamCallback = Option<unsafe extern "C" fn(Handle, c_int, *mut c_void)>;
/// `CUoccupancyB2DSize`.
pub(super) type BlockToShared = Option<unsafe extern "C" fn(c_int) -> usize>;

/// `CUlaunchConfig`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct LaunchConfig {
    pub(super) grid: [c_uint; 3],
    pub(super) block: [c_uint; 3],
    pub(super) dynamic_shared: c_uint,
    pub(super) stream: Handle,
    pub(super) attributes: In<LaunchAttribute>,
    pub(super) attribute_count: c_uint,
}

/// `CUlaunchAttributeValue`: a union of 64 bytes, of which we use integers at its start.
pub(super) type AttributeValue = [c_uint; 16];

/// `CUlaunchAttribute`
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct LaunchAttribute {
    pub(super) id: c_uint,
    padding: c_uint,
    pub(super) value: AttributeValue,
}

/// `CUDA_KERNEL_NODE_PARAMS` in its first version. Where it is an argument, the second's fields are not read.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct KernelNode {
    pub(super) function: Handle,
    pub(super) grid: [c_uint; 3],
    pub(super) block: [c_uint; 3],
    pub(super) dynamic_shared: c_uint,
    pub(super) parameters: Parameters,
    pub(super) extra: Extra,
}

/// `CUDA_KERNEL_NODE_PARAMS` in its second version.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct KernelNodeV2 {
    pub(super) first: KernelNode,
    pub(super) kernel: Handle,
    pub(super) context: Handle,
}

/// `CUmemLocation`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Location {
    pub(super) kind: c_uint,
    pub(super) id: c_int,
}

/// `CUtensorMap`: 128 bytes, on a multiple of 64.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct TensorMapBytes(pub(super) [u64; 16]);
