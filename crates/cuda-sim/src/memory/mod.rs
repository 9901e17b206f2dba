//! The memories of a device.

mod global;
mod shared;

pub(crate) use global::{Access, GlobalMemory};
pub(crate) use shared::SharedMemory;

pub use global::MemoryError;
