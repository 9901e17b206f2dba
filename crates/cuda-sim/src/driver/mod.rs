//! The CUDA driver API over a [`Machine`]: what `libcuda.so.1` exports.
//!
//! Each exported function is thin: it turns what C hands over into checked values, calls safe code that
//! returns a `Result`, and hands back a code. What went wrong goes to the [log], in words.
//!
//! - Work is done when it is enqueued. A kernel's fault is kept by its context and returned by whatever
//!   call comes next, as on hardware, where the launch itself has long succeeded.
//! - Handles are numbers from a [table], never addresses: a stale one is refused.
//! - What cannot be checked is an address of host memory. It is trusted, as the driver trusts it.
#![allow(non_snake_case)] // The names are the API's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::Machine;

/// Exports driver functions, and lists them for `cuGetProcAddress`. A body is `Result<(), Error>`.
macro_rules! api {
    ($($(#[$doc:meta])* fn $name:ident($($argument:ident: $ty:ty),* $(,)?) $body:block)*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($argument: $ty),*) -> std::ffi::c_int {
                $crate::driver::error::guard(stringify!($name), move || $body)
            }
        )*

        pub(super) const ENTRIES: &[(&str, *const ())] =
            &[$((stringify!($name), $name as *const ())),*];
    };
}

mod abi;
mod capture;
mod context;
mod device;
mod error;
mod event;
mod function;
mod graph;
mod launch;
mod launches;
mod log;
mod memory;
mod module;
mod occupancy;
mod proc_address;
mod settings;
mod stream;
mod table;
mod tensor_map;
mod unsupported;
mod work;

use self::error::{Code, Result};
use self::settings::Settings;
use self::table::Table;

/// Everything behind the API, made by `cuInit`.
struct Driver {
    machine: Machine,
    settings: Settings,
    launches: launches::Launches,
    /// Held while the device executes: it does one thing at a time.
    execution: Mutex<()>,
    /// Memory that was allocated or registered, by its first address.
    blocks: Mutex<BTreeMap<u64, memory::Block>>,
    primary: Mutex<context::Primary>,
    /// Captures under way, of all contexts.
    captures: Mutex<Vec<Arc<capture::Capture>>>,
    contexts: Table<context::Context>,
    modules: Table<module::Loaded>,
    functions: Table<function::Function>,
    streams: Table<stream::Stream>,
    events: Table<event::Event>,
    graphs: Table<graph::Graph>,
    nodes: Table<graph::NodeOf>,
    executables: Table<graph::Executable>,
}

static DRIVER: OnceLock<Driver> = OnceLock::new();

/// The driver.
fn driver() -> Result<&'static Driver> {
    DRIVER.get().ok_or_else(|| Code::NotInitialized.into())
}

impl Driver {
    fn new(settings: Settings) -> Self {
        Self {
            machine: Machine::new(settings.device.clone()),
            settings,
            launches: launches::Launches::default(),
            execution: Mutex::default(),
            blocks: Mutex::default(),
            primary: Mutex::default(),
            captures: Mutex::default(),
            contexts: Table::new(1),
            modules: Table::new(2),
            functions: Table::new(3),
            streams: Table::new(4),
            events: Table::new(5),
            graphs: Table::new(6),
            nodes: Table::new(7),
            executables: Table::new(8),
        }
    }
}

/// Locks. A panic under a lock was reported as an error to whoever caused it; others go on.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
