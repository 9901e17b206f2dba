//! Modules: PTX that is loaded, its functions and variables.

use std::collections::HashMap;
use std::ffi::{c_char, c_uint};
use std::sync::{Arc, Mutex};

use super::abi::{In, InOut, Out, Text};
use super::context::{Context, current};
use super::error::{Code, Result};
use super::function::Function;
use super::table::Handle;
use super::{Driver, lock};
use crate::Module;

/// A module that was loaded.
pub(super) struct Loaded {
    pub(super) context: Arc<Context>,
    module: Module,
    /// Functions that were asked for, by name: the same handle each time.
    functions: Mutex<HashMap<String, Handle>>,
}

/// What begins an image that is no PTX.
const BINARIES: [(&[u8], &str); 3] = [
    (b"\x7fELF", "a cubin"),
    (b"\x50\xed\x55\xba", "a fat binary"),
    (b"\xb1\x43\x62\x46", "a wrapped fat binary"),
];

fn load(image: &[u8]) -> Result<Handle> {
    let (driver, context) = current()?;
    if let Some((_, what)) = BINARIES.iter().find(|(magic, _)| image.starts_with(magic)) {
        let story =
            format!("the image is {what}: machine code, which cannot be simulated; load PTX");
        return Err(Code::NoBinaryForGpu.because(story));
    }
    let ptx = std::str::from_utf8(image)
        .map_err(|error| Code::InvalidImage.because(format!("the image is no text: {error}")))?;
    let module = driver.machine.load(ptx);
    let module = module.map_err(|error| Code::InvalidPtx.because(error.to_string()))?;
    let mut loaded = 0;
    driver.modules.insert(|handle| {
        loaded = handle;
        Loaded { context, module, functions: Mutex::default() }
    });
    Ok(loaded)
}

fn load_file(path: &[u8]) -> Result<Handle> {
    current()?;
    let path = String::from_utf8_lossy(path);
    let image = std::fs::read(&*path)
        .map_err(|error| Code::FileNotFound.because(format!("{path}: {error}")))?;
    load(&image)
}

/// The options of `cuModuleLoadDataEx` that name a log and its size. Others direct the compiler of machine
/// code, and there is none.
#[derive(Clone, Copy)]
enum LogOption {
    Info = 3,
    Error = 5,
}

/// One past the last `CUjit_option`.
const OPTIONS: c_uint = 36;

/// Loads, and writes the logs that were asked for. The value of a size is replaced by what was written.
fn load_with_logs(image: &[u8], options: &[c_uint], values: InOut<usize>) -> Result<Handle> {
    if let Some(option) = options.iter().find(|option| **option >= OPTIONS) {
        return Err(Code::InvalidValue.because(format!("option {option} of a compiler")));
    }
    let loaded = load(image);
    let message = loaded.as_ref().err().map(ToString::to_string).unwrap_or_default();
    for (log, text) in [(LogOption::Info, ""), (LogOption::Error, &message)] {
        let find = |number| options.iter().position(|option| *option == number);
        let (Some(buffer), Some(size)) = (find(log as c_uint), find(log as c_uint + 1)) else {
            continue;
        };
        let room = values.input().at(size)?;
        let text = &text.as_bytes()[..text.len().min(room.saturating_sub(1))];
        if room > 0 {
            let buffer: Out<c_char> = values.input().cast::<Out<c_char>>().at(buffer)?;
            buffer.write_all(text.iter().chain(&[0]).map(|byte| *byte as c_char))?;
        }
        values.output().at(size).write(text.len())?;
    }
    loaded
}

fn unload(driver: &Driver, handle: Handle) -> Result<()> {
    driver.modules.remove(handle)?;
    driver.functions.retain(|function| function.module != handle);
    Ok(())
}

impl Drop for Loaded {
    /// However a module goes, with its context or by itself, its variables go too.
    fn drop(&mut self) {
        if let Ok(driver) = super::driver() {
            driver.machine.unload(&self.module);
        }
    }
}

fn function(module: Handle, name: &str) -> Result<Handle> {
    let (driver, _) = current()?;
    let loaded = driver.modules.get(module)?;
    let mut functions = lock(&loaded.functions);
    if let Some(handle) = functions.get(name) {
        return Ok(*handle);
    }
    let code = loaded
        .module
        .function(name)
        .ok_or_else(|| Code::NotFound.because(format!("the module has no kernel {name}")))?;
    let function = Function::new(driver, loaded.context.clone(), module, code);
    functions.insert(name.into(), function.handle);
    Ok(function.handle)
}

fn global(module: Handle, name: &str) -> Result<(u64, u64)> {
    let (driver, _) = current()?;
    let found = driver.modules.get(module)?.module.global(name);
    found.ok_or_else(|| Code::NotFound.because(format!("the module has no variable {name}")))
}

api! {
    fn cuModuleLoad(module: Out<Handle>, path: Text) {
        module.write(load_file(path.bytes()?)?)
    }

    fn cuModuleLoadData(module: Out<Handle>, image: Text) {
        module.write(load(image.bytes()?)?)
    }

    fn cuModuleLoadDataEx(
        module: Out<Handle>, image: Text, count: c_uint, options: In<c_uint>, values: InOut<usize>,
    ) {
        let options = if count == 0 { Vec::new() } else { options.all(count as usize)? };
        module.write(load_with_logs(image.bytes()?, &options, values)?)
    }

    fn cuModuleLoadFatBinary(_module: Out<Handle>, _image: Text) {
        let story = "the image is a fat binary: machine code, which cannot be simulated; load PTX";
        Err(Code::NoBinaryForGpu.because(story))
    }

    fn cuModuleUnload(module: Handle) {
        let (driver, _) = current()?;
        unload(driver, module)
    }

    fn cuModuleGetFunction(handle: Out<Handle>, module: Handle, name: Text) {
        handle.write(function(module, name.read()?)?)
    }

    fn cuModuleGetGlobal_v2(address: Out<u64>, bytes: Out<usize>, module: Handle, name: Text) {
        let (at, len) = global(module, name.read()?)?;
        address.write_if_wanted(at);
        bytes.write_if_wanted(len as usize);
        Ok(())
    }

    fn cuModuleGetLoadingMode(mode: Out<c_uint>) {
        // Eager.
        mode.write(1)
    }
}
