//! Streams. Each does its work when it is given it, so all are always idle.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::{c_int, c_uint};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use super::abi::{HostFunction, Out, StreamCallback};
use super::capture::Capture;
use super::context::{Context, current};
use super::error::{Code, Result};
use super::table::Handle;
use super::work::{HostCall, Work, enqueue};
use super::{Driver, capture, driver, lock};

/// From the greatest priority to the least.
pub(super) const PRIORITIES: RangeInclusive<c_int> = -5..=0;

/// The handles that stand for the context's own streams.
const LEGACY: [Handle; 2] = [0, 1];
const PER_THREAD: Handle = 2;

/// The flag of a stream that does not wait for the legacy stream, nor that for it.
const NON_BLOCKING: c_uint = 1;

/// A stream that was created.
pub(super) struct Stream {
    pub(super) handle: Handle,
    pub(super) context: Arc<Context>,
    flags: c_uint,
    priority: c_int,
    capture: Mutex<Option<Arc<Capture>>>,
}

impl Stream {
    fn create(driver: &Driver, context: Arc<Context>, flags: c_uint, priority: c_int) -> Arc<Self> {
        let (low, high) = (*PRIORITIES.start(), *PRIORITIES.end());
        driver.streams.insert(|handle| Self {
            handle,
            context,
            flags,
            priority: priority.clamp(low, high),
            capture: Mutex::default(),
        })
    }

    /// What it is captured into.
    pub(super) fn capture(&self) -> Option<Arc<Capture>> {
        lock(&self.capture).clone()
    }

    pub(super) fn set_capture(&self, capture: Option<Arc<Capture>>) {
        *lock(&self.capture) = capture;
    }

    pub(super) fn is_blocking(&self) -> bool {
        self.flags & NON_BLOCKING == 0
    }
}

/// A stream as a handle means it.
pub(super) enum Target {
    /// The context's own, that others wait for.
    Legacy(Arc<Context>),
    Stream(Arc<Stream>),
}

impl Target {
    pub(super) fn context(&self) -> &Arc<Context> {
        match self {
            Self::Legacy(context) => context,
            Self::Stream(stream) => &stream.context,
        }
    }
}

/// The stream of a handle, in a context that may be used.
pub(super) fn resolve(handle: Handle) -> Result<(&'static Driver, Target)> {
    if LEGACY.contains(&handle) {
        let (driver, context) = current()?;
        return Ok((driver, Target::Legacy(context)));
    }
    if handle == PER_THREAD {
        return per_thread();
    }
    let driver = driver()?;
    let stream = driver.streams.get(handle)?;
    stream.context.check()?;
    Ok((driver, Target::Stream(stream)))
}

/// This thread's own stream in the current context.
fn per_thread() -> Result<(&'static Driver, Target)> {
    thread_local! {
        static STREAMS: RefCell<HashMap<Handle, Arc<Stream>>> = RefCell::default();
    }
    let (driver, context) = current()?;
    let stream = STREAMS.with_borrow_mut(|streams| {
        let create = || Stream::create(driver, context.clone(), 0, 0);
        streams.entry(context.handle).or_insert_with(create).clone()
    });
    Ok((driver, Target::Stream(stream)))
}

fn create(flags: c_uint, priority: c_int) -> Result<Handle> {
    let (driver, context) = current()?;
    if flags > NON_BLOCKING {
        return Err(Code::InvalidValue.because(format!("flags {flags:#x} of a stream")));
    }
    Ok(Stream::create(driver, context, flags, priority).handle)
}

fn destroy(handle: Handle) -> Result<()> {
    if LEGACY.contains(&handle) || handle == PER_THREAD {
        return Err(Code::InvalidHandle.because("a context's own streams are not destroyed"));
    }
    let driver = driver()?;
    let stream = driver.streams.remove(handle)?;
    driver.launches.settle(&stream.context);
    // What is captured lacks from now on what this stream would have brought.
    stream.forbid_capture("the stream is destroyed while it is captured")
}

/// Whether a stream's work is done. It is, and what it came to is known.
fn finish(handle: Handle) -> Result<()> {
    let (driver, target) = resolve(handle)?;
    driver.launches.settle(target.context());
    match target {
        Target::Stream(stream) => {
            stream.forbid_capture("what is captured cannot be waited for or asked after")
        }
        Target::Legacy(context) => capture::forbid_legacy(driver, &context),
    }
}

fn call(stream: Handle, function: HostFunction, data: usize) -> Result<()> {
    let function = function.ok_or(Code::InvalidValue)?;
    let (driver, target) = resolve(stream)?;
    enqueue(driver, &target, Work::Host(HostCall { function, data }))
}

fn add_callback(handle: Handle, callback: StreamCallback, data: usize) -> Result<()> {
    let callback = callback.ok_or(Code::InvalidValue)?;
    finish(handle)?;
    // SAFETY: The program gave us this function to be called with these arguments.
    unsafe { callback(handle, 0, data as *mut _) };
    Ok(())
}

/// A property of a stream, where the context's own have one too.
fn property<T>(handle: Handle, own: T, of: impl Fn(&Stream) -> T) -> Result<T> {
    match resolve(handle)?.1 {
        Target::Legacy(_) => Ok(own),
        Target::Stream(stream) => Ok(of(&stream)),
    }
}

api! {
    fn cuStreamCreate(stream: Out<Handle>, flags: c_uint) {
        stream.write(create(flags, 0)?)
    }

    fn cuStreamCreateWithPriority(stream: Out<Handle>, flags: c_uint, priority: c_int) {
        stream.write(create(flags, priority)?)
    }

    fn cuStreamDestroy_v2(stream: Handle) {
        destroy(stream)
    }

    fn cuStreamQuery(stream: Handle) {
        finish(stream)
    }

    fn cuStreamSynchronize(stream: Handle) {
        finish(stream)
    }

    fn cuStreamGetFlags(stream: Handle, flags: Out<c_uint>) {
        flags.write(property(stream, 0, |stream| stream.flags)?)
    }

    fn cuStreamGetPriority(stream: Handle, priority: Out<c_int>) {
        priority.write(property(stream, 0, |stream| stream.priority)?)
    }

    fn cuStreamGetId(stream: Handle, id: Out<u64>) {
        id.write(property(stream, 1, |stream| stream.handle)?)
    }

    fn cuStreamGetCtx(stream: Handle, context: Out<Handle>) {
        context.write(resolve(stream)?.1.context().handle)
    }

    fn cuStreamGetCtx_v2(stream: Handle, context: Out<Handle>, green: Out<Handle>) {
        // There are no green contexts.
        green.write_if_wanted(0);
        context.write(resolve(stream)?.1.context().handle)
    }

    fn cuStreamGetDevice(stream: Handle, device: Out<c_int>) {
        resolve(stream)?;
        device.write(0)
    }

    fn cuLaunchHostFunc(stream: Handle, function: HostFunction, data: usize) {
        call(stream, function, data)
    }

    fn cuStreamAddCallback(stream: Handle, callback: StreamCallback, data: usize, flags: c_uint) {
        if flags != 0 {
            return Err(Code::InvalidValue.because("flags must be 0"));
        }
        add_callback(stream, callback, data)
    }
}
