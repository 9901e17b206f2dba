//! What the environment chooses. A value that is not understood stops `cuInit`: nothing has a silent default.

use std::env;
use std::fs::{File, OpenOptions};
use std::sync::Mutex;

use super::error::{Code, Result};
use super::log;
use crate::Order;
use crate::device::Device;

const DEVICE: &str = "CUDA_SIM_DEVICE";
const SEED: &str = "CUDA_SIM_SEED";
const LOG: &str = "CUDA_SIM_LOG";
const COUNTERS: &str = "CUDA_SIM_COUNTERS";

/// What the environment chose.
pub(super) struct Settings {
    pub(super) device: Device,
    pub(super) order: Order,
    /// Where each launch's counters go, a line of JSON each.
    pub(super) counters: Option<Mutex<File>>,
}

impl Settings {
    /// Reads the environment, and turns the log to its file.
    pub(super) fn read() -> Result<Self> {
        if let Some(file) = file(LOG)? {
            log::to_file(file);
        }
        let ours = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in ours.filter(|name| name.starts_with("CUDA_SIM_")) {
            if ![DEVICE, SEED, LOG, COUNTERS].contains(&name.as_str()) {
                let story = format!("{name} is no variable of cuda-sim");
                return Err(Code::InvalidValue.because(story));
            }
        }
        let name = value(DEVICE)?.unwrap_or_else(|| "sm_90".into());
        let device = Device::named(&name).ok_or_else(|| {
            let known = Device::names().collect::<Vec<_>>().join(", ");
            Code::InvalidValue.because(format!("{DEVICE}={name}: known are {known}"))
        })?;
        let order =
            match value(SEED)? {
                None => Order::InTurn,
                Some(seed) => Order::Random(seed.parse().map_err(|error| {
                    Code::InvalidValue.because(format!("{SEED}={seed}: {error}"))
                })?),
            };
        Ok(Self { device, order, counters: file(COUNTERS)?.map(Mutex::new) })
    }
}

fn value(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(Code::InvalidValue.because(format!("{name}: {error}"))),
    }
}

/// The file that a variable names, for appending to.
fn file(name: &str) -> Result<Option<File>> {
    let Some(path) = env::var_os(name) else { return Ok(None) };
    let file = OpenOptions::new().create(true).append(true).open(&path).map_err(|error| {
        Code::OperatingSystem.because(format!("{name}={}: {error}", path.display()))
    })?;
    Ok(Some(file))
}
