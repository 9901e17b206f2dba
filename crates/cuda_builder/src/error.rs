use crate::{Arch, toolchain::MissingTool};
use std::{io, path::PathBuf};

/// Why a build failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A piece of the toolchain is not on this machine.
    #[error(transparent)]
    MissingTool(#[from] MissingTool),

    /// A file or folder could not be read or written.
    #[error("cannot {action} {path}: {source}", path = path.display())]
    Io {
        /// What was tried: "read", "write", ...
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },

    /// A tool of the toolchain ran and reported failure.
    #[error("{tool} failed{}:\n{message}", crate_name.as_ref().map(|name| format!(" on crate `{name}`")).unwrap_or_default())]
    Tool {
        /// Its name: "cargo", "opt", ...
        tool: &'static str,
        /// The crate that was built, where the tool knows it.
        crate_name: Option<String>,
        /// What it printed.
        message: String,
    },

    /// A tool printed something else than expected.
    #[error("{tool} printed something unexpected: expected {expected}, got {got}")]
    UnexpectedOutput {
        /// Its name.
        tool: &'static str,
        /// What should have been there.
        expected: &'static str,
        /// What was.
        got: String,
    },

    /// No architecture was chosen.
    #[error("no architecture was chosen: call `CudaBuilder::arch`")]
    NoArch,

    /// The crate has no kernels.
    #[error("crate `{crate_name}` defines no `extern \"ptx-kernel\"` function")]
    NoKernels {
        /// The crate's name.
        crate_name: String,
    },

    /// libNVVM has no code generator for this architecture that reads rustc's LLVM IR.
    #[error(
        "libNVVM cannot compile for {arch}: it takes LLVM {rustc} from rustc only for compute_100 and later"
    )]
    NvvmArch {
        /// The architecture asked for.
        arch: Arch,
        /// The LLVM version of rustc.
        rustc: u32,
    },

    /// A launch-bounds marker is wrong.
    #[error("launch bounds `{marker}`: {reason}")]
    LaunchBounds {
        /// The marker's symbol.
        marker: String,
        /// What is wrong with it.
        reason: String,
    },

    /// A kernel uses an aggregate parameter in a way that the builder does not know.
    #[error(
        "kernel `{kernel}`: expected rustc to store an aggregate parameter and do nothing else with it, got `{ir}`"
    )]
    Parameter {
        /// The kernel.
        kernel: String,
        /// The line of LLVM IR.
        ir: String,
    },

    /// Code that can panic is in the PTX: a bounds check, an overflow check, a division, an `unwrap`.
    #[error("crate `{crate_name}` can panic, which a kernel must not: {chain}")]
    Panics {
        /// The crate's name.
        crate_name: String,
        /// Who calls whom, from the kernel to the panic.
        chain: String,
    },

    /// The PTX calls a function that nothing defines.
    #[error("crate `{crate_name}` calls `{function}`, which nothing defines: {chain}")]
    Unresolved {
        /// The crate's name.
        crate_name: String,
        /// The function.
        function: String,
        /// Who calls whom, from the kernel to the function.
        chain: String,
    },

    /// A barrier, shuffle or other collective of the source is not in the PTX as it should be.
    #[error("function `{function}`: the collective `{collective}` of the source {problem}")]
    Collective {
        /// The kernel or function that contains it.
        function: String,
        /// Its assembly.
        collective: String,
        /// What happened to it.
        problem: String,
    },
}
