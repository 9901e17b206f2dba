//! The driver API as C declares it. A pointer that may be null is an `Option`.

use std::ffi::{CStr, c_char, c_void};

/// Links the library in, whose functions are named below.
use cuda_sim as _;

pub type Handle = u64;

/// `CUlaunchConfig`
#[repr(C)]
pub struct LaunchConfig {
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub dynamic_shared: u32,
    pub stream: Handle,
    pub attributes: *const LaunchAttribute,
    pub attribute_count: u32,
}

/// `CUlaunchAttribute`
#[repr(C)]
pub struct LaunchAttribute {
    pub id: u32,
    pub padding: u32,
    pub value: [u32; 16],
}

/// `CUDA_KERNEL_NODE_PARAMS`
#[repr(C)]
pub struct KernelNode {
    pub function: Handle,
    pub grid: [u32; 3],
    pub block: [u32; 3],
    pub dynamic_shared: u32,
    pub parameters: *const *const c_void,
    pub extra: *const *const c_void,
}

/// `CUtensorMap`
#[repr(C, align(64))]
pub struct TensorMap(pub [u64; 16]);

// SAFETY: These are the declarations of the API. Those marked safe take no address of host memory but
// references.
unsafe extern "C" {
    pub safe fn cuInit(flags: u32) -> i32;
    pub safe fn cuDriverGetVersion(version: Option<&mut i32>) -> i32;
    pub safe fn cuGetErrorName(error: i32, name: &mut *const c_char) -> i32;
    pub safe fn cuGetErrorString(error: i32, text: &mut *const c_char) -> i32;
    pub safe fn cuGetProcAddress_v2(
        symbol: Name,
        address: &mut *const c_void,
        version: i32,
        flags: u64,
        outcome: Option<&mut u32>,
    ) -> i32;

    pub safe fn cuDeviceGetCount(count: &mut i32) -> i32;
    pub safe fn cuDeviceGet(device: &mut i32, ordinal: i32) -> i32;
    pub safe fn cuDeviceGetName(name: &mut [u8; 32], len: i32, device: i32) -> i32;
    pub safe fn cuDeviceTotalMem_v2(bytes: &mut usize, device: i32) -> i32;
    pub safe fn cuDeviceGetAttribute(value: &mut i32, attribute: u32, device: i32) -> i32;
    pub safe fn cuDeviceGetUuid(uuid: &mut [u8; 16], device: i32) -> i32;

    pub safe fn cuDevicePrimaryCtxRetain(context: &mut Handle, device: i32) -> i32;
    pub safe fn cuDevicePrimaryCtxRelease_v2(device: i32) -> i32;
    pub safe fn cuDevicePrimaryCtxReset_v2(device: i32) -> i32;
    pub safe fn cuDevicePrimaryCtxSetFlags_v2(device: i32, flags: u32) -> i32;
    pub safe fn cuDevicePrimaryCtxGetState(device: i32, flags: &mut u32, active: &mut i32) -> i32;
    pub safe fn cuCtxCreate_v2(context: &mut Handle, flags: u32, device: i32) -> i32;
    pub safe fn cuCtxDestroy_v2(context: Handle) -> i32;
    pub safe fn cuCtxSetCurrent(context: Handle) -> i32;
    pub safe fn cuCtxGetCurrent(context: &mut Handle) -> i32;
    pub safe fn cuCtxPushCurrent_v2(context: Handle) -> i32;
    pub safe fn cuCtxPopCurrent_v2(context: Option<&mut Handle>) -> i32;
    pub safe fn cuCtxGetDevice(device: &mut i32) -> i32;
    pub safe fn cuCtxGetLimit(value: &mut usize, limit: u32) -> i32;
    pub safe fn cuCtxSetLimit(limit: u32, value: usize) -> i32;
    pub safe fn cuCtxGetStreamPriorityRange(least: &mut i32, greatest: &mut i32) -> i32;
    pub safe fn cuCtxSynchronize() -> i32;

    pub safe fn cuMemGetInfo_v2(free: &mut usize, total: &mut usize) -> i32;
    pub safe fn cuMemAlloc_v2(address: Option<&mut u64>, bytes: usize) -> i32;
    pub safe fn cuMemFree_v2(address: u64) -> i32;
    pub safe fn cuMemAllocAsync(address: &mut u64, bytes: usize, stream: Handle) -> i32;
    pub safe fn cuMemFreeAsync(address: u64, stream: Handle) -> i32;
    pub safe fn cuMemAllocManaged(address: &mut *mut u32, bytes: usize, flags: u32) -> i32;
    pub safe fn cuMemHostAlloc(address: &mut *mut u32, bytes: usize, flags: u32) -> i32;
    pub safe fn cuMemFreeHost(address: *mut u32) -> i32;
    pub safe fn cuMemHostGetDevicePointer_v2(device: &mut u64, host: *mut u32, flags: u32) -> i32;
    pub fn cuMemHostRegister_v2(address: *mut c_void, bytes: usize, flags: u32) -> i32;
    pub safe fn cuMemHostUnregister(address: *mut c_void) -> i32;
    pub safe fn cuMemGetAddressRange_v2(start: &mut u64, bytes: &mut usize, address: u64) -> i32;
    pub safe fn cuPointerGetAttribute(to: &mut u64, attribute: u32, address: u64) -> i32;
    pub fn cuMemcpy(to: u64, from: u64, bytes: usize) -> i32;
    pub fn cuMemcpyHtoD_v2(to: u64, from: *const c_void, bytes: usize) -> i32;
    pub fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> i32;
    pub fn cuMemcpyHtoDAsync_v2(to: u64, from: *const c_void, bytes: usize, stream: Handle) -> i32;
    pub safe fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) -> i32;
    pub safe fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle) -> i32;
    pub safe fn cuMemsetD8_v2(to: u64, value: u8, count: usize) -> i32;
    pub safe fn cuMemsetD16_v2(to: u64, value: u16, count: usize) -> i32;
    pub safe fn cuMemsetD32_v2(to: u64, value: u32, count: usize) -> i32;
    pub safe fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: Handle) -> i32;

    pub safe fn cuModuleLoad(module: &mut Handle, path: Name) -> i32;
    pub safe fn cuModuleLoadData(module: &mut Handle, image: Name) -> i32;
    pub fn cuModuleLoadDataEx(
        module: &mut Handle,
        image: Name,
        count: u32,
        options: *const u32,
        values: *mut usize,
    ) -> i32;
    pub safe fn cuModuleUnload(module: Handle) -> i32;
    pub safe fn cuModuleGetFunction(function: &mut Handle, module: Handle, name: Name) -> i32;
    pub safe fn cuModuleGetGlobal_v2(
        address: Option<&mut u64>,
        bytes: Option<&mut usize>,
        module: Handle,
        name: Name,
    ) -> i32;
    pub safe fn cuFuncGetAttribute(value: &mut i32, attribute: u32, function: Handle) -> i32;
    pub safe fn cuFuncSetAttribute(function: Handle, attribute: u32, value: i32) -> i32;
    pub safe fn cuFuncGetModule(module: &mut Handle, function: Handle) -> i32;

    pub safe fn cuStreamCreate(stream: &mut Handle, flags: u32) -> i32;
    pub safe fn cuStreamCreateWithPriority(stream: &mut Handle, flags: u32, priority: i32) -> i32;
    pub safe fn cuStreamDestroy_v2(stream: Handle) -> i32;
    pub safe fn cuStreamQuery(stream: Handle) -> i32;
    pub safe fn cuStreamSynchronize(stream: Handle) -> i32;
    pub safe fn cuStreamGetPriority(stream: Handle, priority: &mut i32) -> i32;
    pub safe fn cuStreamGetFlags(stream: Handle, flags: &mut u32) -> i32;
    pub safe fn cuStreamGetCtx(stream: Handle, context: &mut Handle) -> i32;
    pub safe fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: u32) -> i32;
    pub fn cuLaunchHostFunc(
        stream: Handle,
        function: Option<unsafe extern "C" fn(*mut c_void)>,
        data: *mut c_void,
    ) -> i32;
    pub safe fn cuEventCreate(event: &mut Handle, flags: u32) -> i32;
    pub safe fn cuEventDestroy_v2(event: Handle) -> i32;
    pub safe fn cuEventRecord(event: Handle, stream: Handle) -> i32;
    pub safe fn cuEventQuery(event: Handle) -> i32;
    pub safe fn cuEventSynchronize(event: Handle) -> i32;
    pub safe fn cuEventElapsedTime(milliseconds: &mut f32, start: Handle, end: Handle) -> i32;

    pub fn cuLaunchKernel(
        function: Handle,
        grid_x: u32,
        grid_y: u32,
        grid_z: u32,
        block_x: u32,
        block_y: u32,
        block_z: u32,
        dynamic_shared: u32,
        stream: Handle,
        parameters: *const *const c_void,
        extra: *const *const c_void,
    ) -> i32;
    pub fn cuLaunchKernelEx(
        config: *const LaunchConfig,
        function: Handle,
        parameters: *const *const c_void,
        extra: *const *const c_void,
    ) -> i32;
    pub fn cuLaunchCooperativeKernel(
        function: Handle,
        grid_x: u32,
        grid_y: u32,
        grid_z: u32,
        block_x: u32,
        block_y: u32,
        block_z: u32,
        dynamic_shared: u32,
        stream: Handle,
        parameters: *const *const c_void,
    ) -> i32;

    pub safe fn cuStreamBeginCapture_v2(stream: Handle, mode: u32) -> i32;
    pub safe fn cuStreamEndCapture(stream: Handle, graph: &mut Handle) -> i32;
    pub safe fn cuStreamIsCapturing(stream: Handle, status: &mut u32) -> i32;
    pub safe fn cuStreamGetCaptureInfo_v2(
        stream: Handle,
        status: &mut u32,
        id: Option<&mut u64>,
        graph: Option<&mut Handle>,
        nodes: Option<&mut *const Handle>,
        count: Option<&mut usize>,
    ) -> i32;
    pub safe fn cuThreadExchangeStreamCaptureMode(mode: &mut u32) -> i32;
    pub safe fn cuGraphInstantiateWithFlags(
        executable: &mut Handle,
        graph: Handle,
        flags: u64,
    ) -> i32;
    pub safe fn cuGraphUpload(executable: Handle, stream: Handle) -> i32;
    pub safe fn cuGraphLaunch(executable: Handle, stream: Handle) -> i32;
    pub safe fn cuGraphExecDestroy(executable: Handle) -> i32;
    pub safe fn cuGraphDestroy(graph: Handle) -> i32;
    pub fn cuGraphGetNodes(graph: Handle, nodes: *mut Handle, count: &mut usize) -> i32;
    pub fn cuGraphGetEdges(
        graph: Handle,
        from: *mut Handle,
        to: *mut Handle,
        count: &mut usize,
    ) -> i32;
    pub safe fn cuGraphCreate(graph: &mut Handle, flags: u32) -> i32;
    pub fn cuGraphAddKernelNode(
        node: &mut Handle,
        graph: Handle,
        dependencies: *const Handle,
        count: usize,
        kernel: *const KernelNode,
    ) -> i32;
    pub safe fn cuGraphKernelNodeGetParams(node: Handle, kernel: &mut KernelNode) -> i32;
    pub safe fn cuGraphKernelNodeGetAttribute(node: Handle, id: u32, value: &mut [u32; 16]) -> i32;
    pub safe fn cuGraphKernelNodeSetAttribute(node: Handle, id: u32, value: &[u32; 16]) -> i32;
    pub safe fn cuGraphNodeGetType(node: Handle, kind: &mut u32) -> i32;

    pub safe fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
        blocks: &mut i32,
        function: Handle,
        threads: i32,
        dynamic: usize,
    ) -> i32;
    pub safe fn cuOccupancyMaxPotentialBlockSize(
        blocks: &mut i32,
        threads: &mut i32,
        function: Handle,
        shared_of: Option<unsafe extern "C" fn(i32) -> usize>,
        dynamic: usize,
        limit: i32,
    ) -> i32;
    pub safe fn cuOccupancyAvailableDynamicSMemPerBlock(
        bytes: &mut usize,
        function: Handle,
        blocks: i32,
        threads: i32,
    ) -> i32;
    pub fn cuOccupancyMaxActiveClusters(
        clusters: &mut i32,
        function: Handle,
        config: *const LaunchConfig,
    ) -> i32;

    pub safe fn cuTensorMapEncodeTiled(
        to: &mut TensorMap,
        data_type: u32,
        rank: u32,
        address: u64,
        extents: &[u64; 5],
        strides: &[u64; 4],
        box_extents: &[u32; 5],
        element_strides: &[u32; 5],
        interleave: u32,
        swizzle: u32,
        l2_promotion: u32,
        fill: u32,
    ) -> i32;
}

/// A C string, as an argument.
#[repr(transparent)]
pub struct Name<'a>(*const c_char, std::marker::PhantomData<&'a CStr>);

impl<'a> From<&'a CStr> for Name<'a> {
    fn from(text: &'a CStr) -> Self {
        Self(text.as_ptr(), std::marker::PhantomData)
    }
}

/// The codes that tests expect.
pub const SUCCESS: i32 = 0;
pub const INVALID_VALUE: i32 = 1;
pub const OUT_OF_MEMORY: i32 = 2;
pub const NOT_INITIALIZED: i32 = 3;
pub const INVALID_DEVICE: i32 = 101;
pub const INVALID_CONTEXT: i32 = 201;
pub const NO_BINARY_FOR_GPU: i32 = 209;
pub const UNSUPPORTED_LIMIT: i32 = 215;
pub const INVALID_PTX: i32 = 218;
pub const FILE_NOT_FOUND: i32 = 301;
pub const INVALID_HANDLE: i32 = 400;
pub const ILLEGAL_STATE: i32 = 401;
pub const NOT_FOUND: i32 = 500;
pub const ILLEGAL_ADDRESS: i32 = 700;
pub const LAUNCH_TIMEOUT: i32 = 702;
pub const CONTEXT_IS_DESTROYED: i32 = 709;
pub const HOST_MEMORY_ALREADY_REGISTERED: i32 = 712;
pub const HOST_MEMORY_NOT_REGISTERED: i32 = 713;
pub const MISALIGNED_ADDRESS: i32 = 716;
pub const LAUNCH_FAILED: i32 = 719;
pub const COOPERATIVE_LAUNCH_TOO_LARGE: i32 = 720;
pub const NOT_SUPPORTED: i32 = 801;
pub const CAPTURE_UNSUPPORTED: i32 = 900;
pub const CAPTURE_INVALIDATED: i32 = 901;
pub const CAPTURE_UNMATCHED: i32 = 903;
pub const CAPTURE_UNJOINED: i32 = 904;
pub const CAPTURE_ISOLATION: i32 = 905;
pub const CAPTURE_IMPLICIT: i32 = 906;
pub const CAPTURED_EVENT: i32 = 907;
pub const CAPTURE_WRONG_THREAD: i32 = 908;
pub const INVALID_CLUSTER_SIZE: i32 = 912;
