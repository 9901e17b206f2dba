//! What streams are given to do, and doing it.

use std::ffi::c_void;
use std::io::Write;
use std::sync::Arc;

use serde::Serialize;

use super::capture;
use super::context::Context;
use super::error::Result;
use super::function::Function;
use super::graph::Executable;
use super::memory::{self, Place};
use super::stream::Target;
use super::{Driver, lock, log};
use crate::counters::Counters;
use crate::{Launch, Stream};

/// One thing to do.
#[derive(Clone)]
pub(super) enum Work {
    Kernel(Kernel),
    Copy {
        to: Place,
        from: Place,
        bytes: u64,
    },
    /// Writes `value`'s lower bytes again and again.
    Set {
        to: Place,
        value: u32,
        width: u32,
        count: u64,
    },
    Host(HostCall),
    Graph(Arc<Executable>),
    /// A place for dependencies to meet.
    Nothing,
}

/// A launch whose arguments were checked.
#[derive(Clone)]
pub(super) struct Kernel {
    pub(super) function: Arc<Function>,
    pub(super) launch: Launch,
    pub(super) parameters: Vec<u8>,
}

/// A function of the host program.
#[derive(Clone, Copy)]
pub(super) struct HostCall {
    pub(super) function: unsafe extern "C" fn(*mut c_void),
    /// An address, handed back as it came.
    pub(super) data: usize,
}

impl HostCall {
    fn call(self) {
        // SAFETY: The program gave us this function to be called with this argument.
        unsafe { (self.function)(self.data as *mut c_void) }
    }
}

/// Does the work now, or adds it to the graph that its stream is captured into.
pub(super) fn enqueue(driver: &Driver, target: &Target, work: Work) -> Result<()> {
    match target {
        Target::Stream(stream) => {
            if let Some(capture) = stream.capture() {
                return capture.add(driver, stream, work);
            }
        }
        Target::Legacy(context) => capture::forbid_legacy(driver, context)?,
    }
    let context = target.context();
    match work {
        Work::Kernel(_) => {
            driver.launches.of(target, |stream| execute(driver, context, &work, stream))
        }
        _ => {
            driver.launches.settle(context);
            execute(driver, context, &work, &mut Stream::default())
        }
    }
}

/// Does the work, after what `stream` has been given. A kernel's fault is no error of this call: the context
/// keeps it.
pub(super) fn execute(
    driver: &Driver,
    context: &Context,
    work: &Work,
    stream: &mut Stream,
) -> Result<()> {
    if !matches!(work, Work::Kernel(_)) {
        *stream = Stream::default();
    }
    match work {
        Work::Kernel(kernel) => {
            let _turn = lock(&driver.execution);
            run(driver, context, kernel, stream)
        }
        Work::Copy { to, from, bytes } => {
            let _turn = lock(&driver.execution);
            memory::copy(driver, *to, *from, *bytes)
        }
        Work::Set { to, value, width, count } => {
            let _turn = lock(&driver.execution);
            memory::set(driver, *to, *value, *width, *count)
        }
        // Without its turn: the function may wait for another thread that uses the device.
        Work::Host(call) => {
            call.call();
            Ok(())
        }
        Work::Graph(graph) => graph.run(driver, context),
        Work::Nothing => Ok(()),
    }
}

fn run(driver: &Driver, context: &Context, kernel: &Kernel, stream: &mut Stream) -> Result<()> {
    let Kernel { function, launch, parameters } = kernel;
    let shown = memory::show_host_memory(driver)?;
    let order = driver.settings.order;
    let outcome = driver.machine.launch_in(stream, &function.code, launch, order, parameters);
    memory::take_host_memory_back(driver, shown)?;
    match outcome {
        Ok(counters) => write_counters(driver, kernel, &counters),
        Err(fault) => context.break_by(&fault),
    }
    Ok(())
}

/// A line of the counters' file.
#[derive(Serialize)]
struct Line<'a> {
    kernel: &'a str,
    grid: [u32; 3],
    cluster: [u32; 3],
    block: [u32; 3],
    dynamic_shared: u32,
    #[serde(flatten)]
    counters: &'a Counters,
}

fn write_counters(driver: &Driver, kernel: &Kernel, counters: &Counters) {
    let Some(file) = &driver.settings.counters else { return };
    let Launch { grid, cluster, block, dynamic_shared, .. } = kernel.launch;
    let kernel = kernel.function.code.name();
    let line = Line { kernel, grid, cluster, block, dynamic_shared, counters };
    let written = serde_json::to_string(&line)
        .map_err(std::io::Error::from)
        .and_then(|line| lock(file).write_all(format!("{line}\n").as_bytes()));
    if let Err(error) = written {
        log::tell(format_args!("the counters of a launch are lost: {error}"));
    }
}
