//! `cargo xtask sim-conformance`: whether hardware gives what the simulator gives.
//!
//! The tests of `cuda-sim` run every form of an instruction on thousands of operands. With a folder named
//! in `CUDA_SIM_RECORD` they leave each form there: its kernel, its operands and the simulator's results.
//! This runs the same kernels on a driver's device and compares, bit for bit. What the hardware gave is
//! checked in as a hash for each form, and the tests compare with that everywhere after.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use super::driver::Driver;
use crate::workspace;

#[derive(clap::Args)]
pub struct Conformance {
    /// The driver library: that of an NVIDIA GPU, or the simulator's own.
    #[arg(long, value_name = "FILE", default_value = "libcuda.so.1")]
    driver: PathBuf,
    /// A folder with recorded forms, instead of having the tests record them.
    #[arg(long, value_name = "DIR")]
    forms: Option<PathBuf>,
    /// Write what the device gave: a hash for each form.
    #[arg(long, value_name = "FILE")]
    answers: Option<PathBuf>,
    /// Record the forms in this folder and stop: they can be taken to a machine without cargo.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["forms", "answers"])]
    record: Option<PathBuf>,
}

impl Conformance {
    pub fn run(self) -> Result<ExitCode> {
        if let Some(folder) = &self.record {
            record(folder)?;
            return Ok(ExitCode::SUCCESS);
        }
        let folder = match self.forms {
            Some(folder) => folder,
            None => {
                let folder = workspace::root().join("target/sim-conformance");
                record(&folder)?;
                folder
            }
        };
        let driver = Driver::open(&self.driver)?;
        let device = driver.device_name()?;
        let forms = Form::read_all(&folder)?;
        let mut answers = format!("# What {device} gave for the operands of each form.\n");
        let mut different = 0;
        for form in &forms {
            match form.run(&driver) {
                Ok(gave) => {
                    different += usize::from(!form.report(&gave));
                    answers += &format!("{:x}  {}\n", Sha256::digest(&gave), form.code);
                }
                Err(error) => {
                    different += 1;
                    println!("{}: {error:#}", form.code);
                }
            }
        }
        println!("{device}: {} forms, {different} differ from the simulator", forms.len());
        if let Some(file) = &self.answers {
            std::fs::write(file, answers)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(ExitCode::from(u8::from(different > 0)))
    }
}

/// Has the simulator's tests leave every form that they test in a folder.
fn record(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let folder = folder.canonicalize()?;
    let status = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--package", "cuda-sim", "--test", "isa"])
        .env("CUDA_SIM_RECORD", folder)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the simulator's tests fail");
    Ok(())
}

/// A form of an instruction, recorded.
struct Form {
    code: String,
    ptx: String,
    blocks: u32,
    /// The operands of each case, 8 bytes each.
    from: Vec<u8>,
    /// The simulator's result of each case, 8 bytes.
    to: Vec<u8>,
}

impl Form {
    fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let entries =
            folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
        let mut forms = Vec::new();
        for entry in entries {
            let path = entry?.path();
            forms
                .push(Self::read(&path).with_context(|| format!("{} is no form", path.display()))?);
        }
        forms.sort_by(|a, b| a.code.cmp(&b.code));
        ensure!(!forms.is_empty(), "{} has no forms", folder.display());
        Ok(forms)
    }

    fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path)?;
        let (_, header) = SafeTensors::read_metadata(&bytes)?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let text = |key: &str| {
            let text = header.metadata().as_ref().and_then(|metadata| metadata.get(key));
            text.cloned().with_context(|| format!("{key} is missing"))
        };
        let to = tensors.tensor("to")?.data().to_vec();
        let cases = to.len() / 8;
        if cases == 0 || !cases.is_multiple_of(256) {
            bail!("{cases} cases, expected a multiple of 256");
        }
        Ok(Self {
            code: text("code")?,
            ptx: text("ptx")?,
            blocks: (cases / 256) as u32,
            from: tensors.tensor("from")?.data().to_vec(),
            to,
        })
    }

    /// What a driver's device gives, bytes that it does not write being 0.
    fn run(&self, driver: &Driver) -> Result<Vec<u8>> {
        let mut to = vec![0; self.to.len()];
        driver.run(&self.ptx, self.blocks, &self.from, &mut to)?;
        Ok(to)
    }

    /// Prints the first case that differs, if one does, and returns whether none does.
    fn report(&self, gave: &[u8]) -> bool {
        let pairs = || gave.chunks(8).zip(self.to.chunks(8));
        let differing = pairs().filter(|(gave, expected)| gave != expected).count();
        let Some(case) = pairs().position(|(gave, expected)| gave != expected) else { return true };
        let hex = |bytes: &[u8]| {
            let words = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
            words.map(|word| format!("{word:#x}")).collect::<Vec<_>>().join(", ")
        };
        let operands = self.from.len() / (self.to.len() / 8);
        println!(
            "{}: {differing} cases differ, such as of {}: the device gave {}, the simulator {}",
            self.code,
            hex(&self.from[case * operands..(case + 1) * operands]),
            hex(&gave[8 * case..8 * case + 8]),
            hex(&self.to[8 * case..8 * case + 8])
        );
        false
    }
}
