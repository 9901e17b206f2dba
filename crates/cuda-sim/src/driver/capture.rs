//! Capturing what streams are given into a graph, rather than doing it.
//!
//! A capture begins in one stream, its origin, and spreads to those that wait for an event recorded in it.
//! Each of its streams has a tail: the nodes that its next one depends on. What a capture does not permit
//! makes it invalid, and then nothing but ending it is possible.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::c_uint;
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use super::abi::{InOut, Out};
use super::context::Context;
use super::error::{Code, Result};
use super::graph::Graph;
use super::stream::{Stream, Target, resolve};
use super::table::Handle;
use super::work::Work;
use super::{Driver, lock};

/// `CUstreamCaptureMode`: in which threads calls that might disturb a capture are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Global,
    ThreadLocal,
    Relaxed,
}

impl Mode {
    fn from_number(number: c_uint) -> Result<Self> {
        match number {
            0 => Ok(Self::Global),
            1 => Ok(Self::ThreadLocal),
            2 => Ok(Self::Relaxed),
            _ => Err(Code::InvalidValue.because(format!("capture mode {number}"))),
        }
    }
}

thread_local! {
    /// What this thread refuses for the sake of captures.
    static MODE: Cell<Mode> = const { Cell::new(Mode::Global) };
}

/// A capture under way.
pub(super) struct Capture {
    id: u64,
    mode: Mode,
    thread: ThreadId,
    origin: Arc<Stream>,
    pub(super) graph: Arc<Graph>,
    progress: Mutex<Progress>,
}

struct Progress {
    invalid: bool,
    /// The streams of the capture, and the nodes that each one's next will depend on.
    tails: HashMap<Handle, (Arc<Stream>, Vec<usize>)>,
    /// What `cuStreamGetCaptureInfo` has given the address of.
    shown: Vec<Handle>,
}

impl Capture {
    pub(super) fn is(&self, other: &Self) -> bool {
        self.id == other.id
    }

    fn invalidate(&self) {
        lock(&self.progress).invalid = true;
    }

    /// Refuses a call, and so makes the capture invalid.
    pub(super) fn refuse<T>(&self, code: Code, story: &'static str) -> Result<T> {
        self.invalidate();
        Err(code.because(story))
    }

    fn check(&self) -> Result<()> {
        let progress = lock(&self.progress);
        if progress.tails.is_empty() {
            return Err(Code::CapturedEvent.because("the event's capture has ended"));
        }
        if progress.invalid { Err(Code::StreamCaptureInvalidated.again()) } else { Ok(()) }
    }

    /// Adds work after all that `stream` has been given.
    pub(super) fn add(&self, driver: &Driver, stream: &Stream, work: Work) -> Result<()> {
        self.check()?;
        let mut progress = lock(&self.progress);
        let tail = &mut progress.tails.get_mut(&stream.handle).ok_or(Code::Unknown)?.1;
        let node = self.graph.add(driver, work, tail.clone());
        *tail = vec![node];
        Ok(())
    }

    /// What an event that is recorded in `stream` now stands for.
    pub(super) fn tail(&self, stream: &Stream) -> Result<Vec<usize>> {
        self.check()?;
        let progress = lock(&self.progress);
        Ok(progress.tails.get(&stream.handle).map(|(_, tail)| tail.clone()).unwrap_or_default())
    }

    /// Makes `stream`, which may be new to the capture, wait for nodes of it.
    pub(super) fn wait(self: &Arc<Self>, stream: &Arc<Stream>, nodes: &[usize]) -> Result<()> {
        self.check()?;
        let mut progress = lock(&self.progress);
        let member = || (stream.clone(), Vec::new());
        let (_, tail) = progress.tails.entry(stream.handle).or_insert_with(member);
        tail.extend(nodes);
        tail.sort_unstable();
        tail.dedup();
        stream.set_capture(Some(self.clone()));
        Ok(())
    }

    /// Whether every stream's tail comes before the origin's.
    fn is_joined(&self) -> bool {
        let progress = lock(&self.progress);
        let of_origin = progress.tails.get(&self.origin.handle).map(|(_, tail)| tail.clone());
        let joined = self.graph.with_ancestors(of_origin.unwrap_or_default());
        progress.tails.values().flat_map(|(_, tail)| tail).all(|node| joined.contains(node))
    }

    /// Its streams are as before it.
    fn end(&self, driver: &Driver) {
        lock(&driver.captures).retain(|other| !other.is(self));
        for (_, (stream, _)) in lock(&self.progress).tails.drain() {
            stream.set_capture(None);
        }
    }
}

/// Refuses a call that might disturb captures of this thread, or of any that asked for that.
pub(super) fn forbid_unsafe(driver: &Driver) -> Result<()> {
    let here = thread::current().id();
    let refuses = |capture: &&Arc<Capture>| match MODE.get() {
        Mode::Relaxed => false,
        Mode::ThreadLocal => capture.thread == here && capture.mode != Mode::Relaxed,
        Mode::Global => {
            capture.mode == Mode::Global
                || capture.thread == here && capture.mode == Mode::ThreadLocal
        }
    };
    let story = "memory is neither allocated nor freed while a stream is captured";
    refuse_for(driver, refuses, Code::StreamCaptureUnsupported, story)
}

/// Refuses to wait for a context that has a capturing stream.
pub(super) fn forbid_in_context(driver: &Driver, context: &Context) -> Result<()> {
    let refuses = |capture: &&Arc<Capture>| capture.origin.context.handle == context.handle;
    let story = "a stream of the context is captured, and what is captured cannot be waited for";
    refuse_for(driver, refuses, Code::StreamCaptureUnsupported, story)
}

/// Refuses work in the legacy stream, for which it waits for the context's blocking streams.
pub(super) fn forbid_legacy(driver: &Driver, context: &Context) -> Result<()> {
    let refuses = |capture: &&Arc<Capture>| {
        let progress = lock(&capture.progress);
        let mut streams = progress.tails.values().map(|(stream, _)| stream);
        streams.any(|stream| stream.context.handle == context.handle && stream.is_blocking())
    };
    let story = "the legacy stream waits for a blocking stream, which is captured";
    refuse_for(driver, refuses, Code::StreamCaptureImplicit, story)
}

fn refuse_for(
    driver: &Driver,
    refuses: impl Fn(&&Arc<Capture>) -> bool,
    code: Code,
    story: &'static str,
) -> Result<()> {
    let captures = lock(&driver.captures);
    let refusing: Vec<_> = captures.iter().filter(refuses).collect();
    for capture in &refusing {
        capture.invalidate();
    }
    if refusing.is_empty() { Ok(()) } else { Err(code.because(story)) }
}

/// Ends the captures of a context that is going away.
pub(super) fn abandon(driver: &Driver, owned: impl Fn(&Arc<Context>) -> bool) {
    let ours = lock(&driver.captures).clone();
    for capture in ours.iter().filter(|capture| owned(&capture.origin.context)) {
        capture.end(driver);
    }
}

impl Stream {
    /// Refuses a call that a stream does not permit while it is captured.
    pub(super) fn forbid_capture(&self, story: &'static str) -> Result<()> {
        match self.capture() {
            Some(capture) => capture.refuse(Code::StreamCaptureUnsupported, story),
            None => Ok(()),
        }
    }

    /// Refuses to be mixed with what is not captured.
    pub(super) fn isolate(&self) -> Result<()> {
        let story = "the event was recorded outside of the capture";
        match self.capture() {
            Some(capture) => capture.refuse(Code::StreamCaptureIsolation, story),
            None => Ok(()),
        }
    }

    /// Waits for nodes of a capture, and so becomes part of it.
    pub(super) fn wait_captured(
        self: &Arc<Self>,
        of: &Arc<Capture>,
        nodes: &[usize],
    ) -> Result<()> {
        match self.capture() {
            Some(own) if !own.is(of) => {
                of.invalidate();
                own.refuse(Code::StreamCaptureMerge, "the event belongs to another capture")
            }
            _ => of.wait(self, nodes),
        }
    }
}

impl Target {
    /// The stream, where only one that can be captured will do.
    fn capturable(self) -> Result<Arc<Stream>> {
        match self {
            Self::Stream(stream) => Ok(stream),
            Self::Legacy(_) => {
                Err(Code::StreamCaptureUnsupported.because("the legacy stream cannot be captured"))
            }
        }
    }
}

fn begin(stream: Handle, mode: c_uint) -> Result<()> {
    let mode = Mode::from_number(mode)?;
    let (driver, target) = resolve(stream)?;
    let origin = target.capturable()?;
    if origin.capture().is_some() {
        return Err(Code::IllegalState.because("the stream is captured already"));
    }
    let graph = Graph::create(driver);
    let tails = HashMap::from([(origin.handle, (origin.clone(), Vec::new()))]);
    let capture = Arc::new(Capture {
        id: graph.handle,
        mode,
        thread: thread::current().id(),
        origin: origin.clone(),
        graph,
        progress: Mutex::new(Progress { invalid: false, tails, shown: Vec::new() }),
    });
    lock(&driver.captures).push(capture.clone());
    origin.set_capture(Some(capture));
    Ok(())
}

/// Ends a capture. The graph's handle comes with success alone.
fn end(stream: Handle) -> Result<Handle> {
    let (driver, target) = resolve(stream)?;
    let stream = target.capturable()?;
    let Some(capture) = stream.capture() else {
        return Err(Code::IllegalState.because("the stream is not captured"));
    };
    if capture.origin.handle != stream.handle {
        return capture.refuse(Code::StreamCaptureUnmatched, "the capture began in another stream");
    }
    if capture.mode != Mode::Relaxed && capture.thread != thread::current().id() {
        return capture
            .refuse(Code::StreamCaptureWrongThread, "the capture began in another thread");
    }
    let joined = capture.is_joined();
    let valid = capture.check();
    capture.end(driver);
    let unjoined = "a stream that waited for the capture's origin was not waited for by it";
    let outcome = valid.and_then(|()| match joined {
        true => Ok(capture.graph.handle),
        false => Err(Code::StreamCaptureUnjoined.because(unjoined)),
    });
    if outcome.is_err() {
        capture.graph.destroy(driver)?;
    }
    outcome
}

/// `CUstreamCaptureStatus`: none, active, invalidated.
fn status(capture: Option<&Capture>) -> c_uint {
    capture.map_or(0, |capture| if capture.check().is_ok() { 1 } else { 2 })
}

/// What a stream is captured into; nothing for one that is not captured. The legacy stream cannot be,
/// and asking it while others are captured is refused.
fn of_stream(stream: Handle) -> Result<Option<(Arc<Capture>, Arc<Stream>)>> {
    let (driver, target) = resolve(stream)?;
    match target {
        Target::Legacy(context) => forbid_legacy(driver, &context).map(|()| None),
        Target::Stream(stream) => Ok(stream.capture().map(|capture| (capture, stream))),
    }
}

/// Answers `cuStreamGetCaptureInfo` in all its versions.
fn info(
    stream: Handle,
    state: Out<c_uint>,
    id: Out<u64>,
    graph: Option<Out<Handle>>,
    dependencies: Option<(Out<*const Handle>, Out<usize>)>,
) -> Result<()> {
    let found = of_stream(stream)?;
    state.write(status(found.as_ref().map(|(capture, _)| &**capture)))?;
    let Some((capture, stream)) = found else { return Ok(()) };
    id.write_if_wanted(capture.id);
    if let Some(graph) = graph {
        graph.write_if_wanted(capture.graph.handle);
    }
    if let Some((nodes, count)) = dependencies {
        let mut progress = lock(&capture.progress);
        let tail = progress.tails.get(&stream.handle).map(|(_, tail)| tail.clone());
        progress.shown = capture.graph.handles(&tail.unwrap_or_default());
        nodes.write_if_wanted(progress.shown.as_ptr());
        count.write_if_wanted(progress.shown.len());
    }
    Ok(())
}

api! {
    fn cuStreamBeginCapture_v2(stream: Handle, mode: c_uint) {
        begin(stream, mode)
    }

    fn cuStreamEndCapture(stream: Handle, graph: Out<Handle>) {
        if graph.is_null() {
            return Err(Code::InvalidValue.because("a pointer for a result is null"));
        }
        let ended = end(stream);
        graph.write(ended.as_ref().map_or(0, |handle| *handle))?;
        ended.map(drop)
    }

    fn cuStreamIsCapturing(stream: Handle, state: Out<c_uint>) {
        let found = of_stream(stream)?;
        state.write(status(found.as_ref().map(|(capture, _)| &**capture)))
    }

    fn cuStreamGetCaptureInfo(stream: Handle, state: Out<c_uint>, id: Out<u64>) {
        info(stream, state, id, None, None)
    }

    fn cuStreamGetCaptureInfo_v2(
        stream: Handle, state: Out<c_uint>, id: Out<u64>, graph: Out<Handle>,
        nodes: Out<*const Handle>, count: Out<usize>,
    ) {
        info(stream, state, id, Some(graph), Some((nodes, count)))
    }

    fn cuStreamGetCaptureInfo_v3(
        stream: Handle, state: Out<c_uint>, id: Out<u64>, graph: Out<Handle>,
        nodes: Out<*const Handle>, edges: Out<*const u64>, count: Out<usize>,
    ) {
        // No edge has data of its own.
        edges.write_if_wanted(std::ptr::null());
        info(stream, state, id, Some(graph), Some((nodes, count)))
    }

    fn cuThreadExchangeStreamCaptureMode(mode: InOut<c_uint>) {
        let next = Mode::from_number(mode.input().read()?)?;
        mode.output().write(MODE.replace(next) as c_uint)
    }
}
