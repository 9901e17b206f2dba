use super::fingerprint;
use anyhow::{Context, Result, anyhow};
use cuda_builder::{
    audit::{Resources, ptxas_version},
    toolchain::Versions,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// Its name in `host/ptx`.
pub const NAME: &str = "manifest.toml";

const HEADER: &str = "\
# Written by `cargo xtask ptx`; `cargo xtask ptx --check` compares it with what the sources give.
# To review in a change: registers, and how often each collective stands in each kernel.

";

/// What the PTX files beside it are, and what made them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Fingerprint of everything that the PTX depends on, besides the compiler.
    pub sources: String,
    pub compiler: Compiler,
    pub files: Vec<File>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compiler {
    pub rustc: String,
    /// The LLVM in rustc, which writes the IR.
    pub rustc_llvm: String,
    /// The LLVM of opt and llc, which compile it.
    pub llvm: String,
    pub cuda_builder: String,
    /// What counted the registers; the PTX does not depend on it.
    pub ptxas: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub name: String,
    pub sha256: String,
    /// The PTX version, which decides how old a driver may be.
    pub version: String,
    pub target: String,
    pub kernels: Vec<Kernel>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kernel {
    pub name: String,
    pub registers: u32,
    pub shared: u32,
    pub stack: u32,
    pub spill_stores: u32,
    pub spill_loads: u32,
    pub collectives: BTreeMap<String, usize>,
}

impl Manifest {
    pub fn parse(text: &str) -> Result<Self> {
        toml::from_str(text).with_context(|| format!("{NAME} is not as it should be"))
    }

    pub fn to_text(&self) -> Result<String> {
        let text = toml::to_string(self).context("cannot write the manifest")?;
        Ok(format!("{HEADER}{text}"))
    }
}

impl Compiler {
    pub fn of(versions: &Versions, ptxas: &Path) -> Result<Self> {
        Ok(Self {
            rustc: versions.rustc.clone(),
            rustc_llvm: versions.rustc_llvm.clone(),
            llvm: versions.llvm.clone(),
            cuda_builder: cuda_builder::VERSION.to_owned(),
            ptxas: ptxas_version(ptxas)?,
        })
    }

    /// Whether the same sources give the same PTX.
    pub fn is_equivalent(&self, other: &Self) -> bool {
        (&self.rustc, &self.rustc_llvm, &self.llvm)
            == (&other.rustc, &other.rustc_llvm, &other.llvm)
    }
}

impl File {
    pub fn describe(name: &str, ptx: &str, kernels: Vec<Kernel>) -> Result<Self> {
        let directive = |directive: &str| {
            let line = ptx.lines().find_map(|line| line.strip_prefix(directive));
            line.map(|value| value.trim().to_owned())
                .ok_or_else(|| anyhow!("{name} has no {directive}"))
        };
        Ok(Self {
            name: name.to_owned(),
            sha256: fingerprint::of(ptx.as_bytes()),
            version: directive(".version")?,
            target: directive(".target")?,
            kernels,
        })
    }
}

impl Kernel {
    pub fn describe(
        name: &str,
        resources: Resources,
        collectives: BTreeMap<String, usize>,
    ) -> Self {
        let Resources { registers, shared, stack, spill_stores, spill_loads } = resources;
        let name = name.to_owned();
        Self { name, registers, shared, stack, spill_stores, spill_loads, collectives }
    }
}
