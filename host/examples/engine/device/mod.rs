//! What runs the operators for all layers, and owns the caches.

mod cpu;
#[cfg(feature = "cuda")]
mod cuda;

use anyhow::Result;
use half::bf16;
use msa::Route;

use crate::config::{Backend, Config};
use crate::step::{Batch, PageCopy};

/// Multiplies every dot product: 128^-0.5.
pub const SCALE: f32 = std::f32::consts::FRAC_1_SQRT_2 / 8.0;

/// Caches, and what runs the operators on them.
pub trait Device {
    /// What it is, and by which kernels it runs.
    fn name(&self) -> String;

    /// Copies pages of both caches, one after the other.
    ///
    /// # Errors
    /// If a driver fails.
    fn copy_pages(&mut self, copies: &[PageCopy]) -> Result<()>;

    /// Projects a batch's rows, writes their keys and values to the pages, and runs both operators in every layer.
    /// Replaces `outputs` by bf16 `[layers, rows, heads, 128]`.
    ///
    /// # Errors
    /// If an operator refuses its operands, or a driver fails.
    fn run(&mut self, batch: &Batch, outputs: &mut Vec<bf16>) -> Result<Ran>;
}

/// How a batch was run.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    pub route: Route,
    /// Whether a captured graph was replayed.
    pub is_replay: bool,
}

/// The device of a configuration's backend.
///
/// # Errors
/// If it does not run here.
pub fn open(config: &Config) -> Result<Box<dyn Device>> {
    match config.backend {
        Backend::Cpu => Ok(Box::new(cpu::Cpu::new(*config)?)),
        #[cfg(feature = "cuda")]
        Backend::Cuda | Backend::Sim => Ok(Box::new(cuda::Cuda::new(*config)?)),
    }
}
