//! The memories of a device.

mod between_blocks;
mod global;
mod local;
mod mbarrier;
mod shared;
mod tensor;

pub(crate) use between_blocks::Visit;
pub(crate) use global::{Access, Allocation, GlobalMemory, SECTOR};
pub(crate) use local::LocalMemory;
pub(crate) use mbarrier::{Mbarrier, State, Stay};
pub(crate) use shared::{Proxy, SharedMemory, Visitor};
pub(crate) use tensor::{Accumulator, Act, Behind, Collective, Operation, Strip, TensorMemory};

pub use global::MemoryError;
