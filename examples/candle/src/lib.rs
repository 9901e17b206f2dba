//! Both operators as custom ops of [candle](candle_core), on the CPU.
//!
//! A tensor of candle is a buffer with a layout: a start, and a stride for each axis. Both are handed on as they are, so that
//! a narrowed or transposed tensor is not copied. What msa cannot follow, as a strided innermost axis, is an error that names
//! the operand.
#![forbid(unsafe_code)]

mod attention;
mod batch;
mod indexer;
mod view;

pub use attention::Attention;
pub use batch::Batch;
pub use indexer::Indexer;
