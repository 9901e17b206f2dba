//! The driver's functions that this crate calls itself. `cust` declares them too, but with results of an enum of the
//! codes that CUDA 11 knew: another code from a newer driver would be undefined behaviour. Here a result is a number.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::ptr;

use cust::sys::{CUfunction, CUmodule, CUstream};
use msa_abi::TensorMap;

use crate::Error;

/// `CUresult`
pub(super) type Code = c_int;

/// `CUDA_SUCCESS`
pub(super) const SUCCESS: Code = 0;

/// `CUDA_ERROR_NOT_FOUND`
pub(super) const NOT_FOUND: Code = 500;

/// `CUlaunchConfig`
#[repr(C)]
pub(super) struct LaunchConfig {
    pub(super) grid: [c_uint; 3],
    pub(super) block: [c_uint; 3],
    pub(super) dynamic_shared: c_uint,
    pub(super) stream: CUstream,
    pub(super) attributes: *const LaunchAttribute,
    pub(super) attribute_count: c_uint,
}

/// `CUlaunchAttribute`
#[repr(C)]
pub(super) struct LaunchAttribute {
    id: c_uint,
    padding: c_uint,
    /// A union of 64 bytes.
    value: [c_uint; 16],
}

impl LaunchAttribute {
    /// `CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION`, switched on: the launch may begin before the one before it
    /// has ended.
    pub(super) const PROGRAMMATIC_STREAM_SERIALIZATION: Self = {
        let mut value = [0; 16];
        value[0] = 1;
        Self { id: 6, padding: 0, value }
    };

    /// `CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION`: clusters of so many blocks along z.
    pub(super) const fn cluster(blocks: u32) -> Self {
        let mut value = [0; 16];
        (value[0], value[1], value[2]) = (1, 1, blocks);
        Self { id: 4, padding: 0, value }
    }
}

const _: () = assert!(size_of::<LaunchConfig>() == 56 && size_of::<LaunchAttribute>() == 72);

// `cust`'s build script has the library linked.
unsafe extern "C" {
    pub(super) fn cuCtxGetDevice(device: *mut c_int) -> Code;
    pub(super) fn cuDeviceGetAttribute(value: *mut c_int, attribute: c_int, device: c_int) -> Code;
    pub(super) fn cuDeviceGetName(name: *mut c_char, len: c_int, device: c_int) -> Code;
    pub(super) fn cuFuncGetAttribute(
        value: *mut c_int,
        attribute: c_int,
        function: CUfunction,
    ) -> Code;
    pub(super) fn cuFuncSetAttribute(function: CUfunction, attribute: c_int, value: c_int) -> Code;
    pub(super) fn cuLaunchKernelEx(
        config: *const LaunchConfig,
        function: CUfunction,
        params: *mut *mut c_void,
        extra: *mut *mut c_void,
    ) -> Code;
    pub(super) fn cuOccupancyMaxPotentialClusterSize(
        blocks: *mut c_int,
        function: CUfunction,
        config: *const LaunchConfig,
    ) -> Code;
    pub(super) fn cuMemcpyDtoHAsync_v2(
        to: *mut c_void,
        from: u64,
        bytes: usize,
        stream: CUstream,
    ) -> Code;
    pub(super) fn cuMemcpyDtoH_v2(to: *mut c_void, from: u64, bytes: usize) -> Code;
    pub(super) fn cuModuleGetFunction(
        function: *mut CUfunction,
        module: CUmodule,
        name: *const c_char,
    ) -> Code;
    pub(super) fn cuModuleGetGlobal_v2(
        address: *mut u64,
        bytes: *mut usize,
        module: CUmodule,
        name: *const c_char,
    ) -> Code;
    pub(super) fn cuModuleLoadDataEx(
        module: *mut CUmodule,
        image: *const c_void,
        options: c_uint,
        names: *mut c_int,
        values: *mut *mut c_void,
    ) -> Code;
    pub(super) fn cuModuleUnload(module: CUmodule) -> Code;
    pub(super) fn cuStreamSynchronize(stream: CUstream) -> Code;
    pub(super) fn cuTensorMapEncodeTiled(
        map: *mut TensorMap,
        data_type: c_int,
        rank: c_uint,
        address: *mut c_void,
        extents: *const u64,
        strides: *const u64,
        box_extents: *const c_uint,
        element_strides: *const c_uint,
        interleave: c_int,
        swizzle: c_int,
        l2_promotion: c_int,
        fill: c_int,
    ) -> Code;
    fn cuGetErrorName(error: Code, name: *mut *const c_char) -> Code;
}

/// An error where the driver returned one, of a call that was about some kernel or operand.
pub(super) fn check(call: &'static str, subject: &'static str, code: Code) -> Result<(), Error> {
    match code {
        SUCCESS => Ok(()),
        code => Err(Error::Driver { call, subject, code: code as u32, name: name(code) }),
    }
}

/// The driver's name of an error.
pub(super) fn name(error: Code) -> String {
    let mut name = ptr::null();
    // SAFETY: the out-pointer is valid.
    let code = unsafe { cuGetErrorName(error, &mut name) };
    if code != SUCCESS || name.is_null() {
        return "an error without a name".to_owned();
    }
    // SAFETY: the driver gives a text of its own that ends in a NUL and is never freed.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}
