//! From memory of cudarc to operands of msa. It names nothing of this example: copy it into an engine.
//!
//! cudarc keeps an event for each allocation's last write and last read. To ask for an address is to make a stream wait for
//! these, and what comes with the address records the stream's own use of it *when it is dropped*. So it has to live until
//! the kernels are enqueued: dropped before, it would record a use that is over before it began, and another stream could
//! overwrite or free what kernels still read. A [`Lent`] keeps the two together.

use cudarc::driver::{CudaStream, DevicePtr, DevicePtrMut, SyncOnDrop};
use msa::gpu::{DeviceTensor, Workspace};

/// A tensor in memory of cudarc, lent to a stream until this is dropped: after the launches that use it were enqueued.
///
/// It is taken before a stream begins to capture and dropped after it has ended, as waiting for an event of another time
/// is not to be captured. Around a replay it is taken anew.
#[must_use]
pub struct Lent<'a, T, const RANK: usize> {
    tensor: DeviceTensor<T, RANK>,
    _use: SyncOnDrop<'a>,
}

impl<T: Copy, const RANK: usize> Lent<'_, T, RANK> {
    /// The operand, dense; [`DeviceTensor::with_stride`] is for others.
    pub fn tensor(&self) -> DeviceTensor<T, RANK> {
        self.tensor
    }
}

/// Lends a `CudaSlice` or `CudaView` to kernels that read it.
pub fn read<'a, T, const RANK: usize>(
    memory: &'a impl DevicePtr<T>,
    shape: [usize; RANK],
    stream: &'a CudaStream,
) -> Lent<'a, T, RANK> {
    let len = memory.len();
    let (address, of) = memory.device_ptr(stream);
    Lent { tensor: DeviceTensor::contiguous(address, len, shape), _use: of }
}

/// Lends a `CudaSlice` or `CudaViewMut` to kernels that write it, and may read what they have written.
pub fn write<'a, T, const RANK: usize>(
    memory: &'a mut impl DevicePtrMut<T>,
    shape: [usize; RANK],
    stream: &'a CudaStream,
) -> Lent<'a, T, RANK> {
    let len = memory.len();
    let (address, of) = memory.device_ptr_mut(stream);
    Lent { tensor: DeviceTensor::contiguous(address, len, shape), _use: of }
}

/// All of some memory that was [lent for writing](write), as a workspace.
pub fn workspace(memory: &Lent<'_, u8, 1>) -> Workspace {
    let [bytes] = memory.tensor.shape();
    Workspace { address: memory.tensor.address(), bytes }
}
