use std::ffi::CStr;
use std::ptr;

use cust::sys::{CUresult, cuGetErrorName, cudaError_enum};

use crate::Error;

/// An error where the driver returned one, of a call that was about some kernel or operand.
pub(super) fn check(
    call: &'static str,
    subject: &'static str,
    result: CUresult,
) -> Result<(), Error> {
    match result {
        cudaError_enum::CUDA_SUCCESS => Ok(()),
        error => Err(Error::Driver { call, subject, code: error as u32, name: name(error) }),
    }
}

/// The driver's name of an error.
pub(super) fn name(error: CUresult) -> String {
    let mut name = ptr::null();
    // SAFETY: the out-pointer is valid.
    let result = unsafe { cuGetErrorName(error, &mut name) };
    if result != cudaError_enum::CUDA_SUCCESS || name.is_null() {
        return "an error without a name".to_owned();
    }
    // SAFETY: the driver gives a text of its own that ends in a NUL and is never freed.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}
