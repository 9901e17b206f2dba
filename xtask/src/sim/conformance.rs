//! `cargo xtask sim-conformance`: whether hardware gives what the simulator gives.
//!
//! The tests of `cuda-sim` run every form of an instruction on thousands of operands. With a folder named
//! in `CUDA_SIM_RECORD` they leave each form there: its kernel, its operands and the simulator's results.
//! This runs the same kernels on a driver's device and compares, bit for bit. What the hardware gave is
//! checked in as a hash for each form, and the tests compare with that everywhere after.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

use super::bound::Bound;
use super::driver::{Driver, Kernel};
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
        let mut answers = format!(
            "# What an {device} gave: of each form the start of its kernel's and operands' SHA-256, that\n\
             # of the result, and the instruction. Written by `cargo xtask sim-conformance --answers`.\n"
        );
        let (mut close, mut different) = (0, 0);
        for form in &forms {
            match driver.run(&form.kernel) {
                Ok(gave) if gave == form.gave => answers += &form.answer(&gave),
                Ok(gave) if form.is_close(&gave) => {
                    close += 1;
                    answers += &format!("# within its bound: {}\n", form.one_line());
                }
                Ok(gave) => {
                    form.report(&gave);
                    different += 1;
                    answers += &format!("# differs: {}\n", form.one_line());
                }
                Err(error) => {
                    different += 1;
                    println!("{}: {error:#}", form.code);
                    answers += &format!("# did not run: {}\n", form.one_line());
                }
            }
        }
        println!(
            "{device}: {} forms, {close} approximate ones within their bounds, {different} differ from the simulator",
            forms.len()
        );
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
    kernel: Kernel,
    /// What the simulator's result was.
    gave: Vec<u8>,
}

impl Form {
    fn read_all(folder: &Path) -> Result<Vec<Self>> {
        let entries =
            folder.read_dir().with_context(|| format!("cannot read {}", folder.display()))?;
        let mut forms = Vec::new();
        for entry in entries {
            let path = entry?.path();
            let form = Self::read(&path);
            forms.push(form.with_context(|| format!("{} is no form", path.display()))?);
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
        let tensor = |name: &str| tensors.tensor(name).map(|tensor| tensor.data().to_vec());
        let parameters = (0..tensors.len() - 1).map(|index| tensor(&index.to_string()));
        let kernel = Kernel {
            ptx: text("ptx")?,
            blocks: text("blocks")?.parse()?,
            cluster: text("cluster")?.parse()?,
            threads: text("threads")?.parse()?,
            parameters: parameters.collect::<Result<_, _>>()?,
            result: text("result")?.parse()?,
        };
        ensure!(kernel.result < kernel.parameters.len(), "the result is no parameter");
        Ok(Self { code: text("code")?, kernel, gave: tensor("gave")? })
    }

    /// The line for what a device gave. The tests of `cuda-sim` look it up by its first word.
    fn answer(&self, gave: &[u8]) -> String {
        let mut question = Sha256::new().chain_update(&self.kernel.ptx);
        self.kernel.parameters.iter().for_each(|bytes| question.update(bytes));
        if self.kernel.cluster > 1 {
            question.update(self.kernel.cluster.to_le_bytes());
        }
        let [question, answer] =
            [question.finalize(), Sha256::digest(gave)].map(|hash| format!("{hash:x}"));
        format!("{} {} {}\n", &question[..16], &answer[..16], self.one_line())
    }

    fn one_line(&self) -> String {
        self.code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Whether a device's result is that of an approximate instruction and within its bound.
    fn is_close(&self, device: &[u8]) -> bool {
        let Some(bound) = Bound::of(&self.code) else { return false };
        let pairs = words(device).zip(words(&self.gave));
        device.len() == self.gave.len() && pairs.into_iter().all(|(a, b)| bound.holds(a, b))
    }

    /// Prints where a device's result differs first.
    fn report(&self, device: &[u8]) {
        let pairs: Vec<_> = words(device).zip(words(&self.gave)).enumerate().collect();
        let differ = |(_, (device, simulator)): &&(usize, (u32, u32))| device != simulator;
        let count = pairs.iter().filter(differ).count();
        let Some((first, (device, simulator))) = pairs.iter().find(differ) else { return };
        println!(
            "{}: {count} of {} words differ; word {first}: the device gave {device:#x}, the simulator {simulator:#x}",
            self.code,
            pairs.len(),
        );
    }
}

/// A result's words of four bytes.
fn words(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks().0.iter().map(|word| u32::from_le_bytes(*word))
}
