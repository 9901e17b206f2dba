//! The driver API, called as a program calls it that is linked against `libcuda`.
//!
//! One process has one driver: tests that run side by side each make a context of their own. Those that
//! would disturb others even so run this program again.

mod api;
mod capture;
mod cluster;
mod context;
mod early;
mod environment;
mod launch;
mod memory;
mod module;
mod stream;
mod tensor_map;

use std::env;
use std::ffi::{CStr, CString, c_void};
use std::process::Command;

use api::*;

/// Fails where a call does not return what it should.
#[track_caller]
pub fn expect(outcome: i32, expected: i32) {
    assert_eq!(name_of(outcome), name_of(expected));
}

/// A call that must succeed.
#[track_caller]
pub fn ok(outcome: i32) {
    expect(outcome, SUCCESS);
}

fn name_of(code: i32) -> String {
    let mut name = std::ptr::null();
    match cuGetErrorName(code, &mut name) {
        // SAFETY: A name is a C string that lives as long as the program.
        0 => unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned(),
        _ => code.to_string(),
    }
}

/// A context of a test's own, current until it is dropped.
pub struct Context(pub Handle);

impl Context {
    fn new() -> Self {
        ok(cuInit(0));
        let mut handle = 0;
        ok(cuCtxCreate_v2(&mut handle, 0, 0));
        Self(handle)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        cuCtxDestroy_v2(self.0);
    }
}

/// The kernels of `kernels.ptx`.
pub struct Kernels(pub Handle);

impl Kernels {
    pub fn load() -> Self {
        let ptx = CString::new(include_str!("kernels.ptx")).expect("PTX has no zero");
        let mut module = 0;
        ok(cuModuleLoadData(&mut module, ptx.as_c_str().into()));
        Self(module)
    }

    pub fn get(&self, name: &CStr) -> Handle {
        let mut function = 0;
        ok(cuModuleGetFunction(&mut function, self.0, name.into()));
        function
    }
}

/// Device memory that holds these values.
pub fn upload(values: &[u32]) -> u64 {
    let mut address = 0;
    ok(cuMemAlloc_v2(Some(&mut address), size_of_val(values)));
    write(address, values);
    address
}

pub fn write(address: u64, values: &[u32]) {
    // SAFETY: As many bytes are read as there are.
    ok(unsafe { cuMemcpyHtoD_v2(address, values.as_ptr().cast(), size_of_val(values)) });
}

/// What device memory holds.
pub fn download(address: u64, count: usize) -> Vec<u32> {
    let mut values = vec![0_u32; count];
    // SAFETY: As many bytes are written as there is room for.
    ok(unsafe { cuMemcpyDtoH_v2(values.as_mut_ptr().cast(), address, 4 * count) });
    values
}

/// A kernel's parameters, as addresses of what must outlive them.
pub type Parameters<'a> = &'a [*const c_void];

/// The address of a parameter.
pub fn at<T>(value: &T) -> *const c_void {
    std::ptr::from_ref(value).cast()
}

/// Launches in one dimension.
pub fn launch(
    function: Handle,
    grid: u32,
    block: u32,
    stream: Handle,
    parameters: Parameters,
) -> i32 {
    launch_shared(function, [grid, 1, 1], [block, 1, 1], 0, stream, parameters)
}

pub fn launch_shared(
    function: Handle,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic: u32,
    stream: Handle,
    parameters: Parameters,
) -> i32 {
    let ([x, y, z], [bx, by, bz]) = (grid, block);
    let parameters = parameters.as_ptr();
    // SAFETY: The tests give as many parameters as the kernel has, of its types, and they are alive here.
    unsafe {
        cuLaunchKernel(function, x, y, z, bx, by, bz, dynamic, stream, parameters, std::ptr::null())
    }
}

/// Runs a test, which is ignored otherwise, in a process of its own with these variables; returns what it
/// wrote to standard error.
#[track_caller]
pub fn run_alone(test: &str, variables: &[(&str, &str)]) -> String {
    let program = env::current_exe().expect("this program is known");
    let output = Command::new(program)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .envs(variables.iter().copied())
        .output()
        .expect("this program runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let passed = String::from_utf8_lossy(&output.stdout).contains("1 passed");
    assert!(output.status.success() && passed, "{test} with {variables:?}: {told}");
    told
}
