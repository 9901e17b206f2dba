//! The kernels' PTX, as it is checked in, on simulated devices.

pub mod attend_decode;
pub mod attend_prefill;
pub mod attention;
pub mod block_topk;
pub mod check_operands;
pub mod index;
pub mod merge_states;
mod step;

use std::path::Path;

use cuda_sim::device::Device;
use cuda_sim::{Function, Machine, Module};
use msa::gpu::{self, Ptx};

/// The files of `host/ptx`, each with a device that it is for.
pub const FILES: [(&str, &str); 5] = [
    ("msa_sm_80.ptx", "sm_80"),
    ("msa_sm_90a.ptx", "sm_90"),
    ("msa_sm_100.ptx", "sm_100"),
    ("msa_sm_100f.ptx", "sm_100"),
    ("msa_sm_120.ptx", "sm_120"),
];

/// A device with one kernel of a file loaded.
///
/// # Panics
/// If there is no such file, device or kernel.
pub fn load(file: &str, device: &str, kernel: &str) -> (Machine, Function) {
    let (machine, module) = load_module(file, device);
    let function = module.function(kernel).unwrap_or_else(|| panic!("{file} has no {kernel}"));
    (machine, function)
}

/// A device with the kernels of a file loaded.
fn load_module(file: &str, device: &str) -> (Machine, Module) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/ptx").join(file);
    let ptx = std::fs::read_to_string(&path).expect("the PTX is checked in");
    let machine = Machine::new(Device::named(device).expect("a known device"));
    let module = machine.load(&ptx).unwrap_or_else(|error| panic!("{file}: {error}"));
    (machine, module)
}

/// Values of four bytes each, on the device.
fn upload<T: Copy>(machine: &Machine, values: &[T], bytes: fn(T) -> [u8; 4]) -> u64 {
    let bytes: Vec<u8> = values.iter().flat_map(|&value| bytes(value)).collect();
    let address = machine.allocate(bytes.len() as u64);
    machine.write(address, &bytes).expect("it was just allocated");
    address
}

/// `len` values of four bytes each, from the device.
fn download(machine: &Machine, address: u64, len: usize) -> Vec<i32> {
    let mut bytes = vec![0; 4 * len];
    machine.read(address, &mut bytes).expect("it is allocated");
    bytes.as_chunks().0.iter().map(|value| i32::from_le_bytes(*value)).collect()
}

/// The simulated device as plans know it.
fn planned_for(machine: &Machine) -> gpu::Device {
    let device = machine.device();
    gpu::Device {
        capability: device.capability,
        ptx: Ptx::for_device(device.capability).expect("it is from 8.0 on"),
        multiprocessors: device.multiprocessors,
        shared_per_block_optin: device.shared_per_block_optin,
        shared_per_multiprocessor: device.shared_per_multiprocessor,
        max_cluster: 16,
    }
}
