//! Pointers that know their address space, so that every access is one instruction for that space.
//!
//! A value of 4, 8 or 16 bytes moves as one. Its address has to be a multiple of its *size*, which is
//! more than Rust asks of, say, a `[u32; 4]`.

mod cluster;
mod global;
mod shared;
mod width;

pub use cluster::ClusterPtr;
pub use global::GlobalPtr;
pub use shared::SharedPtr;
