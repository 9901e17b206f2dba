use std::ffi::c_void;
use std::ptr;

use cust::sys::{
    CUdevice, CUdevice_attribute, CUstream, cuCtxGetDevice, cuDeviceGetAttribute, cuLaunchKernel,
};

use super::driver::check;
use super::module::{Function, Module};
use crate::gpu::{
    AttentionOperands, AttentionResult, Device, DeviceTensor, IndexerOperands, Kernel, Launch,
    Plan, Ptx, Workspace,
};
use crate::{Dispatch, Error, Route};

/// The kernels, loaded for one context. It must be dropped while that context is alive, and current.
#[derive(Debug)]
pub struct Kernels {
    device: Device,
    ptx: Ptx,
    /// In the order of [`Kernel::ALL`].
    functions: [Option<Function>; Kernel::ALL.len()],
    // The functions are its.
    _module: Module,
}

impl Kernels {
    /// Loads the newest kernels that the current context's device runs.
    ///
    /// # Errors
    /// If no context is current, the device is too old, or its driver cannot compile the kernels.
    pub fn load() -> Result<Self, Error> {
        let device = current_device()?;
        let ptx = Ptx::for_device(device.capability)?;
        let module = Module::load(&ptx)?;
        let mut functions = [None; Kernel::ALL.len()];
        for (function, kernel) in functions.iter_mut().zip(Kernel::ALL) {
            *function = module.function(kernel, device.shared_per_block_optin)?;
        }
        Ok(Self { device, ptx, functions, _module: module })
    }

    /// What plans are made for.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// What steps of a route are run by.
    pub fn dispatch(&self, route: Route) -> Dispatch {
        Dispatch { backend: "cuda", tier: self.ptx.name(), route }
    }

    /// Enqueues the indexer on a stream: writes `block_ids`, i32 `[index_heads, rows, topk]`, dense.
    ///
    /// # Errors
    /// Whatever [`IndexerOperands::plan`] refuses, when nothing is enqueued; and what the driver refuses.
    ///
    /// # Safety
    /// The stream is of the context that the kernels were loaded for, which is current. Until the launches have ended,
    /// operands, result and workspace are memory that the device may access, as long as is said of each; nothing else
    /// writes what is read, or touches what is written. What the device holds is as [`gpu`](crate::gpu) says under
    /// "What the host cannot know". `self` outlives the launches, and graphs that captured them.
    pub unsafe fn enqueue_indexer(
        &self,
        operands: &IndexerOperands,
        block_ids: &DeviceTensor<i32, 3>,
        workspace: Workspace,
        stream: CUstream,
    ) -> Result<Dispatch, Error> {
        let plan = operands.plan(block_ids, &self.device, workspace)?;
        // SAFETY: the caller promises it of all that the plan has from the operands.
        unsafe { self.enqueue(&plan, stream) }
    }

    /// Enqueues attention on a stream: writes the result.
    ///
    /// # Errors
    /// Whatever [`AttentionOperands::plan`] refuses, when nothing is enqueued; and what the driver refuses.
    ///
    /// # Safety
    /// As for [`enqueue_indexer`](Self::enqueue_indexer).
    pub unsafe fn enqueue_attention(
        &self,
        operands: &AttentionOperands,
        result: &AttentionResult,
        workspace: Workspace,
        stream: CUstream,
    ) -> Result<Dispatch, Error> {
        let plan = operands.plan(result, &self.device, workspace)?;
        // SAFETY: the caller promises it of all that the plan has from the operands.
        unsafe { self.enqueue(&plan, stream) }
    }

    /// # Safety
    /// As for [`enqueue_indexer`](Self::enqueue_indexer), of all that the plan's parameters point to.
    unsafe fn enqueue(&self, plan: &Plan, stream: CUstream) -> Result<Dispatch, Error> {
        // All of them before the first launch: half a step is of no use.
        for launch in plan.launches() {
            self.function(launch.kernel)?;
        }
        for launch in plan.launches() {
            // SAFETY: as promised.
            unsafe { self.launch(launch, stream)? };
        }
        Ok(self.dispatch(plan.route()))
    }

    /// # Safety
    /// As for [`enqueue`](Self::enqueue).
    unsafe fn launch(&self, launch: &Launch, stream: CUstream) -> Result<(), Error> {
        let Function(function) = self.function(launch.kernel)?;
        let [x, y, z] = launch.grid;
        let parameter: *const c_void = launch.params.as_bytes().as_ptr().cast();
        let mut parameters = [parameter.cast_mut()];
        // SAFETY: each kernel has one parameter, which the driver copies before it returns; what it points to is
        // promised.
        let launched = unsafe {
            cuLaunchKernel(
                function,
                x,
                y,
                z,
                launch.threads,
                1,
                1,
                launch.dynamic_shared,
                stream,
                parameters.as_mut_ptr(),
                ptr::null_mut(),
            )
        };
        check("cuLaunchKernel", launch.kernel.name(), launched)
    }

    fn function(&self, kernel: Kernel) -> Result<Function, Error> {
        self.functions[kernel as usize]
            .ok_or(Error::NoKernel { ptx: self.ptx.name(), kernel: kernel.name() })
    }
}

/// The device of the current context.
fn current_device() -> Result<Device, Error> {
    let mut device = 0;
    // SAFETY: the out-pointer is valid.
    check("cuCtxGetDevice", "the current context", unsafe { cuCtxGetDevice(&mut device) })?;
    use CUdevice_attribute::*;
    let attribute = |attribute| attribute_of(device, attribute);
    Ok(Device {
        capability: (
            attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        multiprocessors: attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?,
        shared_per_block_optin: attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?,
        shared_per_multiprocessor: attribute(
            CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR,
        )?,
    })
}

fn attribute_of(device: CUdevice, attribute: CUdevice_attribute) -> Result<u32, Error> {
    let mut value = 0;
    // SAFETY: the out-pointer is valid.
    let got = unsafe { cuDeviceGetAttribute(&mut value, attribute, device) };
    check("cuDeviceGetAttribute", "the current context's device", got)?;
    // No device has fewer than none of anything.
    Ok(value.max(0) as u32)
}
