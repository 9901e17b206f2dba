//! Contexts: which one is current in a thread, what they own, and the error that ends their use.

use std::cell::RefCell;
use std::ffi::{c_int, c_uint};
use std::sync::{Arc, Mutex};

use super::abi::{In, Out};
use super::error::{Code, Result};
use super::table::Handle;
use super::{Driver, capture, device, driver, lock, log, memory};
use crate::fault::Fault;

/// A context. It owns what is made while it is current.
pub(super) struct Context {
    pub(super) handle: Handle,
    is_primary: bool,
    state: Mutex<State>,
}

struct State {
    flags: c_uint,
    destroyed: bool,
    /// The code of the fault after which nothing works in this context.
    broken: Option<Code>,
    cache: c_uint,
    banks: c_uint,
    limits: [usize; LIMITS.len()],
}

/// The device's primary context, and for how many it is kept.
#[derive(Default)]
pub(super) struct Primary {
    context: Option<Arc<Context>>,
    retained: u32,
    flags: c_uint,
}

/// What `cuCtxGetLimit` answers at first, by the number of a `CUlimit`: bytes of stack, of the buffer of
/// `printf`, of the heap of `malloc`; depth and number of launches from kernels; bytes of an L2 fetch and
/// of persisting L2. None of them limits the simulator.
const LIMITS: [usize; 7] = [1024, 1 << 20, 8 << 20, 2, 2048, 64, 0];

/// Flags that `cuCtxCreate` takes: how to wait, mapped host memory, local memory, coredumps, and
/// synchronous copies. The first three exclude one another.
const FLAGS: c_uint = 0xff;
const WAITING: [c_uint; 4] = [0, 1, 2, 4];

thread_local! {
    static STACK: RefCell<Vec<Arc<Context>>> = const { RefCell::new(Vec::new()) };
}

impl Context {
    fn create(driver: &Driver, flags: c_uint, is_primary: bool) -> Result<Arc<Self>> {
        check_flags(flags)?;
        let state =
            State { flags, destroyed: false, broken: None, cache: 0, banks: 0, limits: LIMITS };
        Ok(driver.contexts.insert(|handle| Self { handle, is_primary, state: state.into() }))
    }

    /// Whether anything may be done in it.
    pub(super) fn check(&self) -> Result<()> {
        let state = lock(&self.state);
        if state.destroyed {
            return Err(Code::ContextIsDestroyed.into());
        }
        state.broken.map_or(Ok(()), |code| Err(code.again()))
    }

    /// A kernel was caught: from now on every call fails as it does after that fault on hardware.
    pub(super) fn break_by(&self, fault: &Fault) {
        let code = Code::of_fault(&fault.kind);
        log::tell(format_args!("{code:?}: {fault}"));
        lock(&self.state).broken.get_or_insert(code);
    }

    /// Frees everything that it owns.
    fn clear(&self, driver: &Driver) {
        let mine = |context: &Arc<Self>| context.handle == self.handle;
        capture::abandon(driver, mine);
        driver.functions.retain(|function| !mine(&function.context));
        driver.modules.retain(|module| !mine(&module.context));
        driver.streams.retain(|stream| !mine(&stream.context));
        driver.events.retain(|event| !mine(&event.context));
        driver.executables.retain(|executable| !mine(&executable.context));
        memory::free_all(driver, mine);
    }

    fn destroy(&self, driver: &Driver) -> Result<()> {
        self.clear(driver);
        lock(&self.state).destroyed = true;
        driver.contexts.remove(self.handle)?;
        STACK.with_borrow_mut(|stack| {
            if stack.last().is_some_and(|top| top.handle == self.handle) {
                stack.pop();
            }
        });
        Ok(())
    }
}

fn check_flags(flags: c_uint) -> Result<()> {
    if flags & !FLAGS != 0 || !WAITING.contains(&(flags & 7)) {
        return Err(Code::InvalidValue.because(format!("flags {flags:#x} of a context")));
    }
    Ok(())
}

/// The driver and the context that is current, which may be used.
pub(super) fn current() -> Result<(&'static Driver, Arc<Context>)> {
    let (driver, context) = (driver()?, top()?);
    context.check()?;
    Ok((driver, context))
}

/// The context that is current, even if nothing works in it any more.
fn top() -> Result<Arc<Context>> {
    driver()?;
    STACK.with_borrow(|stack| stack.last().cloned()).ok_or_else(|| Code::InvalidContext.into())
}

/// The context of a handle.
fn get(handle: Handle) -> Result<Arc<Context>> {
    driver()?.contexts.get(handle).map_err(|error| error.with_code(Code::InvalidContext))
}

fn limit(number: c_uint) -> Result<usize> {
    usize::try_from(number).ok().filter(|limit| *limit < LIMITS.len()).ok_or_else(|| {
        Code::UnsupportedLimit.because(format!("limit {number} of a context is not simulated"))
    })
}

fn create(flags: c_uint, number: c_int) -> Result<Handle> {
    let context = Context::create(device::check(number)?, flags, false)?;
    let handle = context.handle;
    STACK.with_borrow_mut(|stack| stack.push(context));
    Ok(handle)
}

fn retain(number: c_int) -> Result<Handle> {
    let driver = device::check(number)?;
    let mut primary = lock(&driver.primary);
    let context = match &primary.context {
        Some(context) => context.clone(),
        None => Context::create(driver, primary.flags, true)?,
    };
    primary.retained += 1;
    let handle = context.handle;
    primary.context = Some(context);
    Ok(handle)
}

fn release(number: c_int) -> Result<()> {
    let driver = device::check(number)?;
    let mut primary = lock(&driver.primary);
    let Some(context) = primary.context.clone() else {
        return Err(Code::InvalidContext.because("the primary context has not been retained"));
    };
    primary.retained -= 1;
    if primary.retained == 0 {
        primary.context = None;
        context.destroy(driver)?;
    }
    Ok(())
}

/// Empties the primary context, which stays with those that have retained it, sound again.
fn reset(number: c_int) -> Result<()> {
    let driver = device::check(number)?;
    if let Some(context) = lock(&driver.primary).context.clone() {
        context.clear(driver);
        lock(&context.state).broken = None;
    }
    Ok(())
}

fn set_primary_flags(number: c_int, flags: c_uint) -> Result<()> {
    check_flags(flags)?;
    let mut primary = lock(&device::check(number)?.primary);
    primary.flags = flags;
    if let Some(context) = &primary.context {
        lock(&context.state).flags = flags;
    }
    Ok(())
}

fn set_current(handle: Handle) -> Result<()> {
    driver()?;
    let next = if handle == 0 { None } else { Some(get(handle)?) };
    STACK.with_borrow_mut(|stack| {
        stack.pop();
        stack.extend(next);
    });
    Ok(())
}

/// Waits for all work: it is done. What is told is whether it went well.
fn synchronize(driver: &Driver, context: &Context) -> Result<()> {
    driver.launches.settle(context);
    capture::forbid_in_context(driver, context)
}

api! {
    fn cuDevicePrimaryCtxRetain(context: Out<Handle>, number: c_int) {
        context.write(retain(number)?)
    }

    fn cuDevicePrimaryCtxRelease_v2(number: c_int) {
        release(number)
    }

    fn cuDevicePrimaryCtxReset_v2(number: c_int) {
        reset(number)
    }

    fn cuDevicePrimaryCtxSetFlags_v2(number: c_int, flags: c_uint) {
        set_primary_flags(number, flags)
    }

    fn cuDevicePrimaryCtxGetState(number: c_int, flags: Out<c_uint>, active: Out<c_int>) {
        let primary = lock(&device::check(number)?.primary);
        flags.write(primary.flags)?;
        active.write(primary.context.is_some().into())
    }

    fn cuCtxCreate_v2(context: Out<Handle>, flags: c_uint, number: c_int) {
        context.write(create(flags, number)?)
    }

    fn cuCtxCreate_v3(
        context: Out<Handle>, affinity: In<u8>, _len: c_int, flags: c_uint, number: c_int,
    ) {
        if !affinity.is_null() {
            return Err(Code::NotSupported.because("execution affinity is not simulated"));
        }
        context.write(create(flags, number)?)
    }

    fn cuCtxCreate_v4(context: Out<Handle>, more: In<[u64; 3]>, flags: c_uint, number: c_int) {
        // Affinity, its length, and graphics.
        if !more.is_null() && more.read()? != [0; 3] {
            return Err(Code::NotSupported.because("parameters of a context are not simulated"));
        }
        context.write(create(flags, number)?)
    }

    fn cuCtxDestroy_v2(handle: Handle) {
        let context = get(handle)?;
        if context.is_primary {
            return Err(Code::InvalidContext.because("the primary context is released, not destroyed"));
        }
        context.destroy(driver()?)
    }

    fn cuCtxPushCurrent_v2(handle: Handle) {
        let context = get(handle)?;
        STACK.with_borrow_mut(|stack| stack.push(context));
        Ok(())
    }

    fn cuCtxPopCurrent_v2(context: Out<Handle>) {
        context.write_if_wanted(top()?.handle);
        STACK.with_borrow_mut(Vec::pop);
        Ok(())
    }

    fn cuCtxSetCurrent(handle: Handle) {
        set_current(handle)
    }

    fn cuCtxGetCurrent(context: Out<Handle>) {
        driver()?;
        let top = STACK.with_borrow(|stack| stack.last().map(|context| context.handle));
        context.write(top.unwrap_or(0))
    }

    fn cuCtxGetDevice(number: Out<c_int>) {
        top()?;
        number.write(0)
    }

    fn cuCtxGetApiVersion(handle: Handle, version: Out<c_uint>) {
        if handle == 0 { top()? } else { get(handle)? };
        // Of contexts, whose interface has been the same for long.
        version.write(3020)
    }

    fn cuCtxGetId(handle: Handle, id: Out<u64>) {
        let context = if handle == 0 { top()? } else { get(handle)? };
        id.write(context.handle)
    }

    fn cuCtxGetFlags(flags: Out<c_uint>) {
        flags.write(lock(&current()?.1.state).flags)
    }

    fn cuCtxGetLimit(value: Out<usize>, number: c_uint) {
        let (_, context) = current()?;
        let number = limit(number)?;
        value.write(lock(&context.state).limits[number])
    }

    fn cuCtxSetLimit(number: c_uint, value: usize) {
        let (_, context) = current()?;
        lock(&context.state).limits[limit(number)?] = value;
        Ok(())
    }

    fn cuCtxGetCacheConfig(config: Out<c_uint>) {
        config.write(lock(&current()?.1.state).cache)
    }

    fn cuCtxSetCacheConfig(config: c_uint) {
        let (_, context) = current()?;
        if config > 3 {
            return Err(Code::InvalidValue.into());
        }
        lock(&context.state).cache = config;
        Ok(())
    }

    fn cuCtxGetSharedMemConfig(config: Out<c_uint>) {
        config.write(lock(&current()?.1.state).banks)
    }

    fn cuCtxSetSharedMemConfig(config: c_uint) {
        let (_, context) = current()?;
        if config > 2 {
            return Err(Code::InvalidValue.into());
        }
        lock(&context.state).banks = config;
        Ok(())
    }

    fn cuCtxGetStreamPriorityRange(least: Out<c_int>, greatest: Out<c_int>) {
        current()?;
        let range = super::stream::PRIORITIES;
        least.write_if_wanted(*range.end());
        greatest.write_if_wanted(*range.start());
        Ok(())
    }

    fn cuCtxSynchronize() {
        let (driver, context) = current()?;
        synchronize(driver, &context)
    }
}
