//! What the host and the device agree on: the operator's constants and the launch parameters of
//! every kernel, as plain `#[repr(C)]` structs whose size and alignment are asserted at compile time; and the arithmetic
//! of which both must give the same bits.
//!
//! The crate is `no_std` and has no dependencies but on request, so that the kernels (`nvptx64`) and the library
//! compile the very same definitions.
#![no_std]

mod attend;
mod batch;
mod block_topk;
mod cache;
mod check;
mod elementary;
mod index;
mod layout;
mod merge_states;
mod ptr;
mod tensor_map;

pub use attend::AttendParams;
pub use batch::BatchParams;
pub use block_topk::BlockTopkParams;
pub use cache::CacheParams;
pub use check::{CheckParams, CheckReport, Violation};
pub use elementary::{exp, ln};
pub use index::IndexParams;
pub use layout::{Field, FieldType, StructLayout};
pub use merge_states::{MergeStatesParams, merged_lse};
pub use ptr::DevicePtr;
pub use tensor_map::TensorMap;

/// The number of the interface between a caller and the PTX: names of kernels, their parameters and how they are launched.
/// The PTX has it as the variable [`ABI_VERSION_SYMBOL`], and whoever loads it compares. It is raised with every change
/// that a caller of before would not survive, and not by a kernel more.
pub const ABI_VERSION: u32 = 1;

/// What the PTX calls its [`ABI_VERSION`], a variable of 4 bytes.
pub const ABI_VERSION_SYMBOL: &str = "msa_abi_version";

/// Consecutive tokens in a block; a page of either cache holds exactly one block.
pub const BLOCK: usize = 128;

/// Elements in one head of `q`, K, V, `index_q` and index K.
pub const HEAD_DIM: usize = 128;

/// Most query heads that may share one KV head.
pub const MAX_GROUP: usize = 16;

/// Most blocks that a row may select.
pub const MAX_TOPK: usize = 64;

/// Most new tokens of one request that still take the speculative-decode route.
pub const MAX_SPECULATIVE: usize = 8;

/// Most blocks in a row's horizon that the GPU's top-k selection takes: 1 Mi tokens of context.
pub const MAX_BLOCKS: usize = 8192;

/// The score that a forced initial block gets.
pub const INIT_SCORE: f32 = 1e30;

/// The score that a forced local block gets, also where the block is an initial one.
pub const LOCAL_SCORE: f32 = 1e29;

/// In what order a row's block ids are listed.
#[repr(u32)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub enum IdOrder {
    /// Descending score, ties by ascending id.
    #[default]
    Score = 0,
    /// Ascending id: what FlashInfer's, TensorRT-LLM's and MiniMax's own attention kernels need.
    Ascending = 1,
}
