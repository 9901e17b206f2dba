//! The operators on a GPU, as far as that is arithmetic: operands in device memory, checked, and the launches that
//! follow from them. Nothing here needs CUDA; `msa::cuda` (feature `cuda`) launches what is planned here.
//!
//! | step | from | to |
//! | --- | --- | --- |
//! | operands | [`IndexerOperands`], [`AttentionOperands`], [`MergeStatesOperands`]: [`DeviceTensor`]s of the engine's memory | |
//! | checked problem | what the contract refuses, as far as the host can know it | nothing is launched |
//! | plan | the problem, a [`Device`] and a [`Workspace`] | a [`Plan`]: up to two [`Launch`]es, one after the other |
//!
//! # What the host cannot know
//! Lengths, row offsets, page tables and ids lie on the device, and a captured graph is replayed with others. So a
//! [`Batch`] gives bounds, and a plan depends on these alone. What stays within them is right; that it does is the
//! caller's promise: row offsets ascend from 0 and end at no more than `rows`, no request has more new tokens than
//! `max_seq_length`, the page table's rows have room for every request's blocks, and its entries that are followed
//! name pages of the cache. Nothing checks that, unless a caller who looks for a mistake asks for a [`DeviceCheck`].
//!
//! # CUDA graphs
//! Grids of the routes decode and speculative depend on shapes, `max_seq_length` and the device, so their launches may
//! be captured once for a bucket of requests and rows. Rows past `row_offsets[batch]` are padding: the indexer selects
//! nothing for them (every id is -1), and attention leaves their results alone. A merge of shards knows of no requests: it
//! makes something of padding too, of whatever is there, and of no other row.
//!
//! # Workspace
//! [`indexer_workspace_bytes`] and [`attention_workspace_bytes`] bound what any step within [`Limits`] needs, so that
//! an engine allocates once. It holds nothing between two plans, so both operators may have the same one, on one stream.
//!
//! # The kernels by themselves
//! Whoever loads the [`Ptx`] without `msa::cuda` finds in [`KERNELS`] what each kernel takes and how it is launched, and
//! compares the PTX's own [`ABI_VERSION`] with this library's ([`Ptx::check_abi`]). `docs/cpp.md` does so from C++.

mod attention;
mod batch;
mod cache;
mod device;
mod device_check;
mod indexer;
mod kernel;
mod kernel_abi;
mod launch;
mod limits;
mod merge_states;
mod plan;
mod plane_map;
mod ptx;
mod tensor;
mod workspace;

pub use attention::{AttentionOperands, AttentionResult};
pub use batch::Batch;
pub use device::Device;
pub use device_check::DeviceCheck;
pub use indexer::IndexerOperands;
pub use kernel::Kernel;
pub use kernel_abi::{KERNELS, KernelAbi, Threads};
pub use launch::{Launch, Params, Plan};
pub use limits::{Limits, attention_workspace_bytes, indexer_workspace_bytes};
pub use merge_states::MergeStatesOperands;
pub use msa_abi::{ABI_VERSION, ABI_VERSION_SYMBOL, Field, FieldType, StructLayout};
pub use plane_map::PlaneMap;
pub use ptx::{Ptx, Target};
pub use tensor::DeviceTensor;
pub use workspace::Workspace;
