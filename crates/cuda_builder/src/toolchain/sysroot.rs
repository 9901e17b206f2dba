//! A Rust compiler and what lies beside it.

use super::output;
use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

/// A compiler that has the sources of its library.
#[derive(Debug)]
pub(super) struct Sysroot {
    pub(super) rustc: PathBuf,
    pub(super) cargo: PathBuf,
    pub(super) library: PathBuf,
    /// `rustc 1.96.0 (ac68faa20 2026-05-25)`
    pub(super) version: String,
    /// `22.1.8`
    pub(super) llvm: String,
    pub(super) llvm_major: u32,
    /// Where rustup puts LLVM's tools.
    rustup_tools: PathBuf,
}

impl Sysroot {
    pub(super) fn at(root: &Path) -> Result<Self, String> {
        let program = |name: &str| {
            let path = root.join("bin").join(format!("{name}{}", env::consts::EXE_SUFFIX));
            if path.is_file() { Ok(path) } else { Err(format!("there is no {}", path.display())) }
        };
        let (rustc, cargo) = (program("rustc")?, program("cargo")?);
        let rustlib = root.join("lib").join("rustlib");
        let library = rustlib.join("src").join("rust").join("library");
        if !library.join("Cargo.lock").is_file() {
            return Err(format!("the library's sources are not at {}", library.display()));
        }

        let verbose = output(Command::new(&rustc).arg("-vV"))?;
        let field = |name: &str| {
            let line = verbose.lines().find_map(|line| line.strip_prefix(name));
            line.ok_or_else(|| format!("{} -vV prints no `{name}`", rustc.display()))
        };
        let llvm = field("LLVM version: ")?.to_owned();
        let major = llvm.split('.').next().and_then(|major| major.parse().ok());
        let llvm_major = major.ok_or_else(|| format!("`{llvm}` is no version of LLVM"))?;
        let rustup_tools = rustlib.join(field("host: ")?).join("bin");
        // The first line may say more, such as how the distribution built it.
        let version = match verbose.lines().next() {
            Some(line) => line.split_inclusive(')').next().unwrap_or(line).to_owned(),
            None => String::new(),
        };
        Ok(Self { version, llvm, llvm_major, rustup_tools, rustc, cargo, library })
    }

    /// The folder of `opt`, `llc` and `llvm-link` of the compiler's LLVM.
    pub(super) fn llvm_tools(&self) -> Result<PathBuf, String> {
        let debian = PathBuf::from(format!("/usr/lib/llvm-{}/bin", self.llvm_major));
        let folders = match env::var_os("CUDA_BUILDER_LLVM") {
            Some(folder) => vec![PathBuf::from(folder)],
            None => vec![self.rustup_tools.clone(), debian],
        };
        let has = |folder: &Path, tool: &str| {
            folder.join(format!("{tool}{}", env::consts::EXE_SUFFIX)).is_file()
        };
        folders
            .iter()
            .find(|folder| ["opt", "llc", "llvm-link"].iter().all(|tool| has(folder, tool)))
            .cloned()
            .ok_or_else(|| {
                let looked: Vec<_> =
                    folders.iter().map(|path| path.display().to_string()).collect();
                format!(
                    "opt, llc and llvm-link of LLVM {} are not in {}",
                    self.llvm_major,
                    looked.join(" nor in ")
                )
            })
    }
}

/// The sysroot of rustup's nightly.
pub(super) fn rustup_nightly() -> Result<PathBuf, String> {
    let mut rustup = Command::new("rustup");
    rustup.args(["run", "nightly", "rustc", "--print", "sysroot"]);
    output(&mut rustup).map(|root| PathBuf::from(root.trim()))
}
