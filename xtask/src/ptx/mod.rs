//! `cargo xtask ptx`: builds `host/ptx` from the kernels, and checks what is there.

mod audit;
mod check;
mod compare;
mod describe;
mod fingerprint;
mod manifest;

use crate::workspace;
use anyhow::{Context, Result, anyhow, bail};
use cuda_builder::{Arch, CudaBuilder, Error, Output, toolchain};
use manifest::{Compiler, File, Manifest};
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The architectures that there is a PTX for.
const ARCHS: [Arch; 5] = [Arch::Sm80, Arch::Sm90a, Arch::Sm100, Arch::Sm100f, Arch::Sm120];

#[derive(clap::Args)]
pub struct Ptx {
    /// Change nothing, and fail if what is checked in is not what the sources give.
    #[arg(long)]
    pub check: bool,
    /// Rebuild the file of one architecture alone, and leave the manifest as it is: while a kernel is being
    /// written.
    #[arg(long, conflicts_with = "check")]
    pub only: Option<Arch>,
    /// Change nothing, but compare what ptxas makes of the kernels for one architecture by LLVM and by libNVVM.
    #[arg(long, conflicts_with_all = ["check", "only"])]
    pub compare: Option<Arch>,
    /// Write `host/ptx/abi.json` alone, the kernels as data, for which no kernel is built.
    #[arg(long, conflicts_with_all = ["check", "only", "compare"])]
    pub describe: bool,
}

/// A PTX, its report and what is wrong with it.
struct Built {
    file: File,
    ptx: String,
    findings: Vec<cuda_builder::audit::Finding>,
}

impl Ptx {
    pub fn run(self) -> Result<ExitCode> {
        if let Some(arch) = self.compare {
            compare::print(arch)?;
            return Ok(ExitCode::SUCCESS);
        }
        let folder = workspace::root().join("host").join("ptx");
        if self.describe {
            write_description(&folder)?;
            return Ok(ExitCode::SUCCESS);
        }
        let problems =
            if self.check { check::check(&folder)? } else { rebuild(&folder, self.only)? };
        for problem in &problems {
            eprintln!("{problem}");
        }
        Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Builds everything, examines it, and writes it: also what is found wanting, to be looked at.
fn rebuild(folder: &Path, only: Option<Arch>) -> Result<Vec<String>> {
    let (manifest, built) = build_all(only)?;
    audit::print(&built);
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    for Built { file, ptx, .. } in &built {
        write(&folder.join(&file.name), ptx)?;
    }
    if only.is_none() {
        write(&folder.join(manifest::NAME), &manifest.to_text()?)?;
        write_description(folder)?;
    }
    Ok(audit::problems(&built))
}

/// Writes what callers in other languages read, unless it breaks what they were promised.
fn write_description(folder: &Path) -> Result<()> {
    let path = folder.join(describe::NAME);
    let now = fs::read_to_string(&path).ok();
    write(&path, &describe::text(now.as_deref())?)
}

/// What the sources give: the PTX of each architecture, and the manifest that belongs to them.
fn build_all(only: Option<Arch>) -> Result<(Manifest, Vec<Built>)> {
    let ptxas = toolchain::ptxas().context("run `cargo xtask setup`")?;
    let scratch = scratch()?;
    let mut compiler = None;
    let mut built = Vec::new();
    for arch in ARCHS.into_iter().filter(|arch| only.is_none_or(|only| only == *arch)) {
        let name = format!("msa_{arch}.ptx");
        let path = scratch.join(&name);
        let output = CudaBuilder::new(workspace::root().join("kernels-gpu"))
            .arch(arch)
            .copy_to(&path)
            .build()
            .map_err(|error| match error {
                Error::MissingTool(_) => anyhow!(error).context("run `cargo xtask setup`"),
                _ => anyhow!(error),
            })
            .with_context(|| format!("cannot build {name}"))?;
        let Output { ptx, versions, warnings, .. } = output;
        if !warnings.is_empty() {
            bail!("the kernels compile with warnings for {arch}:\n{warnings}");
        }
        built.push(audit::examine(&name, ptx, arch, &ptxas, &scratch)?);
        compiler = Some(versions);
    }
    let versions = compiler.context("there are no architectures")?;
    let manifest = Manifest {
        compiler: Compiler::of(&versions, &ptxas)?,
        sources: fingerprint::of_sources()?,
        files: built.iter().map(|built| built.file.clone()).collect(),
    };
    Ok((manifest, built))
}

/// A folder for what is assembled.
fn scratch() -> Result<PathBuf> {
    let folder = workspace::root().join("target").join("ptx");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a file of `host/ptx`.
fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path)
        .with_context(|| format!("cannot read {}; `cargo xtask ptx` makes it", path.display()))
}
