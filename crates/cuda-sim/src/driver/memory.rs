//! Memory of the device, and of the host where the device may reach it.
//!
//! Host memory that kernels may access (managed memory, and pinned memory that is mapped) has the same
//! address on both sides. Its bytes live on the host: the device gets them before each kernel and gives
//! them back after.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::{c_int, c_uint};
use std::sync::Arc;

use super::abi::{Location, Out};
use super::context::{Context, current};
use super::device::check as check_device;
use super::error::{Code, Result};
use super::stream::{Target, resolve};
use super::table::Handle;
use super::work::{Work, enqueue};
use super::{Driver, capture, driver, lock};

/// What was allocated or registered, under its first address.
pub(super) struct Block {
    bytes: u64,
    kind: Kind,
    context: Arc<Context>,
}

enum Kind {
    Device,
    // Memory of ours is kept until the block is freed, for whoever has its address.
    Managed {
        _memory: HostBlock,
    },
    Pinned {
        _memory: HostBlock,
        flags: c_uint,
        mapped: bool,
    },
    /// Pinned by us, but the program's own.
    Registered {
        flags: c_uint,
        mapped: bool,
    },
}

impl Block {
    fn is_on_host(&self) -> bool {
        !matches!(self.kind, Kind::Device)
    }

    /// Whether kernels may access host memory here.
    fn is_mapped(&self) -> bool {
        match self.kind {
            Kind::Device => false,
            Kind::Managed { .. } => true,
            Kind::Pinned { mapped, .. } | Kind::Registered { mapped, .. } => mapped,
        }
    }
}

/// Memory of the host that we allocated.
struct HostBlock {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: It owns what `start` points to, and reads and writes none of it.
unsafe impl Send for HostBlock {}

impl HostBlock {
    /// Zeros: what the host has not written reads as that, rather than as anything.
    fn new(bytes: usize) -> Result<Self> {
        let layout = Layout::from_size_align(bytes, 4096).map_err(|_| Code::OutOfMemory)?;
        // SAFETY: Its size is not 0: the callers refuse that.
        let start = unsafe { alloc_zeroed(layout) };
        if start.is_null() { Err(Code::OutOfMemory.into()) } else { Ok(Self { start, layout }) }
    }

    fn address(&self) -> u64 {
        self.start as u64
    }
}

impl Drop for HostBlock {
    fn drop(&mut self) {
        // SAFETY: Allocated by `new` with this layout, and freed here alone.
        unsafe { dealloc(self.start, self.layout) }
    }
}

/// An end of a copy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Device(u64),
    Host(u64),
}

/// The bytes at an address of the host.
fn host<'a>(address: u64, bytes: u64) -> Result<&'a [u8]> {
    if bytes == 0 {
        return Ok(&[]);
    }
    if address == 0 {
        return Err(Code::InvalidValue.because("a host pointer is null"));
    }
    // SAFETY: The caller of the exported function gave this address and promises that as many bytes are
    // good to read until the work is done. All work is done within the call; in a captured graph, within
    // its launch.
    Ok(unsafe { std::slice::from_raw_parts(address as *const u8, bytes as usize) })
}

fn host_mut<'a>(address: u64, bytes: u64) -> Result<&'a mut [u8]> {
    if bytes == 0 {
        return Ok(&mut []);
    }
    if address == 0 {
        return Err(Code::InvalidValue.because("a host pointer is null"));
    }
    // SAFETY: As in `host`, and good to write, with nobody else reading or writing meanwhile.
    Ok(unsafe { std::slice::from_raw_parts_mut(address as *mut u8, bytes as usize) })
}

/// What stands at an address: where it begins, and a view of it.
fn with_block<T>(driver: &Driver, address: u64, view: impl FnOnce(u64, &Block) -> T) -> Option<T> {
    let blocks = lock(&driver.blocks);
    let (start, block) = blocks.range(..=address).next_back()?;
    (address - start < block.bytes).then(|| view(*start, block))
}

/// Where a device pointer leads: managed and mapped memory is accessed on the host.
fn device_place(driver: &Driver, address: u64, bytes: u64) -> Result<Place> {
    match with_block(driver, address, |start, block| (block.is_on_host(), start + block.bytes)) {
        Some((true, end)) if bytes > end - address => {
            let story = format!("{bytes} bytes at {address:#x} are not within one allocation");
            Err(Code::InvalidValue.because(story))
        }
        Some((true, _)) => Ok(Place::Host(address)),
        _ => Ok(Place::Device(address)),
    }
}

/// Where a pointer leads that may be the device's or the host's.
fn unified_place(driver: &Driver, address: u64, bytes: u64) -> Result<Place> {
    match device_place(driver, address, bytes)? {
        Place::Device(_) if driver.machine.range_around(address).is_err() => {
            Ok(Place::Host(address))
        }
        place => Ok(place),
    }
}

/// Checks that all of a range is on the device. This comes before anything is made of a host pointer: a
/// wrong number of bytes is found out here.
fn check_device_range(driver: &Driver, place: Place, bytes: u64) -> Result<()> {
    let Place::Device(address) = place else { return Ok(()) };
    let (start, len) = driver.machine.range_around(address)?;
    if bytes > start + len - address {
        let story = format!("{bytes} bytes at {address:#x} are not within one allocation");
        return Err(Code::InvalidValue.because(story));
    }
    Ok(())
}

/// Copies.
pub(super) fn copy(driver: &Driver, to: Place, from: Place, bytes: u64) -> Result<()> {
    if bytes > 0 {
        check_device_range(driver, to, bytes)?;
        check_device_range(driver, from, bytes)?;
    }
    match (to, from) {
        _ if bytes == 0 => {}
        (Place::Device(to), Place::Device(from)) => driver.machine.copy(to, from, bytes)?,
        (Place::Device(to), Place::Host(from)) => driver.machine.write(to, host(from, bytes)?)?,
        (Place::Host(to), Place::Device(from)) => {
            driver.machine.read(from, host_mut(to, bytes)?)?
        }
        (Place::Host(to), Place::Host(from)) => {
            if to == 0 || from == 0 {
                return Err(Code::InvalidValue.because("a host pointer is null"));
            }
            // SAFETY: Both are the caller's, as in `host` and `host_mut`; they may overlap.
            unsafe { std::ptr::copy(from as *const u8, to as *mut u8, bytes as usize) }
        }
    }
    Ok(())
}

/// Writes the lower `width` bytes of `value`, `count` times.
pub(super) fn set(driver: &Driver, to: Place, value: u32, width: u32, count: u64) -> Result<()> {
    let value = &value.to_le_bytes()[..width as usize];
    let total = count * u64::from(width);
    match to {
        Place::Host(to) => {
            for element in host_mut(to, total)?.chunks_exact_mut(value.len()) {
                element.copy_from_slice(value);
            }
        }
        Place::Device(to) => {
            // Nothing is written if not all can be. A piece at a time, or to set much memory would need as
            // much again.
            check_device_range(driver, Place::Device(to), total)?;
            let piece = value.repeat(total.min(1 << 16) as usize / value.len());
            for at in (0..total).step_by(piece.len().max(1)) {
                let rest = piece.len().min((total - at) as usize);
                driver.machine.write(to + at, &piece[..rest])?;
            }
        }
    }
    Ok(())
}

/// Mapped memory as it was before a kernel: where each block begins, and its bytes.
pub(super) type Shown = Vec<(u64, Vec<u8>)>;

/// Gives the device what the host has written to memory that both access.
pub(super) fn show_host_memory(driver: &Driver) -> Result<Shown> {
    let blocks = lock(&driver.blocks);
    let mapped = blocks.iter().filter(|(_, block)| block.is_mapped());
    let shown = mapped.map(|(start, block)| {
        let bytes = host(*start, block.bytes)?.to_vec();
        driver.machine.write(*start, &bytes)?;
        Ok((*start, bytes))
    });
    shown.collect()
}

/// Gives the host what the kernel has changed: no more, as other threads of the host may have written
/// what the kernel did not.
pub(super) fn take_host_memory_back(driver: &Driver, shown: Shown) -> Result<()> {
    let blocks = lock(&driver.blocks);
    for (start, before) in shown {
        if !blocks.get(&start).is_some_and(Block::is_mapped) {
            continue;
        }
        let mut after = vec![0; before.len()];
        driver.machine.read(start, &mut after)?;
        for (at, (before, after)) in (start..).zip(before.iter().zip(&after)) {
            if before != after {
                host_mut(at, 1)?[0] = *after;
            }
        }
    }
    Ok(())
}

/// Allocates device memory.
fn allocate(bytes: usize) -> Result<u64> {
    let (driver, context) = current()?;
    capture::forbid_unsafe(driver)?;
    check_room(driver, bytes)?;
    let bytes = bytes as u64;
    let start = driver.machine.allocate(bytes);
    lock(&driver.blocks).insert(start, Block { bytes, kind: Kind::Device, context });
    Ok(start)
}

fn check_room(driver: &Driver, bytes: usize) -> Result<()> {
    if bytes == 0 {
        return Err(Code::InvalidValue.because("an allocation of 0 bytes"));
    }
    let free = driver.machine.device().memory_bytes - driver.machine.allocated();
    if bytes as u64 > free {
        let story = format!("{bytes} bytes were asked for, {free} are free");
        return Err(Code::OutOfMemory.because(story));
    }
    Ok(())
}

fn allocate_managed(bytes: usize, flags: c_uint) -> Result<u64> {
    let (driver, context) = current()?;
    capture::forbid_unsafe(driver)?;
    check_room(driver, bytes)?;
    // Attached to all streams, or at first to the host alone: no difference where work is done at once.
    if !matches!(flags, 1 | 2) {
        return Err(Code::InvalidValue.because(format!("flags {flags:#x} of managed memory")));
    }
    let memory = HostBlock::new(bytes)?;
    let (start, bytes) = (memory.address(), bytes as u64);
    driver.machine.map(start, bytes)?;
    let block = Block { bytes, kind: Kind::Managed { _memory: memory }, context };
    lock(&driver.blocks).insert(start, block);
    Ok(start)
}

/// Mapped host memory has this flag, whether it is allocated or registered.
const DEVICE_MAP: c_uint = 2;

fn allocate_host(bytes: usize, flags: c_uint) -> Result<u64> {
    let (driver, context) = current()?;
    capture::forbid_unsafe(driver)?;
    if bytes == 0 || flags > 7 {
        return Err(Code::InvalidValue.because("pinned memory of 0 bytes, or with unknown flags"));
    }
    let memory = HostBlock::new(bytes)?;
    let (start, bytes) = (memory.address(), bytes as u64);
    let mapped = flags & DEVICE_MAP != 0;
    if mapped {
        driver.machine.map(start, bytes)?;
    }
    let kind = Kind::Pinned { _memory: memory, flags, mapped };
    lock(&driver.blocks).insert(start, Block { bytes, kind, context });
    Ok(start)
}

fn register(start: u64, bytes: usize, flags: c_uint) -> Result<()> {
    let (driver, context) = current()?;
    capture::forbid_unsafe(driver)?;
    let bytes = bytes as u64;
    if start == 0 || bytes == 0 || flags > 15 || start.checked_add(bytes).is_none() {
        return Err(Code::InvalidValue.because("no memory to register, or unknown flags"));
    }
    let mut blocks = lock(&driver.blocks);
    let before = blocks.range(..start + bytes).next_back();
    if before.is_some_and(|(other, block)| other + block.bytes > start) {
        return Err(Code::HostMemoryAlreadyRegistered.into());
    }
    let mapped = flags & DEVICE_MAP != 0;
    if mapped {
        map_registered(driver, start, bytes)?;
    }
    blocks.insert(start, Block { bytes, kind: Kind::Registered { flags, mapped }, context });
    Ok(())
}

fn map_registered(driver: &Driver, start: u64, bytes: u64) -> Result<()> {
    if !start.is_multiple_of(16) {
        let story = "mapping registered memory that does not start on a multiple of 16 bytes";
        return Err(Code::NotSupported.because(story));
    }
    Ok(driver.machine.map(start, bytes)?)
}

fn unregister(start: u64) -> Result<()> {
    let (driver, _) = current()?;
    let is_ours = |kind: &Kind| matches!(kind, Kind::Registered { .. });
    let not_ours = |_| Code::HostMemoryNotRegistered.into();
    take(driver, start, is_ours).map(drop).map_err(not_ours)
}

/// Removes a block of the right kind, which the device then knows no more.
fn take(driver: &Driver, start: u64, is_right: impl Fn(&Kind) -> bool) -> Result<Block> {
    let mut blocks = lock(&driver.blocks);
    match blocks.remove(&start) {
        Some(block) if is_right(&block.kind) => {
            release(driver, start, &block)?;
            Ok(block)
        }
        other => {
            blocks.extend(other.map(|block| (start, block)));
            let story = format!("{start:#x} is not the start of such memory, or no more");
            Err(Code::InvalidValue.because(story))
        }
    }
}

fn release(driver: &Driver, start: u64, block: &Block) -> Result<()> {
    match block.kind {
        Kind::Device => driver.machine.free(start)?,
        _ if block.is_mapped() => driver.machine.unmap(start)?,
        _ => {}
    }
    Ok(())
}

fn free(start: u64) -> Result<()> {
    let (driver, _) = current()?;
    capture::forbid_unsafe(driver)?;
    if start != 0 {
        take(driver, start, |kind| matches!(kind, Kind::Device | Kind::Managed { .. }))?;
    }
    Ok(())
}

fn free_host(start: u64) -> Result<()> {
    let (driver, _) = current()?;
    capture::forbid_unsafe(driver)?;
    take(driver, start, |kind| matches!(kind, Kind::Pinned { .. })).map(drop)
}

/// Frees all that a context owns.
pub(super) fn free_all(driver: &Driver, owned: impl Fn(&Arc<Context>) -> bool) {
    lock(&driver.blocks).retain(|start, block| {
        let keep = !owned(&block.context);
        if !keep {
            // It is in the map, so the machine has it.
            let _ = release(driver, *start, block);
        }
        keep
    });
}

/// Where kernels see pinned memory: where the host does. From now on, if they did not yet.
fn device_pointer(address: u64) -> Result<u64> {
    let (driver, _) = current()?;
    let mut blocks = lock(&driver.blocks);
    let block = blocks.range_mut(..=address).next_back();
    let block = block.filter(|(start, block)| address - **start < block.bytes);
    let Some((start, block)) = block else {
        return Err(Code::InvalidValue.because(format!("{address:#x} is not pinned memory")));
    };
    match &mut block.kind {
        Kind::Pinned { mapped, .. } | Kind::Registered { mapped, .. } => {
            if !*mapped {
                map_registered(driver, *start, block.bytes)?;
                *mapped = true;
            }
            Ok(address)
        }
        _ => Err(Code::InvalidValue.because(format!("{address:#x} is not pinned memory"))),
    }
}

fn host_flags(address: u64) -> Result<c_uint> {
    let (driver, _) = current()?;
    let flags = with_block(driver, address, |_, block| match block.kind {
        Kind::Pinned { flags, .. } | Kind::Registered { flags, .. } => Some(flags),
        _ => None,
    });
    let story = || Code::InvalidValue.because(format!("{address:#x} is not pinned memory"));
    flags.flatten().ok_or_else(story)
}

/// Answers what `cuPointerGetAttribute` is asked.
fn attribute(to: Out<u8>, number: c_uint, address: u64) -> Result<()> {
    let driver = driver()?;
    let known = with_block(driver, address, |start, block| {
        let managed = matches!(block.kind, Kind::Managed { .. });
        let Block { bytes, context, .. } = block;
        (start, *bytes, block.is_on_host(), block.is_mapped(), context.handle, managed)
    });
    // What a module declares is in no block.
    let known = match known {
        Some(known) => known,
        None => {
            let (start, bytes) = driver.machine.range_around(address)?;
            (start, bytes, false, false, 0, false)
        }
    };
    let (start, bytes, on_host, mapped, context, managed) = known;
    match number {
        1 => to.cast().write(context),
        // Host or device: `CUmemorytype`.
        2 => to.cast().write(if on_host && !managed { 1_u32 } else { 2 }),
        3 if !on_host || mapped => to.cast().write(address),
        4 if on_host => to.cast().write(address),
        // Whether copies are always synchronous: they are.
        6 => to.cast().write(1_u32),
        // A number that no other allocation has while this one lives.
        7 => to.cast().write(start),
        8 => to.cast().write(c_uint::from(managed)),
        9 => to.cast().write(0 as c_int),
        11 => to.cast().write(start),
        12 => to.cast().write(bytes as usize),
        13 => to.cast().write(c_uint::from(!on_host || mapped)),
        _ => {
            let story = format!("attribute {number} of {address:#x} is not known");
            Err(Code::InvalidValue.because(story))
        }
    }
}

/// Of all ways to copy, which one: how each end is to be understood.
#[derive(Clone, Copy)]
enum Ends {
    ToDevice,
    ToHost,
    OnDevice,
    Unified,
}

fn copy_in(target: (&Driver, Target), ends: Ends, to: u64, from: u64, bytes: usize) -> Result<()> {
    let (driver, target) = target;
    let bytes = bytes as u64;
    let (to, from) = match ends {
        Ends::ToDevice => (device_place(driver, to, bytes)?, Place::Host(from)),
        Ends::ToHost => (Place::Host(to), device_place(driver, from, bytes)?),
        Ends::OnDevice => (device_place(driver, to, bytes)?, device_place(driver, from, bytes)?),
        Ends::Unified => (unified_place(driver, to, bytes)?, unified_place(driver, from, bytes)?),
    };
    enqueue(driver, &target, Work::Copy { to, from, bytes })
}

fn set_in(target: (&Driver, Target), to: u64, value: u32, width: u32, count: usize) -> Result<()> {
    let (driver, target) = target;
    if !to.is_multiple_of(width.into()) {
        let story = format!("{to:#x} is no multiple of the {width} bytes that are set");
        return Err(Code::InvalidValue.because(story));
    }
    let count = count as u64;
    let bytes = count.checked_mul(width.into()).ok_or(Code::InvalidValue)?;
    if count > 0 {
        let to = device_place(driver, to, bytes)?;
        enqueue(driver, &target, Work::Set { to, value, width, count })?;
    }
    Ok(())
}

/// The stream of calls that wait for their work.
fn legacy() -> Result<(&'static Driver, Target)> {
    resolve(0)
}

/// Advice and prefetching change where bytes are, and here they are in one place.
fn advise(address: u64, bytes: usize) -> Result<()> {
    let (driver, _) = current()?;
    let managed = with_block(driver, address, |start, block| {
        matches!(block.kind, Kind::Managed { .. }) && bytes as u64 <= start + block.bytes - address
    });
    if managed == Some(true) {
        return Ok(());
    }
    Err(Code::InvalidValue.because(format!("{bytes} bytes at {address:#x} are not managed memory")))
}

/// Memory of one stream's order: allocated and freed at once, as all work is done at once.
fn in_stream(stream: Handle) -> Result<()> {
    let (driver, target) = resolve(stream)?;
    match &target {
        Target::Stream(stream) => stream.forbid_capture("allocations are not captured"),
        Target::Legacy(context) => capture::forbid_legacy(driver, context),
    }
}

api! {
    fn cuMemGetInfo_v2(free: Out<usize>, total: Out<usize>) {
        let (driver, _) = current()?;
        let bytes = driver.machine.device().memory_bytes;
        free.write((bytes - driver.machine.allocated()) as usize)?;
        total.write(bytes as usize)
    }

    fn cuMemAlloc_v2(address: Out<u64>, bytes: usize) {
        address.write(allocate(bytes)?)
    }

    fn cuMemAllocPitch_v2(
        address: Out<u64>, pitch: Out<usize>, width: usize, height: usize, element: c_uint,
    ) {
        if !matches!(element, 4 | 8 | 16) {
            return Err(Code::InvalidValue.because("elements have 4, 8 or 16 bytes"));
        }
        let row = width.checked_next_multiple_of(512).ok_or(Code::InvalidValue)?;
        address.write(allocate(row.checked_mul(height).ok_or(Code::InvalidValue)?)?)?;
        pitch.write(row)
    }

    fn cuMemAllocManaged(address: Out<u64>, bytes: usize, flags: c_uint) {
        address.write(allocate_managed(bytes, flags)?)
    }

    fn cuMemFree_v2(address: u64) {
        free(address)
    }

    fn cuMemAllocAsync(address: Out<u64>, bytes: usize, stream: Handle) {
        in_stream(stream)?;
        address.write(allocate(bytes)?)
    }

    fn cuMemFreeAsync(address: u64, stream: Handle) {
        in_stream(stream)?;
        free(address)
    }

    fn cuMemAllocHost_v2(address: Out<u64>, bytes: usize) {
        address.write(allocate_host(bytes, 0)?)
    }

    fn cuMemHostAlloc(address: Out<u64>, bytes: usize, flags: c_uint) {
        address.write(allocate_host(bytes, flags)?)
    }

    fn cuMemFreeHost(address: u64) {
        free_host(address)
    }

    fn cuMemHostRegister_v2(address: u64, bytes: usize, flags: c_uint) {
        register(address, bytes, flags)
    }

    fn cuMemHostUnregister(address: u64) {
        unregister(address)
    }

    fn cuMemHostGetDevicePointer_v2(device: Out<u64>, address: u64, flags: c_uint) {
        if flags != 0 {
            return Err(Code::InvalidValue.because("flags must be 0"));
        }
        device.write(device_pointer(address)?)
    }

    fn cuMemHostGetFlags(flags: Out<c_uint>, address: u64) {
        flags.write(host_flags(address)?)
    }

    fn cuMemGetAddressRange_v2(start: Out<u64>, bytes: Out<usize>, address: u64) {
        let (driver, _) = current()?;
        let (at, len) = driver.machine.range_around(address)?;
        start.write_if_wanted(at);
        bytes.write_if_wanted(len as usize);
        Ok(())
    }

    fn cuPointerGetAttribute(to: Out<u8>, number: c_uint, address: u64) {
        attribute(to, number, address)
    }

    fn cuMemAdvise(address: u64, bytes: usize, _advice: c_uint, _device: c_int) {
        advise(address, bytes)
    }

    fn cuMemAdvise_v2(address: u64, bytes: usize, _advice: c_uint, _location: Location) {
        advise(address, bytes)
    }

    fn cuMemPrefetchAsync(address: u64, bytes: usize, device: c_int, stream: Handle) {
        // -1 is the host.
        if device != -1 {
            check_device(device)?;
        }
        advise(address, bytes)?;
        let (driver, target) = resolve(stream)?;
        enqueue(driver, &target, Work::Nothing)
    }

    fn cuMemPrefetchAsync_v2(
        address: u64, bytes: usize, location: Location, _flags: c_uint, stream: Handle,
    ) {
        // 1 is a device, 2 and 3 are the host and its NUMA nodes.
        match location.kind {
            1 => { check_device(location.id)?; }
            2 | 3 => {}
            _ => return Err(Code::InvalidValue.because("no such location")),
        }
        advise(address, bytes)?;
        let (driver, target) = resolve(stream)?;
        enqueue(driver, &target, Work::Nothing)
    }

    fn cuMemcpy(to: u64, from: u64, bytes: usize) {
        copy_in(legacy()?, Ends::Unified, to, from, bytes)
    }

    fn cuMemcpyAsync(to: u64, from: u64, bytes: usize, stream: Handle) {
        copy_in(resolve(stream)?, Ends::Unified, to, from, bytes)
    }

    fn cuMemcpyHtoD_v2(to: u64, from: u64, bytes: usize) {
        copy_in(legacy()?, Ends::ToDevice, to, from, bytes)
    }

    fn cuMemcpyHtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle) {
        copy_in(resolve(stream)?, Ends::ToDevice, to, from, bytes)
    }

    fn cuMemcpyDtoH_v2(to: u64, from: u64, bytes: usize) {
        copy_in(legacy()?, Ends::ToHost, to, from, bytes)
    }

    fn cuMemcpyDtoHAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle) {
        copy_in(resolve(stream)?, Ends::ToHost, to, from, bytes)
    }

    fn cuMemcpyDtoD_v2(to: u64, from: u64, bytes: usize) {
        copy_in(legacy()?, Ends::OnDevice, to, from, bytes)
    }

    fn cuMemcpyDtoDAsync_v2(to: u64, from: u64, bytes: usize, stream: Handle) {
        copy_in(resolve(stream)?, Ends::OnDevice, to, from, bytes)
    }

    fn cuMemsetD8_v2(to: u64, value: u8, count: usize) {
        set_in(legacy()?, to, value.into(), 1, count)
    }

    fn cuMemsetD8Async(to: u64, value: u8, count: usize, stream: Handle) {
        set_in(resolve(stream)?, to, value.into(), 1, count)
    }

    fn cuMemsetD16_v2(to: u64, value: u16, count: usize) {
        set_in(legacy()?, to, value.into(), 2, count)
    }

    fn cuMemsetD16Async(to: u64, value: u16, count: usize, stream: Handle) {
        set_in(resolve(stream)?, to, value.into(), 2, count)
    }

    fn cuMemsetD32_v2(to: u64, value: u32, count: usize) {
        set_in(legacy()?, to, value, 4, count)
    }

    fn cuMemsetD32Async(to: u64, value: u32, count: usize, stream: Handle) {
        set_in(resolve(stream)?, to, value, 4, count)
    }
}
