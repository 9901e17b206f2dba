//! A CUDA device on the CPU: executes PTX, checks what it does, and counts what it costs.
#![deny(missing_docs)]

pub mod counters;
pub mod device;
#[cfg(feature = "driver")]
mod driver;
pub mod error;
mod exec;
pub mod fault;
mod isa;
mod machine;
mod memory;
mod ptx;
mod swizzle;
pub mod tensor_map;

pub use exec::{Launch, Order, Stream};
pub use machine::{Function, Machine, Module};
pub use memory::MemoryError;
