//! libNVVM: NVIDIA's compiler from LLVM IR to PTX.
//!
//! It is loaded at run time, since it is there only where someone asked for it. For compute_100 and
//! later it reads LLVM IR of today's rustc as it is, but for two things: the module must say which
//! version of NVVM IR it is, and its data layout must be libNVVM's own.

use crate::{Arch, error::Error, ir::Module};
use libloading::Library;
use std::{
    ffi::{CStr, CString, c_char, c_int},
    path::Path,
    ptr,
};

/// The data layout of NVVM IR for 64-bit pointers, as libNVVM prints it where it refuses another.
const DATA_LAYOUT: &str = "e-p:64:64:64-p6:32:32:32-i1:8:8-i8:8:8-i16:16:16-i32:32:32-i64:64:64-\
    i128:128:128-f32:32:32-f64:64:64-f128:128:128-v16:16:16-v32:32:32-v64:64:64-v128:128:128-n16:32:64-a:8:8";

/// The LLVM whose IR we have.
const LLVM: c_int = 22;

type Program = *mut std::ffi::c_void;
/// `nvvmResult`; 0 is success.
type Status = c_int;
/// The functions that fetch a size, and those that fetch the text of that size.
type GetSize = unsafe extern "C" fn(Program, *mut usize) -> Status;
type GetText = unsafe extern "C" fn(Program, *mut c_char) -> Status;

pub(crate) struct Nvvm {
    library: Library,
}

impl Nvvm {
    pub(crate) fn load(path: &Path) -> Result<Self, Error> {
        // SAFETY: libNVVM's initialisers have no preconditions.
        let library = unsafe { Library::new(path) };
        Ok(Self { library: library.map_err(|error| failed("load", &error.to_string()))? })
    }

    pub(crate) fn compile(&self, module: &Module, arch: Arch) -> Result<String, Error> {
        self.accepts(arch)?;
        let text = self.as_nvvm_ir(module)?;
        let mut program = ProgramGuard { nvvm: self, program: ptr::null_mut() };
        let create =
            self.function::<unsafe extern "C" fn(*mut Program) -> Status>(c"nvvmCreateProgram")?;
        // SAFETY: the out-pointer is valid; the guard destroys what it receives.
        let status = unsafe { create(&mut program.program) };
        check("nvvmCreateProgram", status, String::new)?;

        let add = self.function::<unsafe extern "C" fn(
            Program,
            *const c_char,
            usize,
            *const c_char,
        ) -> Status>(c"nvvmAddModuleToProgram")?;
        // SAFETY: the program lives; the text is valid for its length and the name ends in a NUL.
        let status =
            unsafe { add(program.program, text.as_ptr().cast(), text.len(), c"kernels".as_ptr()) };
        check("nvvmAddModuleToProgram", status, || program.log())?;

        let compile = self
            .function::<unsafe extern "C" fn(Program, c_int, *const *const c_char) -> Status>(
                c"nvvmCompileProgram",
            )?;
        let target = CString::new(format!("-arch={}", arch.compute())).expect("names have no NUL");
        let options = [target.as_ptr(), c"-opt=3".as_ptr()];
        // SAFETY: the program lives; two options follow, each ending in a NUL.
        let status = unsafe { compile(program.program, 2, options.as_ptr()) };
        check("nvvmCompileProgram", status, || program.log())?;
        program.text(c"nvvmGetCompiledResultSize", c"nvvmGetCompiledResult")
    }

    /// Refuses an architecture whose code generator is of another LLVM.
    fn accepts(&self, arch: Arch) -> Result<(), Error> {
        let version = self.function::<unsafe extern "C" fn(*const c_char, *mut c_int) -> Status>(
            c"nvvmLLVMVersion",
        )?;
        let target = CString::new(arch.compute()).expect("names have no NUL");
        let mut major = 0;
        // SAFETY: the name ends in a NUL and the out-pointer is valid.
        let status = unsafe { version(target.as_ptr(), &mut major) };
        match status {
            0 if major == LLVM => Ok(()),
            _ => Err(Error::NvvmArch { arch, rustc: LLVM.unsigned_abs() }),
        }
    }

    /// The module as libNVVM wants it.
    fn as_nvvm_ir(&self, module: &Module) -> Result<String, Error> {
        let version = self.function::<unsafe extern "C" fn(
            *mut c_int,
            *mut c_int,
            *mut c_int,
            *mut c_int,
        ) -> Status>(c"nvvmIRVersion")?;
        let [mut major, mut minor, mut debug_major, mut debug_minor] = [0; 4];
        // SAFETY: the four out-pointers are valid.
        let status = unsafe { version(&mut major, &mut minor, &mut debug_major, &mut debug_minor) };
        check("nvvmIRVersion", status, String::new)?;

        let mut text = String::new();
        for line in &module.lines {
            if line.starts_with("target datalayout = ") {
                text.push_str(&format!("target datalayout = \"{DATA_LAYOUT}\"\n"));
            } else {
                text.push_str(line);
                text.push('\n');
            }
        }
        let taken =
            module.lines.iter().filter_map(|line| line.strip_prefix('!')?.split_once(" = "));
        let free =
            taken.filter_map(|(number, _)| number.parse::<u32>().ok()).max().map_or(0, |n| n + 1);
        text.push_str(&format!(
            "!nvvmir.version = !{{!{free}}}\n\
             !{free} = !{{i32 {major}, i32 {minor}, i32 {debug_major}, i32 {debug_minor}}}\n"
        ));
        Ok(text)
    }

    /// A function of the library. `F` must be its type.
    fn function<F: Copy>(&self, name: &CStr) -> Result<F, Error> {
        // SAFETY: every caller states the type that NVIDIA's header `nvvm.h` gives for that name, and
        // the library outlives each use, which happens under `&self`.
        let symbol = unsafe { self.library.get::<F>(name.to_bytes_with_nul()) };
        symbol.map(|symbol| *symbol).map_err(|error| failed("load", &error.to_string()))
    }
}

struct ProgramGuard<'a> {
    nvvm: &'a Nvvm,
    program: Program,
}

impl ProgramGuard<'_> {
    fn log(&self) -> String {
        self.text(c"nvvmGetProgramLogSize", c"nvvmGetProgramLog").unwrap_or_default()
    }

    fn text(&self, get_size: &CStr, get_text: &CStr) -> Result<String, Error> {
        let name = get_text.to_string_lossy().into_owned();
        let get_size: GetSize = self.nvvm.function(get_size)?;
        let get_text: GetText = self.nvvm.function(get_text)?;
        let mut size = 0;
        // SAFETY: the program lives and the out-pointer is valid.
        let status = unsafe { get_size(self.program, &mut size) };
        check(&name, status, String::new)?;
        let mut text = vec![0u8; size];
        // SAFETY: the program lives and the buffer has the size that it asked for.
        let status = unsafe { get_text(self.program, text.as_mut_ptr().cast()) };
        check(&name, status, String::new)?;
        // The size counts the NUL at the end.
        text.truncate(text.iter().position(|byte| *byte == 0).unwrap_or(text.len()));
        String::from_utf8(text).map_err(|error| failed(&name, &error.to_string()))
    }
}

impl Drop for ProgramGuard<'_> {
    fn drop(&mut self) {
        let destroy = self
            .nvvm
            .function::<unsafe extern "C" fn(*mut Program) -> Status>(c"nvvmDestroyProgram");
        if let Ok(destroy) = destroy
            && !self.program.is_null()
        {
            // SAFETY: the program was created by this library and is used no more.
            unsafe { destroy(&mut self.program) };
        }
    }
}

fn check(action: &str, status: Status, log: impl FnOnce() -> String) -> Result<(), Error> {
    if status == 0 { Ok(()) } else { Err(failed(action, &format!("error {status}\n{}", log()))) }
}

fn failed(action: &str, message: &str) -> Error {
    Error::Tool { tool: "libNVVM", crate_name: None, message: format!("{action}: {message}") }
}
