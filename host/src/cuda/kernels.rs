use std::ffi::c_void;
use std::ptr;

use cust::sys::CUstream;
use msa_abi::{AttendParams, CheckReport};

use super::device::CurrentDevice;
use super::driver::{
    LaunchAttribute, LaunchConfig, check as check_driver, cuLaunchKernelEx, cuMemcpyDtoHAsync_v2,
    cuStreamSynchronize,
};
use super::module::{Function, Module};
use super::tensor_map;
use crate::gpu::{
    AttentionOperands, AttentionResult, Device, DeviceCheck, DeviceTensor, IndexerOperands, Kernel,
    Launch, MergeStatesOperands, Plan, Ptx, Workspace,
};
use crate::{Dispatch, Error, Route};

/// The kernels, loaded for one context. It must be dropped while that context is alive, and current.
#[derive(Debug)]
pub struct Kernels {
    device: CurrentDevice,
    /// In the order of [`Kernel::ALL`]; none where the PTX has none.
    functions: Vec<Option<Function>>,
    // The functions are its.
    _module: Module,
}

impl Kernels {
    /// Loads the newest kernels that the current context's device runs.
    ///
    /// # Errors
    /// If no context is current, the device is too old, its driver cannot compile the kernels, or they are of another
    /// [`ABI_VERSION`](crate::gpu::ABI_VERSION).
    pub fn load() -> Result<Self, Error> {
        Self::of_device(CurrentDevice::new()?)
    }

    /// Loads these kernels, whatever else the current context's device runs.
    ///
    /// # Errors
    /// If no context is current, the device does not run them, its driver cannot compile them, or they are of another
    /// [`ABI_VERSION`](crate::gpu::ABI_VERSION).
    pub fn load_ptx(ptx: Ptx) -> Result<Self, Error> {
        let mut device = CurrentDevice::new()?;
        let (major, minor) = device.plan.capability;
        if !ptx.runs_on((major, minor)) {
            return Err(Error::UnsupportedDevice { major, minor, ptx: ptx.name() });
        }
        device.plan.ptx = ptx;
        Self::of_device(device)
    }

    fn of_device(mut device: CurrentDevice) -> Result<Self, Error> {
        let ptx = device.plan.ptx;
        let module = Module::load(&ptx)?;
        let most = device.plan.shared_per_block_optin;
        let functions = Kernel::ALL.into_iter().map(|kernel| match ptx.has(kernel) {
            true => module.function(&ptx, kernel, most).map(Some),
            false => Ok(None),
        });
        let functions = functions.collect::<Result<Vec<_>, _>>()?;
        let kernel = Kernel::AttendDecodeCluster;
        if let Some(function) = functions[kernel as usize] {
            let shared = device.plan.largest_cluster_shared();
            device.plan.max_cluster =
                function.max_cluster(kernel, AttendParams::THREADS, shared)?;
        }
        #[cfg(feature = "tracing")]
        tracing::debug!(device = device.name(), tier = ptx.name(), plan = ?device.plan, "kernels loaded");
        Ok(Self { device, functions, _module: module })
    }

    /// What plans are made for.
    pub fn device(&self) -> &Device {
        &self.device.plan
    }

    /// The device's name, as its driver tells it.
    pub fn device_name(&self) -> &str {
        self.device.name()
    }

    /// What steps of a route are run by.
    pub fn dispatch(&self, route: Route) -> Dispatch {
        Dispatch { backend: "cuda", tier: self.device.plan.ptx.name(), route }
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
        let plan = operands.plan(block_ids, self.device(), workspace)?;
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
        let plan = operands.plan(result, self.device(), workspace)?;
        // SAFETY: the caller promises it of all that the plan has from the operands.
        unsafe { self.enqueue(&plan, stream) }
    }

    /// Enqueues a merge of what shards have given on a stream: writes the result.
    ///
    /// # Errors
    /// Whatever [`MergeStatesOperands::plan`] refuses, when nothing is enqueued; and what the driver refuses.
    ///
    /// # Safety
    /// As for [`enqueue_indexer`](Self::enqueue_indexer), but that there is no workspace. The result does not overlap the
    /// operands.
    pub unsafe fn enqueue_merge_states(
        &self,
        operands: &MergeStatesOperands,
        result: &AttentionResult,
        stream: CUstream,
    ) -> Result<Dispatch, Error> {
        let plan = operands.plan(result, self.device())?;
        // SAFETY: the caller promises it of all that the plan has from the operands.
        unsafe { self.enqueue(&plan, stream) }
    }

    /// Enqueues the launches of a plan on a stream. A plan may be enqueued as often as its operands are where they were.
    ///
    /// # Errors
    /// If the plan is of a device with other kernels, when nothing is enqueued; and what the driver refuses.
    ///
    /// # Safety
    /// As for [`enqueue_indexer`](Self::enqueue_indexer), of the operands, the result and the workspace that the plan
    /// was made for. The plan is of this version of the library, and of [`device`](Self::device) or one like it.
    pub unsafe fn enqueue(&self, plan: &Plan, stream: CUstream) -> Result<Dispatch, Error> {
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

    /// Looks on the device for what an operator was promised, and waits for the answer: to find a mistake, not for every
    /// step, and not while the stream captures.
    ///
    /// # Errors
    /// What is wrong there; whatever [`DeviceCheck::plan`] refuses; and what the driver refuses.
    ///
    /// # Safety
    /// As for [`enqueue_indexer`](Self::enqueue_indexer), of the batch's lengths and offsets, the page table and the
    /// workspace.
    pub unsafe fn run_check(
        &self,
        check: &DeviceCheck,
        workspace: Workspace,
        stream: CUstream,
    ) -> Result<(), Error> {
        let plan = check.plan(self.device(), workspace)?;
        // SAFETY: as promised.
        unsafe { self.enqueue(&plan, stream)? };
        let mut report = CheckReport::default();
        let (to, bytes) = (ptr::from_mut(&mut report).cast(), size_of::<CheckReport>());
        // SAFETY: the plan writes a report to the start of the workspace, and the copy is waited for.
        let copied = unsafe { cuMemcpyDtoHAsync_v2(to, workspace.address, bytes, stream) };
        // SAFETY: the stream is the caller's.
        let ended = unsafe { cuStreamSynchronize(stream) };
        check_driver("cuMemcpyDtoHAsync", Kernel::CheckOperands.name(), copied)?;
        check_driver("cuStreamSynchronize", Kernel::CheckOperands.name(), ended)?;
        check.verdict(&report)
    }

    /// # Safety
    /// As for [`enqueue`](Self::enqueue).
    unsafe fn launch(&self, launch: &Launch, stream: CUstream) -> Result<(), Error> {
        let Function(function) = self.function(launch.kernel)?;
        // Those that the launch needs of the two: none, one, or both.
        let attributes = [
            LaunchAttribute::cluster(launch.cluster),
            LaunchAttribute::PROGRAMMATIC_STREAM_SERIALIZATION,
        ];
        let first = if launch.cluster > 1 { 0 } else { 1 };
        let end = if launch.programmatic_stream_serialization { 2 } else { 1 };
        let attributes = &attributes[first..end];
        let config = LaunchConfig {
            grid: launch.grid,
            block: [launch.threads, 1, 1],
            dynamic_shared: launch.dynamic_shared,
            stream,
            attributes: attributes.as_ptr(),
            attribute_count: attributes.len() as u32,
        };
        let params: *const c_void = launch.params.as_bytes().as_ptr().cast();
        let planes = launch.planes.as_ref().map(tensor_map::of_planes).transpose()?;
        let planes = planes.as_ref().map_or(ptr::null(), ptr::from_ref);
        // Where there is none, the kernel has no such parameter, and the driver does not look at it.
        let mut parameters = [params.cast_mut(), planes.cast_mut().cast()];
        // SAFETY: these are the kernel's parameters, which the driver copies before it returns; what they point to is
        // promised. The configuration outlives the call.
        let launched = unsafe {
            cuLaunchKernelEx(&config, function, parameters.as_mut_ptr(), ptr::null_mut())
        };
        check_driver("cuLaunchKernelEx", launch.kernel.name(), launched)
    }

    fn function(&self, kernel: Kernel) -> Result<Function, Error> {
        self.functions[kernel as usize].ok_or_else(|| Error::NoKernel {
            ptx: self.device.plan.ptx.name(),
            kernel: kernel.name(),
        })
    }
}
