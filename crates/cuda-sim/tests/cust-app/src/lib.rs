//! A program as its authors write it, with the real `cust`, to be run on cuda-sim.

use cust::error::CudaResult;
use cust::launch;
use cust::prelude::*;

/// Scales a vector, and adds another.
pub const PTX: &str = include_str!("saxpy.ptx");

/// `alpha * x + y`, on the device.
pub fn saxpy(
    stream: &Stream,
    module: &Module,
    alpha: f32,
    x: &[f32],
    y: &[f32],
) -> CudaResult<Vec<f32>> {
    let function = module.get_function("saxpy")?;
    let x_on_device = DeviceBuffer::from_slice(x)?;
    let y_on_device = DeviceBuffer::from_slice(y)?;
    let result = DeviceBuffer::<f32>::zeroed(x.len())?;
    let (_, block) = function.suggested_launch_configuration(0, 0.into())?;
    let grid = (x.len() as u32).div_ceil(block);
    // SAFETY: The kernel takes three vectors of the length that it is told, and they are alive until the
    // stream has been waited for.
    unsafe {
        launch!(function<<<grid, block, 0, stream>>>(
            alpha,
            x_on_device.as_device_ptr(),
            y_on_device.as_device_ptr(),
            result.as_device_ptr(),
            x.len() as u32
        ))?;
    }
    stream.synchronize()?;
    result.as_host_vec()
}
