//! How tests share the driver's first GPU, and what they keep in its memory.

mod bucket;

pub use bucket::Bucket;

use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};

use bytemuck::Pod;
use cust::device::Device;
use cust::memory::{CopyDestination, DeviceBuffer};
use msa::Route;
use msa::cuda::Cuda;
use msa::gpu::DeviceTensor;

/// The GPU, for one test at a time: a fault breaks the context that all have. Which it is, and by which kernels, is said
/// once, where the test harness does not hide it.
pub fn cuda() -> (MutexGuard<'static, ()>, Cuda) {
    static GPU: Mutex<()> = Mutex::new(());
    static SAID: Once = Once::new();
    let alone = GPU.lock().unwrap_or_else(PoisonError::into_inner);
    let cuda = Cuda::new().unwrap_or_else(|error| panic!("no GPU: {error}"));
    SAID.call_once(|| {
        let name = Device::get_device(0).and_then(|device| device.name()).expect("its name");
        let multiprocessors = cuda.kernels().device().multiprocessors;
        let tier = cuda.kernels().dispatch(Route::Decode).tier;
        let said = writeln!(io::stderr(), "{name}, {multiprocessors} multiprocessors: {tier}");
        said.expect("standard error can be written");
    });
    (alone, cuda)
}

/// A tensor in memory of its own, dense.
pub struct Owned<T, const RANK: usize> {
    bytes: DeviceBuffer<u8>,
    tensor: DeviceTensor<T, RANK>,
}

impl<T: Pod, const RANK: usize> Owned<T, RANK> {
    pub fn new(values: &[T], shape: [usize; RANK]) -> Self {
        let bytes = DeviceBuffer::from_slice(bytemuck::cast_slice(values)).expect("room for them");
        let address = bytes.as_device_ptr().as_raw();
        Self { bytes, tensor: DeviceTensor::contiguous(address, values.len(), shape) }
    }

    /// Where it is.
    pub fn tensor(&self) -> DeviceTensor<T, RANK> {
        self.tensor
    }

    /// Other values in the same place.
    pub fn write(&mut self, values: &[T]) {
        self.bytes.copy_from(bytemuck::cast_slice::<T, u8>(values)).expect("as many values");
    }

    /// What it holds now.
    pub fn read(&self) -> Vec<T> {
        let mut bytes = vec![0_u8; self.bytes.len()];
        self.bytes.copy_to(&mut bytes[..]).expect("as many bytes");
        bytes.chunks(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
    }
}
