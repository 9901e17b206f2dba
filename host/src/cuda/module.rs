use std::ffi::{CString, c_int};
use std::ptr;

use cust::sys::{CUfunction, CUmodule};

use super::driver::{
    Code, LaunchConfig, NOT_FOUND, SUCCESS, check, cuFuncGetAttribute, cuFuncSetAttribute,
    cuMemcpyDtoH_v2, cuModuleGetFunction, cuModuleGetGlobal_v2, cuModuleLoadDataEx, cuModuleUnload,
    cuOccupancyMaxPotentialClusterSize, name,
};
use crate::Error;
use crate::gpu::{ABI_VERSION_SYMBOL, Kernel, Ptx};

/// `CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES`: shared memory that a kernel has without asking.
const FIXED_SHARED: c_int = 1;

/// `CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES`: most shared memory that a launch may ask for.
const DYNAMIC_SHARED: c_int = 8;

/// `CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED`: whether clusters may have more than 8 blocks.
const LARGE_CLUSTERS: c_int = 14;

/// `CU_JIT_ERROR_LOG_BUFFER`
const ERROR_LOG: c_int = 5;

/// `CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES`
const ERROR_LOG_BYTES: c_int = 6;

/// A PTX file that the driver has compiled for a context.
#[derive(Debug)]
pub(super) struct Module {
    raw: CUmodule,
}

// SAFETY: the driver takes its handles on every thread.
unsafe impl Send for Module {}
// SAFETY: as above; and nothing changes a loaded module.
unsafe impl Sync for Module {}

impl Module {
    /// Bytes of what the compiler may say.
    const LOG_BYTES: usize = 16 << 10;

    /// Compiles a file for the current context, and sees that its kernels take what this library gives.
    pub(super) fn load(ptx: &Ptx) -> Result<Self, Error> {
        let mut log = vec![0_u8; Self::LOG_BYTES];
        let text = terminated(ptx.text());
        let mut options = [ERROR_LOG, ERROR_LOG_BYTES];
        // A number is passed as if it were a pointer.
        let mut values = [log.as_mut_ptr().cast(), ptr::without_provenance_mut(log.len())];
        let mut raw = ptr::null_mut();
        // SAFETY: the text ends in a NUL, each option has its value, the log has as many bytes as is said, and all of
        // them outlive the call.
        let result = unsafe {
            cuModuleLoadDataEx(
                &mut raw,
                text.as_ptr().cast(),
                options.len() as u32,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        if result != SUCCESS {
            return Err(Error::Load {
                ptx: ptx.name(),
                code: result as u32,
                name: name(result),
                log: said(&log),
            });
        }
        let module = Self { raw };
        ptx.check_abi(module.abi_version()?)?;
        Ok(module)
    }

    /// What the file says that its interface is.
    fn abi_version(&self) -> Result<u32, Error> {
        let (mut address, mut bytes) = (0, 0);
        let symbol = terminated(ABI_VERSION_SYMBOL);
        // SAFETY: the out-pointers are valid, the module is loaded, and the name ends in a NUL.
        let found =
            unsafe { cuModuleGetGlobal_v2(&mut address, &mut bytes, self.raw, symbol.as_ptr()) };
        check("cuModuleGetGlobal", ABI_VERSION_SYMBOL, found)?;
        let mut version = 0_u32;
        let bytes = bytes.min(size_of_val(&version));
        // SAFETY: as many bytes are at the address, and there is room for them.
        let copied = unsafe { cuMemcpyDtoH_v2((&raw mut version).cast(), address, bytes) };
        check("cuMemcpyDtoH", ABI_VERSION_SYMBOL, copied)?;
        Ok(version)
    }

    /// A kernel of the file, allowed to have this much shared memory.
    pub(super) fn function(
        &self,
        ptx: &Ptx,
        kernel: Kernel,
        shared_bytes: u32,
    ) -> Result<Function, Error> {
        let mut function = ptr::null_mut();
        let text = terminated(kernel.name());
        // SAFETY: the out-pointer is valid, the module is loaded, and the name ends in a NUL.
        let found = unsafe { cuModuleGetFunction(&mut function, self.raw, text.as_ptr()) };
        if found == NOT_FOUND {
            return Err(Error::NoKernel { ptx: ptx.name(), kernel: kernel.name() });
        }
        check("cuModuleGetFunction", kernel.name(), found)?;
        let mut fixed = 0;
        // SAFETY: the out-pointer is valid, and the function is of a loaded module.
        let got = unsafe { cuFuncGetAttribute(&mut fixed, FIXED_SHARED, function) };
        check("cuFuncGetAttribute", kernel.name(), got)?;
        // A device has less than 2^31 bytes.
        let dynamic = shared_bytes as c_int - fixed;
        // SAFETY: the function is of a loaded module.
        let set = unsafe { cuFuncSetAttribute(function, DYNAMIC_SHARED, dynamic) };
        check("cuFuncSetAttribute", kernel.name(), set)?;
        Ok(Function(function))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: it was loaded, and is not used again. A driver that is shutting down refuses, and has unloaded it.
        let _: Code = unsafe { cuModuleUnload(self.raw) };
    }
}

/// A kernel of a loaded module, which must outlive its launches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Function(pub(super) CUfunction);

impl Function {
    /// Allows a kernel of clusters all that the device has room for, and tells how many blocks that are, of so many threads
    /// and bytes of shared memory.
    pub(super) fn max_cluster(
        self,
        kernel: Kernel,
        threads: u32,
        dynamic_shared: u32,
    ) -> Result<u32, Error> {
        let Self(function) = self;
        // SAFETY: the function is of a loaded module.
        let set = unsafe { cuFuncSetAttribute(function, LARGE_CLUSTERS, 1) };
        check("cuFuncSetAttribute", kernel.name(), set)?;
        let config = LaunchConfig {
            grid: [1; 3],
            block: [threads, 1, 1],
            dynamic_shared,
            stream: ptr::null_mut(),
            attributes: ptr::null(),
            attribute_count: 0,
        };
        let mut blocks = 0;
        // SAFETY: the out-pointer is valid, and the configuration outlives the call.
        let got = unsafe { cuOccupancyMaxPotentialClusterSize(&mut blocks, function, &config) };
        check("cuOccupancyMaxPotentialClusterSize", kernel.name(), got)?;
        // A cluster has one block at least.
        Ok(blocks.max(1) as u32)
    }
}

// SAFETY: the driver takes its handles on every thread.
unsafe impl Send for Function {}
// SAFETY: as above; and nothing changes a function after its module was loaded.
unsafe impl Sync for Function {}

/// A text of this library with a NUL at its end.
fn terminated(text: &str) -> CString {
    CString::new(text).expect("texts of this library have no NUL")
}

/// What a log holds before its first NUL.
fn said(log: &[u8]) -> String {
    let end = log.iter().position(|&byte| byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).trim().to_owned()
}
