//! Events: moments in streams.

use std::ffi::c_uint;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::abi::Out;
use super::capture::Capture;
use super::context::{Context, current};
use super::error::{Code, Result};
use super::stream::{Target, resolve};
use super::table::Handle;
use super::{capture, driver, lock};

/// An event that was created.
pub(super) struct Event {
    pub(super) context: Arc<Context>,
    flags: c_uint,
    recorded: Mutex<Recorded>,
}

#[derive(Clone)]
enum Recorded {
    Never,
    At(Instant),
    /// In a capturing stream: these nodes come before it.
    Captured(Arc<Capture>, Vec<usize>),
}

const DISABLE_TIMING: c_uint = 2;
const INTERPROCESS: c_uint = 4;

fn get(handle: Handle) -> Result<Arc<Event>> {
    let event = driver()?.events.get(handle)?;
    event.context.check()?;
    Ok(event)
}

fn create(flags: c_uint) -> Result<Handle> {
    let (driver, context) = current()?;
    if flags & INTERPROCESS != 0 {
        return Err(Code::NotSupported.because("events between processes are not simulated"));
    }
    if flags > 3 {
        return Err(Code::InvalidValue.because(format!("flags {flags:#x} of an event")));
    }
    let mut created = 0;
    driver.events.insert(|handle| {
        created = handle;
        Event { context, flags, recorded: Mutex::new(Recorded::Never) }
    });
    Ok(created)
}

fn record(event: Handle, stream: Handle, flags: c_uint) -> Result<()> {
    if flags != 0 {
        return Err(Code::NotSupported.because("event nodes of graphs are not simulated"));
    }
    let event = get(event)?;
    let (driver, target) = resolve(stream)?;
    if target.context().handle != event.context.handle {
        return Err(Code::InvalidHandle.because("the event and the stream are of two contexts"));
    }
    driver.launches.settle(target.context());
    let now = match &target {
        Target::Stream(stream) => match stream.capture() {
            Some(capture) => Recorded::Captured(capture.clone(), capture.tail(stream)?),
            None => Recorded::At(Instant::now()),
        },
        Target::Legacy(context) => {
            capture::forbid_legacy(driver, context)?;
            Recorded::At(Instant::now())
        }
    };
    *lock(&event.recorded) = now;
    Ok(())
}

/// Whether all before an event is done: it is, and before one that was never recorded is nothing.
fn finish(event: Handle) -> Result<()> {
    let event = get(event)?;
    driver()?.launches.settle(&event.context);
    match &*lock(&event.recorded) {
        Recorded::Captured(capture, _) => {
            let story = "what is captured cannot be waited for or asked after";
            capture.refuse(Code::CapturedEvent, story)
        }
        _ => Ok(()),
    }
}

fn wait(stream: Handle, event: Handle, flags: c_uint) -> Result<()> {
    if flags != 0 {
        return Err(Code::NotSupported.because("event nodes of graphs are not simulated"));
    }
    let recorded = lock(&get(event)?.recorded).clone();
    let (driver, target) = resolve(stream)?;
    driver.launches.settle(target.context());
    match (target, recorded) {
        (Target::Stream(stream), Recorded::Captured(capture, nodes)) => {
            stream.wait_captured(&capture, &nodes)
        }
        (Target::Stream(stream), Recorded::At(_)) => stream.isolate(),
        (Target::Legacy(_), Recorded::Captured(capture, _)) => {
            capture.refuse(Code::StreamCaptureImplicit, "the legacy stream cannot be captured")
        }
        (Target::Legacy(context), _) => capture::forbid_legacy(driver, &context),
        (_, Recorded::Never) => Ok(()),
    }
}

/// Milliseconds between two events, as the host's clock ran.
fn elapsed(start: Handle, end: Handle) -> Result<f32> {
    let moment = |handle| {
        let event = get(handle)?;
        match &*lock(&event.recorded) {
            _ if event.flags & DISABLE_TIMING != 0 => {
                Err(Code::InvalidHandle.because("the event was created without timing"))
            }
            Recorded::At(moment) => Ok(*moment),
            Recorded::Never => Err(Code::InvalidHandle.because("the event was never recorded")),
            Recorded::Captured(..) => Err(Code::CapturedEvent.into()),
        }
    };
    let (start, end) = (moment(start)?, moment(end)?);
    let forward = end.saturating_duration_since(start).as_secs_f32();
    Ok(1e3 * (forward - start.saturating_duration_since(end).as_secs_f32()))
}

api! {
    fn cuEventCreate(event: Out<Handle>, flags: c_uint) {
        event.write(create(flags)?)
    }

    fn cuEventDestroy_v2(event: Handle) {
        driver()?.events.remove(event).map(drop)
    }

    fn cuEventRecord(event: Handle, stream: Handle) {
        record(event, stream, 0)
    }

    fn cuEventRecordWithFlags(event: Handle, stream: Handle, flags: c_uint) {
        record(event, stream, flags)
    }

    fn cuEventQuery(event: Handle) {
        finish(event)
    }

    fn cuEventSynchronize(event: Handle) {
        finish(event)
    }

    fn cuEventElapsedTime(milliseconds: Out<f32>, start: Handle, end: Handle) {
        milliseconds.write(elapsed(start, end)?)
    }

    fn cuEventElapsedTime_v2(milliseconds: Out<f32>, start: Handle, end: Handle) {
        milliseconds.write(elapsed(start, end)?)
    }

    fn cuStreamWaitEvent(stream: Handle, event: Handle, flags: c_uint) {
        wait(stream, event, flags)
    }
}
