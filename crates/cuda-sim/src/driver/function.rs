//! Functions of loaded modules, and their attributes.

use std::ffi::{CString, c_char, c_int, c_uint};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use super::abi::Out;
use super::context::Context;
use super::error::{Code, Result};
use super::table::Handle;
use super::{Driver, driver};

/// A kernel that was asked for by name.
pub(super) struct Function {
    pub(super) handle: Handle,
    pub(super) context: Arc<Context>,
    pub(super) module: Handle,
    pub(super) code: crate::Function,
    /// For those who ask for it as C has it.
    name: CString,
    /// The most dynamic shared memory that a launch may have.
    dynamic_shared: AtomicU32,
    /// The percentage of shared memory that is preferred; -1 for none.
    carveout: AtomicU32,
    /// Whether clusters of more than 8 blocks are allowed.
    large_clusters: AtomicU32,
}

/// The numbers of `CUfunction_attribute` that can be set, and those of clusters.
const DYNAMIC_SHARED: c_uint = 8;
const CARVEOUT: c_uint = 9;
/// Whether a launch must have a cluster, whose extents the next three numbers are.
const CLUSTER_REQUIRED: c_uint = 10;
const LARGE_CLUSTERS: c_uint = 14;

impl Function {
    pub(super) fn new(
        driver: &Driver,
        context: Arc<Context>,
        module: Handle,
        code: crate::Function,
    ) -> Arc<Self> {
        let device = driver.machine.device();
        let room = device.shared_per_block.saturating_sub(code.static_shared());
        driver.functions.insert(|handle| Self {
            handle,
            context,
            module,
            name: CString::new(code.name()).unwrap_or_default(),
            code,
            dynamic_shared: room.into(),
            carveout: u32::MAX.into(),
            large_clusters: 0.into(),
        })
    }

    /// The most dynamic shared memory that a launch may have, in bytes.
    pub(super) fn max_dynamic_shared(&self) -> u32 {
        self.dynamic_shared.load(Relaxed)
    }

    /// The most blocks of a cluster: more than 8 is not promised by every device.
    pub(super) fn max_cluster(&self) -> u32 {
        if self.large_clusters.load(Relaxed) == 0 { 8 } else { 16 }
    }

    fn attribute(&self, driver: &Driver, number: c_uint) -> Result<c_int> {
        let (major, minor) = driver.machine.device().capability;
        let value = match number {
            0 => self.code.max_threads(),
            1 => self.code.static_shared(),
            // Constants stand in global memory here.
            2 => 0,
            3 => self.code.local_bytes(),
            4 => {
                let story =
                    "registers are given out by the compiler of machine code: there is none";
                return Err(Code::NotSupported.because(story));
            }
            5 | 6 => 10 * major + minor,
            // Caching in L1, and the clusters' scheduling.
            7 | 15 => 0,
            CLUSTER_REQUIRED => self.code.required_cluster().is_some().into(),
            11..=13 => {
                self.code.required_cluster().map_or(0, |cluster| cluster[number as usize - 11])
            }
            DYNAMIC_SHARED => self.max_dynamic_shared(),
            CARVEOUT => self.carveout.load(Relaxed),
            LARGE_CLUSTERS => self.large_clusters.load(Relaxed),
            _ => {
                let story = format!("attribute {number} of a function is not known");
                return Err(Code::InvalidValue.because(story));
            }
        };
        Ok(value as c_int)
    }

    fn set_attribute(&self, driver: &Driver, number: c_uint, value: c_int) -> Result<()> {
        let room = driver.machine.device().shared_per_block_optin;
        let fixed = self.code.static_shared();
        let right = match number {
            DYNAMIC_SHARED => value >= 0 && value as u32 <= room.saturating_sub(fixed),
            CARVEOUT => (-1..=100).contains(&value),
            LARGE_CLUSTERS => (0..=1).contains(&value),
            _ => {
                let story = format!("attribute {number} of a function cannot be set");
                return Err(Code::InvalidValue.because(story));
            }
        };
        if !right {
            let story = match number {
                DYNAMIC_SHARED => format!(
                    "{value} bytes of dynamic shared memory, {fixed} of static: a block has at most {room}"
                ),
                _ => format!("attribute {number} of a function cannot be {value}"),
            };
            return Err(Code::InvalidValue.because(story));
        }
        let attribute = match number {
            DYNAMIC_SHARED => &self.dynamic_shared,
            CARVEOUT => &self.carveout,
            _ => &self.large_clusters,
        };
        attribute.store(value as u32, Relaxed);
        Ok(())
    }
}

/// The function of a handle, in a context that may be used.
pub(super) fn get(handle: Handle) -> Result<(&'static Driver, Arc<Function>)> {
    let driver = driver()?;
    let function = driver.functions.get(handle)?;
    function.context.check()?;
    Ok((driver, function))
}

/// A preference of one cache over another. There are none, so it has no effect.
fn prefer(handle: Handle, config: c_uint, last: c_uint) -> Result<()> {
    get(handle)?;
    if config > last { Err(Code::InvalidValue.into()) } else { Ok(()) }
}

api! {
    fn cuFuncGetAttribute(value: Out<c_int>, number: c_uint, function: Handle) {
        let (driver, function) = get(function)?;
        value.write(function.attribute(driver, number)?)
    }

    fn cuFuncSetAttribute(function: Handle, number: c_uint, value: c_int) {
        let (driver, function) = get(function)?;
        function.set_attribute(driver, number, value)
    }

    fn cuFuncSetCacheConfig(function: Handle, config: c_uint) {
        prefer(function, config, 3)
    }

    fn cuFuncSetSharedMemConfig(function: Handle, config: c_uint) {
        prefer(function, config, 2)
    }

    fn cuFuncGetModule(module: Out<Handle>, function: Handle) {
        module.write(get(function)?.1.module)
    }

    fn cuFuncGetName(name: Out<*const c_char>, function: Handle) {
        // Good for as long as the module is loaded, as the API says.
        name.write(get(function)?.1.name.as_ptr())
    }

    fn cuFuncGetParamInfo(
        function: Handle, index: usize, offset: Out<usize>, bytes: Out<usize>,
    ) {
        let (_, function) = get(function)?;
        let (at, len) = *function.code.parameters().get(index).ok_or(Code::InvalidValue)?;
        offset.write(at as usize)?;
        bytes.write_if_wanted(len as usize);
        Ok(())
    }
}
