use std::ffi::{CStr, c_char, c_int};

use super::driver::{check, cuCtxGetDevice, cuDeviceGetAttribute, cuDeviceGetName};
use crate::Error;
use crate::gpu::{Device, Ptx};

/// The device of the context that was current.
#[derive(Clone, Copy, Debug)]
pub(super) struct CurrentDevice {
    /// What plans need to know of it.
    pub(super) plan: Device,
    /// Ends in a NUL.
    name: [u8; 128],
}

/// `CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT`
const MULTIPROCESSORS: c_int = 16;

/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR`, `..._MINOR`
const CAPABILITY: (c_int, c_int) = (75, 76);

/// `CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR`
const SHARED_PER_MULTIPROCESSOR: c_int = 81;

/// `CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN`
const SHARED_PER_BLOCK_OPTIN: c_int = 97;

impl CurrentDevice {
    pub(super) fn new() -> Result<Self, Error> {
        let mut device = 0;
        // SAFETY: the out-pointer is valid.
        check("cuCtxGetDevice", "the current context", unsafe { cuCtxGetDevice(&mut device) })?;
        let of = "the current context's device";
        let attribute = |attribute| {
            let mut value = 0;
            // SAFETY: the out-pointer is valid.
            let got = unsafe { cuDeviceGetAttribute(&mut value, attribute, device) };
            check("cuDeviceGetAttribute", of, got)?;
            // No device has fewer than none of anything.
            Ok(value.max(0) as u32)
        };
        let mut name = [0; 128];
        let room: *mut c_char = name.as_mut_ptr().cast();
        // SAFETY: the buffer has the length that is given, which the driver heeds.
        let got = unsafe { cuDeviceGetName(room, name.len() as c_int, device) };
        check("cuDeviceGetName", of, got)?;
        let capability = (attribute(CAPABILITY.0)?, attribute(CAPABILITY.1)?);
        let plan = Device {
            capability,
            ptx: Ptx::for_device(capability)?,
            multiprocessors: attribute(MULTIPROCESSORS)?,
            shared_per_block_optin: attribute(SHARED_PER_BLOCK_OPTIN)?,
            shared_per_multiprocessor: attribute(SHARED_PER_MULTIPROCESSOR)?,
            // Until the kernels are loaded, which know more.
            max_cluster: 1,
        };
        Ok(Self { plan, name })
    }

    pub(super) fn name(&self) -> &str {
        let name = CStr::from_bytes_until_nul(&self.name).ok();
        name.and_then(|name| name.to_str().ok()).unwrap_or("a device without a name")
    }
}
