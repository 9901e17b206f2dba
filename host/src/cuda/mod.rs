//! The operators on an NVIDIA GPU: what [`gpu`](crate::gpu) plans, launched through the driver.
//!
//! An engine loads [`Kernels`] once for its context and enqueues steps on streams of its own, with operands, results and
//! workspace in its own memory: nothing is allocated and nothing waits, so steps may be captured into a graph.
//! [`Cuda`] is the same for slices on the host, which it copies there and back.
#![allow(unsafe_code)]

mod backend;
mod buffer;
mod device;
mod driver;
mod kernels;
mod module;
mod tensor_map;

pub use backend::Cuda;
pub use kernels::Kernels;
