//! Starting, and what the device says of itself. There is one device, number 0.

use std::ffi::{c_char, c_int, c_uint};

use super::abi::Out;
use super::error::{Code, Result};
use super::settings::Settings;
use super::{DRIVER, Driver, driver, lock};

/// The version of the API, as `CUDA_VERSION` writes it.
pub(super) const VERSION: c_int = 13000;

/// The most threads of a block, and the most in each of its dimensions.
pub(super) const BLOCK_THREADS: u32 = 1024;
pub(super) const BLOCK_LIMITS: [u32; 3] = [1024, 1024, 64];
/// The most blocks of a grid in each dimension.
pub(super) const GRID_LIMITS: [u32; 3] = [0x7fff_ffff, 0xffff, 0xffff];
/// Bytes of shared memory that the system takes of each block.
pub(super) const RESERVED_SHARED: u32 = 1024;

fn init(flags: c_uint) -> Result<()> {
    if flags != 0 {
        return Err(Code::InvalidValue.because("flags must be 0"));
    }
    // One thread reads the environment; others that call meanwhile wait for it.
    static FIRST: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _first = lock(&FIRST);
    if DRIVER.get().is_none() {
        let settings = Settings::read()?;
        let _ = DRIVER.set(Driver::new(settings));
    }
    Ok(())
}

/// Checks the number of a device.
pub(super) fn check(device: c_int) -> Result<&'static Driver> {
    let driver = driver()?;
    match device {
        0 => Ok(driver),
        _ => Err(Code::InvalidDevice.because(format!("device {device}: there is device 0 alone"))),
    }
}

/// The numbers of `CUdevice_attribute` that have another value than 0. What has 0 is not simulated:
/// textures and surfaces, other devices, sharing with other processes, virtual memory management.
fn attribute(driver: &Driver, attribute: c_uint) -> Result<c_int> {
    let device = driver.machine.device();
    let (major, minor) = device.capability;
    let [block_x, block_y, block_z] = BLOCK_LIMITS;
    let [grid_x, grid_y, grid_z] = GRID_LIMITS;
    let value = match attribute {
        1 => BLOCK_THREADS,
        2 => block_x,
        3 => block_y,
        4 => block_z,
        5 => grid_x,
        6 => grid_y,
        7 => grid_z,
        8 => device.shared_per_block,
        // Constant memory.
        9 => 64 << 10,
        // The warp's size.
        10 => 32,
        // The most bytes of a copy's row.
        11 => 0x7fff_ffff,
        // Registers of a block.
        12 => 64 << 10,
        // Kilohertz. Nothing here runs at a clock; but programs divide by it.
        13 | 36 => 1_000_000,
        14 | 51 => 512,
        16 => device.multiprocessors,
        // Mapped host memory, concurrent kernels, unified addresses, stream priorities.
        19 | 31 | 41 | 78 => 1,
        // Bits of the memory's bus.
        37 => 4096,
        38 => device.l2_bytes,
        39 => device.threads_per_multiprocessor,
        40 => 1,
        75 => major,
        76 => minor,
        79 | 80 => 1,
        81 => device.shared_per_multiprocessor,
        // Registers of a multiprocessor.
        82 => 64 << 10,
        // Managed memory, and compute preemption.
        83 | 90 => 1,
        87 => 2,
        // Cooperative launches, registered host memory.
        95 | 99 => 1,
        97 => device.shared_per_block_optin,
        106 => device.blocks_per_multiprocessor,
        111 => RESERVED_SHARED,
        // Stream-ordered allocation.
        115 => 1,
        // Clusters and tensor maps.
        120 | 127 => u32::from(major >= 9),
        // Functions are not unified, NUMA nodes have no numbers.
        131 | 134 => return Ok(-1),
        0 | 162.. => {
            let story = format!("attribute {attribute} of a device is not known");
            return Err(Code::InvalidValue.because(story));
        }
        _ => 0,
    };
    Ok(value as c_int)
}

/// Says which device it is, and that it is none of NVIDIA's.
fn uuid(driver: &Driver) -> [u8; 16] {
    let (major, minor) = driver.machine.device().capability;
    let mut uuid = *b"cuda-sim device_";
    uuid[15] = (10 * major + minor) as u8;
    uuid
}

api! {
    fn cuInit(flags: c_uint) {
        init(flags)
    }

    fn cuDriverGetVersion(version: Out<c_int>) {
        version.write(VERSION)
    }

    fn cuDeviceGetCount(count: Out<c_int>) {
        driver()?;
        count.write(1)
    }

    fn cuDeviceGet(device: Out<c_int>, ordinal: c_int) {
        check(ordinal)?;
        device.write(ordinal)
    }

    fn cuDeviceGetName(name: Out<c_char>, len: c_int, device: c_int) {
        let known = check(device)?.machine.device().name.bytes();
        let room = usize::try_from(len).ok().filter(|room| *room > 0);
        let room = room.ok_or(Code::InvalidValue.because("no room for a name"))?;
        name.write_all(known.take(room - 1).chain([0]).map(|byte| byte as c_char))
    }

    fn cuDeviceGetUuid(to: Out<[u8; 16]>, device: c_int) {
        to.write(uuid(check(device)?))
    }

    fn cuDeviceGetUuid_v2(to: Out<[u8; 16]>, device: c_int) {
        to.write(uuid(check(device)?))
    }

    fn cuDeviceTotalMem_v2(bytes: Out<usize>, device: c_int) {
        bytes.write(check(device)?.machine.device().memory_bytes as usize)
    }

    fn cuDeviceGetAttribute(value: Out<c_int>, number: c_uint, device: c_int) {
        value.write(attribute(check(device)?, number)?)
    }

    fn cuDeviceComputeCapability(major: Out<c_int>, minor: Out<c_int>, device: c_int) {
        let capability = check(device)?.machine.device().capability;
        major.write(capability.0 as c_int)?;
        minor.write(capability.1 as c_int)
    }

    fn cuDeviceCanAccessPeer(can: Out<c_int>, device: c_int, peer: c_int) {
        check(device)?;
        check(peer)?;
        can.write(0)
    }

    fn cuDeviceGetPCIBusId(name: Out<c_char>, len: c_int, device: c_int) {
        check(device)?;
        let id = b"0000:00:00.0\0";
        if len < id.len() as c_int {
            return Err(Code::InvalidValue.because("no room for a bus id"));
        }
        name.write_all(id.iter().map(|byte| *byte as c_char))
    }
}
