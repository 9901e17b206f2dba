//! Finding the tools.
//!
//! A [`Toolchain`] is a Rust compiler with the sources of its library, and LLVM's tools of the same
//! version. [`Toolchain::discover`] looks, in this order, at
//!
//! 1. the environment: `CUDA_BUILDER_SYSROOT` is a folder with `bin/rustc` and `bin/cargo` (and
//!    `CUDA_BUILDER_LLVM` the folder of `opt`, `llc` and `llvm-link`, where that is not with it);
//! 2. Debian's packages `rustc-web`, `cargo-web`, `rust-web-src` and `llvm-22`;
//! 3. rustup's `nightly` with the components `rust-src` and `llvm-tools`.
//!
//! NVIDIA's tools, [`ptxas`] and [`libnvvm`], are looked for in the environment
//! (`CUDA_BUILDER_PTXAS`, `CUDA_BUILDER_LIBNVVM`), among wheels from PyPI that were unpacked into a
//! folder `CUDA_BUILDER_TOOLCHAIN`, and on the search path.

mod nvidia;
mod sysroot;

pub use nvidia::{libnvvm, nvdisasm, ptxas};
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};
use sysroot::Sysroot;

/// The oldest LLVM that knows the function attributes of the fix-ups.
const OLDEST_LLVM: u32 = 22;

/// Something that a build needs and that is not on this machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{tool} was not found: {reason}\n{remedy}")]
pub struct MissingTool {
    /// What it is.
    pub tool: &'static str,
    /// Where it was looked for, and what was there.
    pub reason: String,
    /// How to get it.
    pub remedy: &'static str,
}

/// A Rust compiler for GPUs, the sources of its library, and LLVM's tools of its version.
#[derive(Clone, Debug)]
pub struct Toolchain {
    pub(crate) rustc: PathBuf,
    pub(crate) cargo: PathBuf,
    /// The sources of the compiler's library.
    pub(crate) library: PathBuf,
    pub(crate) opt: PathBuf,
    pub(crate) llc: PathBuf,
    pub(crate) llvm_link: PathBuf,
    versions: Versions,
}

/// What a PTX depends on besides its sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// `rustc 1.96.0 (ac68faa20 2026-05-25)`
    pub rustc: String,
    /// The version of LLVM in that rustc: `22.1.8`.
    pub rustc_llvm: String,
    /// The version of LLVM's tools: `22.1.8`.
    pub llvm: String,
}

const REMEDY: &str = "On Debian: apt-get install rustc-web cargo-web rust-web-src llvm-22. \
    Elsewhere: rustup toolchain install nightly --component rust-src --component llvm-tools.";

impl Toolchain {
    /// Looks for a toolchain (see the [module](self)); the first one that is whole is taken.
    pub fn discover() -> Result<Self, MissingTool> {
        if let Some(root) = env::var_os("CUDA_BUILDER_SYSROOT") {
            let found = Self::at(Path::new(&root));
            return found.map_err(|reason| missing(format!("CUDA_BUILDER_SYSROOT: {reason}")));
        }
        let debian = match Self::at(Path::new("/usr")) {
            Ok(toolchain) => return Ok(toolchain),
            Err(reason) => reason,
        };
        let rustup = match sysroot::rustup_nightly() {
            Ok(root) => match Self::at(&root) {
                Ok(toolchain) => return Ok(toolchain),
                Err(reason) => reason,
            },
            Err(reason) => reason,
        };
        Err(missing(format!("CUDA_BUILDER_SYSROOT is not set; Debian: {debian}; rustup: {rustup}")))
    }

    /// The toolchain of this sysroot, or what it lacks.
    fn at(root: &Path) -> Result<Self, String> {
        let sysroot = Sysroot::at(root)?;
        if sysroot.llvm_major < OLDEST_LLVM {
            let version = &sysroot.version;
            return Err(format!(
                "{version} has LLVM {}, expected {OLDEST_LLVM} or later",
                sysroot.llvm
            ));
        }
        let bin = sysroot.llvm_tools()?;
        let tool = |name: &str| bin.join(format!("{name}{}", env::consts::EXE_SUFFIX));
        let versions = Versions {
            rustc: sysroot.version,
            rustc_llvm: sysroot.llvm,
            llvm: llvm_version(&tool("opt"))?,
        };
        Ok(Self {
            rustc: sysroot.rustc,
            cargo: sysroot.cargo,
            library: sysroot.library,
            opt: tool("opt"),
            llc: tool("llc"),
            llvm_link: tool("llvm-link"),
            versions,
        })
    }

    /// What the PTX depends on besides its sources.
    pub fn versions(&self) -> &Versions {
        &self.versions
    }

    /// The compiler.
    pub fn rustc(&self) -> &Path {
        &self.rustc
    }

    /// The cargo that belongs to the compiler.
    pub fn cargo(&self) -> &Path {
        &self.cargo
    }

    /// The sources of the compiler's library.
    pub fn library(&self) -> &Path {
        &self.library
    }

    /// LLVM's optimiser; `llc` and `llvm-link` lie beside it.
    pub fn opt(&self) -> &Path {
        &self.opt
    }
}

fn missing(reason: String) -> MissingTool {
    MissingTool { tool: "a Rust compiler for GPUs", reason, remedy: REMEDY }
}

fn llvm_version(opt: &Path) -> Result<String, String> {
    let printed = output(Command::new(opt).arg("--version"))?;
    printed
        .lines()
        .find_map(|line| {
            line.split_once("LLVM version ").map(|(_, version)| version.trim().to_owned())
        })
        .ok_or_else(|| format!("{} --version names no version of LLVM", opt.display()))
}

/// What a command printed, or why it did not run.
fn output(command: &mut Command) -> Result<String, String> {
    let program = Path::new(command.get_program()).display().to_string();
    match command.output() {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            let message = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "{program} failed: {}",
                message.lines().next().unwrap_or("it says nothing")
            ))
        }
        Err(error) => Err(format!("{program}: {error}")),
    }
}
