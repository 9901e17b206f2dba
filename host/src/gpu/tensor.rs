use std::marker::PhantomData;

use half::bf16;
use msa_abi::DevicePtr;

use crate::Error;
use crate::layout::Layout;

/// A tensor in a GPU's memory: the address of a buffer, the elements in it, a shape, and a stride for each axis, in
/// elements.
///
/// As with a [`View`](crate::View) the innermost axis is contiguous and outer strides are free, but what is bf16 is read
/// 16 bytes at a time: its address is a multiple of 16, and its strides are multiples of 8. It is plain data: the
/// operator that takes it checks it, and what is behind the address is the promise of whoever launches.
#[derive(Clone, Copy, Debug)]
pub struct DeviceTensor<T, const RANK: usize> {
    address: u64,
    len: usize,
    layout: Layout<RANK>,
    element: PhantomData<fn() -> T>,
}

impl<T, const RANK: usize> DeviceTensor<T, RANK> {
    /// A dense, row-major tensor at the start of a buffer that has this address (a `CUdeviceptr`) and holds `len`
    /// elements.
    pub fn contiguous(address: u64, len: usize, shape: [usize; RANK]) -> Self {
        Self { address, len, layout: Layout::contiguous(shape), element: PhantomData }
    }

    /// The same tensor with another distance, in elements, between neighbours along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[must_use]
    pub fn with_stride(mut self, axis: usize, stride: usize) -> Self {
        self.layout.strides[axis] = stride;
        self
    }

    /// The same buffer as a dense, row-major tensor of another shape.
    #[must_use]
    pub fn with_shape<const OTHER: usize>(self, shape: [usize; OTHER]) -> DeviceTensor<T, OTHER> {
        DeviceTensor::contiguous(self.address, self.len, shape)
    }

    /// The address of the first element.
    pub fn address(&self) -> u64 {
        self.address
    }

    /// Extents of the axes, outermost first.
    pub fn shape(&self) -> [usize; RANK] {
        self.layout.shape
    }

    /// Elements between neighbours along each axis, outermost first.
    pub fn strides(&self) -> [usize; RANK] {
        self.layout.strides
    }

    /// The first element, for a kernel that takes elements as `U`: as many bytes of the same meaning.
    pub(super) fn pointer<U>(&self) -> DevicePtr<U> {
        const { assert!(size_of::<T>() == size_of::<U>()) };
        DevicePtr::from_address(self.address)
    }

    /// Refuses a tensor that ends past its buffer, or elements that are not aligned to their own size.
    pub(super) fn check(&self, operand: &'static str) -> Result<(), Error> {
        self.layout.check_extent(operand, self.len)?;
        self.check_address(operand, size_of::<T>() as u64)
    }

    /// As [`check`](Self::check), and refuses what is not dense: a result.
    pub(super) fn check_dense(&self, operand: &'static str) -> Result<(), Error> {
        let dense = Layout::contiguous(self.layout.shape).strides;
        self.check_strides(operand, "that of a dense tensor", |axis, stride| {
            stride == dense[axis]
        })?;
        self.check(operand)
    }

    /// Refuses a stride, unless nothing lies along its axis. The innermost one is left to the check of the extent.
    fn check_strides(
        &self,
        operand: &'static str,
        expected: &'static str,
        is_good: impl Fn(usize, usize) -> bool,
    ) -> Result<(), Error> {
        let Layout { shape, strides } = self.layout;
        let bad = (0..RANK - 1).find(|&axis| shape[axis] > 1 && !is_good(axis, strides[axis]));
        match bad {
            None => Ok(()),
            Some(axis) => Err(Error::OuterStride { operand, axis, expected, got: strides[axis] }),
        }
    }

    fn check_address(&self, operand: &'static str, alignment: u64) -> Result<(), Error> {
        if self.layout.shape.contains(&0) {
            return Ok(());
        }
        if self.address == 0 {
            let got = "null".to_owned();
            return Err(Error::Value { operand, expected: "an address on the device", got });
        }
        check_alignment(operand, self.address, alignment)
    }
}

impl<const RANK: usize> DeviceTensor<bf16, RANK> {
    /// As [`check`](Self::check), for what is moved 16 bytes at a time.
    pub(super) fn check_vectors(&self, operand: &'static str) -> Result<(), Error> {
        self.layout.check_extent(operand, self.len)?;
        self.check_address(operand, VECTOR_BYTES)?;
        let is_good = |_, stride: usize| stride.is_multiple_of(VECTOR_ELEMENTS);
        self.check_strides(operand, "a multiple of 8", is_good)
    }
}

/// Bytes that kernels move at a time.
const VECTOR_BYTES: u64 = 16;

/// Elements of bf16 in them.
const VECTOR_ELEMENTS: usize = VECTOR_BYTES as usize / size_of::<bf16>();

/// Refuses an address that is not a multiple of some bytes.
pub(super) fn check_alignment(
    operand: &'static str,
    address: u64,
    expected: u64,
) -> Result<(), Error> {
    if address.is_multiple_of(expected) {
        return Ok(());
    }
    Err(Error::Misaligned { operand, expected, address })
}
