//! A CUDA driver library, real or simulated, as far as running one kernel takes it.

use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::path::Path;
use std::ptr::{self, null_mut};

use anyhow::{Context, Result, anyhow, ensure};
use libloading::Library;

type Status = c_int;
type Handle = *mut c_void;
/// `cuLaunchKernelEx`: the configuration, the function, its parameters.
type Launch =
    unsafe extern "C" fn(*const Config, Handle, *mut *mut c_void, *mut *mut c_void) -> Status;

/// `CUlaunchConfig`.
#[repr(C)]
struct Config {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    dynamic_shared: c_uint,
    stream: Handle,
    attributes: *const Attribute,
    attribute_count: c_uint,
}

/// `CUlaunchAttribute`, whose value is a union of 64 bytes.
#[repr(C)]
struct Attribute {
    id: c_uint,
    padding: c_uint,
    value: [c_uint; 16],
}

/// `CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION`
const CLUSTER: c_uint = 4;

/// A launch of the kernel `test` of a module, all of whose parameters are pointers.
pub struct Kernel {
    pub ptx: String,
    pub blocks: u32,
    /// Blocks of a cluster.
    pub cluster: u32,
    pub threads: u32,
    /// The bytes behind each parameter.
    pub parameters: Vec<Vec<u8>>,
    /// The parameter that is looked at afterwards.
    pub result: usize,
}

/// The first device of a driver, with its primary context current on this thread.
pub struct Driver {
    library: Library,
}

impl Driver {
    pub fn open(path: &Path) -> Result<Self> {
        // SAFETY: loading a driver runs its initialisers, which is what it is made for.
        let library = unsafe { Library::new(path) };
        let library =
            library.map_err(|error| anyhow!("cannot load {}: {error}", path.display()))?;
        let driver = Self { library };
        let init: unsafe extern "C" fn(c_uint) -> Status = driver.function(c"cuInit")?;
        // SAFETY: 0 is the only flag there is.
        check("cuInit", unsafe { init(0) })?;
        let mut context: Handle = null_mut();
        let retain: unsafe extern "C" fn(*mut Handle, c_int) -> Status =
            driver.function(c"cuDevicePrimaryCtxRetain")?;
        // SAFETY: the out-pointer is valid.
        check("cuDevicePrimaryCtxRetain", unsafe { retain(&mut context, 0) })?;
        let set_current: unsafe extern "C" fn(Handle) -> Status =
            driver.function(c"cuCtxSetCurrent")?;
        // SAFETY: the context was just retained, and is never released.
        check("cuCtxSetCurrent", unsafe { set_current(context) })?;
        Ok(driver)
    }

    pub fn device_name(&self) -> Result<String> {
        let get: unsafe extern "C" fn(*mut c_char, c_int, c_int) -> Status =
            self.function(c"cuDeviceGetName")?;
        let mut name = [0_u8; 256];
        // SAFETY: the buffer has the length that is given.
        check("cuDeviceGetName", unsafe { get(name.as_mut_ptr().cast(), name.len() as c_int, 0) })?;
        let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        Ok(String::from_utf8_lossy(&name[..end]).into_owned())
    }

    /// Runs a kernel and returns what its result holds then.
    pub fn run(&self, kernel: &Kernel) -> Result<Vec<u8>> {
        let ptx = CString::new(kernel.ptx.as_str())?;
        let load: unsafe extern "C" fn(*mut Handle, *const c_void) -> Status =
            self.function(c"cuModuleLoadData")?;
        let mut module: Handle = null_mut();
        // SAFETY: the out-pointer is valid and the text ends in a NUL.
        check("cuModuleLoadData", unsafe { load(&mut module, ptx.as_ptr().cast()) })?;
        let get: unsafe extern "C" fn(*mut Handle, Handle, *const c_char) -> Status =
            self.function(c"cuModuleGetFunction")?;
        let mut function: Handle = null_mut();
        // SAFETY: the module is loaded, and the name ends in a NUL.
        check("cuModuleGetFunction", unsafe { get(&mut function, module, c"test".as_ptr()) })?;

        let addresses = kernel.parameters.iter().map(|bytes| self.upload(bytes));
        let addresses: Vec<u64> = addresses.collect::<Result<_>>()?;
        let mut parameters: Vec<*mut c_void> =
            addresses.iter().map(|address| ptr::from_ref(address).cast_mut().cast()).collect();
        let launch: Launch = self.function(c"cuLaunchKernelEx")?;
        let mut value = [0; 16];
        value[..3].copy_from_slice(&[kernel.cluster, 1, 1]);
        let cluster = Attribute { id: CLUSTER, padding: 0, value };
        let config = Config {
            grid: [kernel.blocks, 1, 1],
            block: [kernel.threads, 1, 1],
            dynamic_shared: 0,
            stream: null_mut(),
            attributes: &cluster,
            // Devices without clusters know nothing of it.
            attribute_count: c_uint::from(kernel.cluster > 1),
        };
        // SAFETY: the kernel has these parameters, of 8 bytes each, and stays within their buffers; the
        // configuration and its attribute are alive.
        let status = unsafe { launch(&config, function, parameters.as_mut_ptr(), null_mut()) };
        check("cuLaunchKernelEx", status)?;
        let copy: unsafe extern "C" fn(*mut c_void, u64, usize) -> Status =
            self.function(c"cuMemcpyDtoH_v2")?;
        let mut result = vec![0_u8; kernel.parameters[kernel.result].len()];
        let address = addresses[kernel.result];
        // SAFETY: the buffer has the length that is given. The copy waits for the kernel.
        let status = unsafe { copy(result.as_mut_ptr().cast(), address, result.len()) };
        check("cuMemcpyDtoH_v2", status)?;

        let free: unsafe extern "C" fn(u64) -> Status = self.function(c"cuMemFree_v2")?;
        for address in addresses {
            // SAFETY: it was allocated above, and the kernel is done.
            check("cuMemFree_v2", unsafe { free(address) })?;
        }
        let unload: unsafe extern "C" fn(Handle) -> Status = self.function(c"cuModuleUnload")?;
        // SAFETY: nothing of the module is used any more.
        check("cuModuleUnload", unsafe { unload(module) })?;
        Ok(result)
    }

    /// The device address of a copy of some bytes.
    fn upload(&self, from: &[u8]) -> Result<u64> {
        let allocate: unsafe extern "C" fn(*mut u64, usize) -> Status =
            self.function(c"cuMemAlloc_v2")?;
        let mut address = 0;
        // SAFETY: the out-pointer is valid.
        check("cuMemAlloc_v2", unsafe { allocate(&mut address, from.len()) })?;
        let copy: unsafe extern "C" fn(u64, *const c_void, usize) -> Status =
            self.function(c"cuMemcpyHtoD_v2")?;
        // SAFETY: both sides have the length that is given.
        check("cuMemcpyHtoD_v2", unsafe { copy(address, from.as_ptr().cast(), from.len()) })?;
        Ok(address)
    }

    /// A function of the library. `F` must be its type.
    fn function<F: Copy>(&self, name: &CStr) -> Result<F> {
        // SAFETY: every caller states the type that cuda.h gives for that name, and the library
        // outlives each use, which happens under `&self`.
        let symbol = unsafe { self.library.get::<F>(name.to_bytes_with_nul()) };
        symbol.map(|symbol| *symbol).with_context(|| format!("the driver has no {name:?}"))
    }
}

fn check(name: &str, status: Status) -> Result<()> {
    ensure!(status == 0, "{name} failed with error {status}");
    Ok(())
}
