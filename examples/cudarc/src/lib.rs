//! Both operators in an engine that lives on [`cudarc`]: its context, its stream, its memory, its CUDA graphs.
//!
//! [`operands`] is all that stands between the two, a file to copy. [`step`] is what an engine does with it for a layer.

pub mod compare;
pub mod operands;
pub mod runs;
pub mod step;
