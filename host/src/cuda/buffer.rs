use cust::memory::{DeviceBuffer, DeviceCopy};
use half::bf16;

use crate::gpu::{DeviceTensor, Workspace};

/// All of a buffer; [`with_shape`](DeviceTensor::with_shape) gives it axes.
impl<T: DeviceCopy> From<&DeviceBuffer<T>> for DeviceTensor<T, 1> {
    fn from(buffer: &DeviceBuffer<T>) -> Self {
        Self::contiguous(buffer.as_device_ptr().as_raw(), buffer.len(), [buffer.len()])
    }
}

/// A buffer of the bits of bf16, for which `cust` has no type.
impl From<&DeviceBuffer<u16>> for DeviceTensor<bf16, 1> {
    fn from(buffer: &DeviceBuffer<u16>) -> Self {
        Self::contiguous(buffer.as_device_ptr().as_raw(), buffer.len(), [buffer.len()])
    }
}

/// All of a buffer.
impl From<&DeviceBuffer<u8>> for Workspace {
    fn from(buffer: &DeviceBuffer<u8>) -> Self {
        match buffer.len() {
            0 => Self::NONE,
            bytes => Self { address: buffer.as_device_ptr().as_raw(), bytes },
        }
    }
}
