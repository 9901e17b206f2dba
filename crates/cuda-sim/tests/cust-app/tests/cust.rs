//! What a program does through `cust`: contexts, memory, modules, streams, events, launches.

use std::error::Error;
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cust::context::{CurrentContext, ResourceLimit};
use cust::error::CudaError;
use cust::function::FunctionAttribute;
use cust::memory::{AsyncCopyDestination, LockedBuffer};
use cust::module::ModuleJitOption;
use cust::prelude::*;
use cust::stream::StreamWaitEventFlags;
use cust_app::{PTX, saxpy};

type Outcome = Result<(), Box<dyn Error>>;

/// A context. `cust`'s is the device's primary one, so a test that breaks it must not meet another.
fn context() -> Result<(MutexGuard<'static, ()>, Context), CudaError> {
    static DEVICE: Mutex<()> = Mutex::new(());
    let alone = DEVICE.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((alone, cust::quick_init()?))
}

fn stream() -> Result<Stream, CudaError> {
    Stream::new(StreamFlags::NON_BLOCKING, None)
}

#[test]
fn a_program_runs_and_its_result_is_right() -> Outcome {
    let _context = context()?;
    let (stream, module) = (stream()?, Module::from_ptx(PTX, &[])?);
    let x: Vec<f32> = (0..5000).map(|i| i as f32).collect();
    let y: Vec<f32> = (0..5000).map(|i| (i % 7) as f32).collect();
    let result = saxpy(&stream, &module, 0.5, &x, &y)?;
    let expected: Vec<f32> = x.iter().zip(&y).map(|(x, y)| 0.5 * x + y).collect();
    assert_eq!(result, expected);
    Ok(())
}

#[test]
fn the_device_says_what_it_is() -> Outcome {
    use cust::device::DeviceAttribute;
    let _context = context()?;
    let device = Device::get_device(0)?;
    assert_eq!(Device::num_devices()?, 1);
    assert_eq!(CurrentContext::get_device()?, device);
    assert!(device.name()?.starts_with("Simulated sm_"));
    assert!(device.total_memory()? > 1 << 30);
    assert_eq!(device.get_attribute(DeviceAttribute::WarpSize)?, 32);
    assert!(cust::CudaApiVersion::get()?.major() >= 12);
    CurrentContext::set_resource_limit(ResourceLimit::StackSize, 4096)?;
    assert_eq!(CurrentContext::get_resource_limit(ResourceLimit::StackSize)?, 4096);
    let range = CurrentContext::get_stream_priority_range()?;
    assert!(range.least >= range.greatest);
    Ok(())
}

#[test]
fn memory_comes_and_goes() -> Outcome {
    let _context = context()?;
    let (free, _) = cust::memory::mem_get_info()?;
    let stream = stream()?;
    let mut buffer = DeviceBuffer::from_slice(&[1_u32, 2, 3, 4])?;
    assert_eq!(buffer.as_host_vec()?, [1, 2, 3, 4]);
    buffer.set_32(9)?;
    assert_eq!(buffer.as_host_vec()?, [9; 4]);
    let pinned = LockedBuffer::from_slice(&[5_u32, 6, 7, 8])?;
    // SAFETY: Both live until the stream has been waited for.
    unsafe { buffer.async_copy_from(&pinned, &stream)? };
    stream.synchronize()?;
    assert_eq!(buffer.as_host_vec()?, [5, 6, 7, 8]);
    // SAFETY: It is written before it is read, in the order of its stream.
    let mut other = unsafe { DeviceBuffer::<u32>::uninitialized_async(4, &stream)? };
    other.copy_from(&buffer)?;
    assert_eq!(other.as_host_vec()?, [5, 6, 7, 8]);
    other.drop_async(&stream)?;
    let too_much = DeviceBuffer::<u8>::zeroed(usize::MAX / 2);
    assert_eq!(too_much.err(), Some(CudaError::OutOfMemory));
    drop(buffer);
    assert_eq!(cust::memory::mem_get_info()?.0, free);
    Ok(())
}

#[test]
fn unified_memory_is_the_same_on_both_sides() -> Outcome {
    let _context = context()?;
    let (stream, module) = (stream()?, Module::from_ptx(PTX, &[])?);
    let double = module.get_function("double_in_place")?;
    let mut values = UnifiedBuffer::from_slice(&[1.0_f32, 2.0, 3.0])?;
    // SAFETY: The kernel takes as many values as there are threads.
    unsafe { launch!(double<<<1, 3, 0, stream>>>(values.as_unified_ptr()))? };
    stream.synchronize()?;
    assert_eq!(values.as_slice(), [2.0, 4.0, 6.0]);
    Ok(())
}

#[test]
fn modules_have_functions_and_variables() -> Outcome {
    let _context = context()?;
    let stream = stream()?;
    let module = Module::from_ptx(PTX, &[ModuleJitOption::MaxRegisters(64)])?;
    assert_eq!(module.get_function("nothing").err(), Some(CudaError::NotFound));
    let function = module.get_function("saxpy")?;
    assert_eq!(function.get_attribute(FunctionAttribute::MaxThreadsPerBlock)?, 1024);
    let mut scale = module.get_global::<f32>(&CString::new("scale")?)?;
    let mut value = 0.0;
    scale.copy_to(&mut value)?;
    assert_eq!(value, 1.0);
    scale.copy_from(&10.0)?;
    assert_eq!(saxpy(&stream, &module, 2.0, &[1.0], &[3.0])?, [23.0]);
    let broken = PTX.replace("fma.rn.f32", "fma.up.f32");
    assert_eq!(Module::from_ptx(broken, &[]).err(), Some(CudaError::InvalidPtx));
    assert_eq!(Module::from_cubin(b"\x7fELF", &[]).err(), Some(CudaError::NoBinaryForGpu));
    Ok(())
}

#[test]
fn streams_and_events_order_work() -> Outcome {
    let _context = context()?;
    let (first, second) = (stream()?, Stream::new(StreamFlags::DEFAULT, Some(-1))?);
    assert_eq!(second.get_priority()?, -1);
    let (start, end) = (Event::new(EventFlags::DEFAULT)?, Event::new(EventFlags::DEFAULT)?);
    start.record(&first)?;
    let called = Arc::new(AtomicBool::new(false));
    let told = called.clone();
    first.add_callback(Box::new(move || told.store(true, Relaxed)))?;
    end.record(&first)?;
    end.synchronize()?;
    assert!(called.load(Relaxed));
    assert_eq!(end.query()?, EventStatus::Ready);
    assert!(end.elapsed_time_f32(&start)? >= 0.0);
    second.wait_event(end, StreamWaitEventFlags::DEFAULT)?;
    second.synchronize()?;
    Ok(())
}

#[test]
fn a_fault_breaks_the_context_until_it_is_released() -> Outcome {
    let (alone, broken) = context()?;
    let (stream, module) = (stream()?, Module::from_ptx(PTX, &[])?);
    let double = module.get_function("double_in_place")?;
    let values = DeviceBuffer::from_slice(&[1.0_f32; 8])?;
    // SAFETY: More threads than values: on the simulator this is an error, and nothing else.
    unsafe { launch!(double<<<1, 9, 0, stream>>>(values.as_device_ptr()))? };
    assert_eq!(stream.synchronize(), Err(CudaError::IllegalAddress));
    assert_eq!(values.as_host_vec().err(), Some(CudaError::IllegalAddress));
    drop((values, module, stream, broken));

    let _sound = Context::new(Device::get_device(0)?)?;
    CurrentContext::synchronize()?;
    drop(alone);
    Ok(())
}
