//! Hopper's products of a warpgroup, whose operands are in shared memory: `wgmma`.
//!
//! Each of the four warps computes its own 16 of the 64 rows, and reads all of B for it.

// Nothing executes these yet: whoever wires them to `Op` removes this line.
#![allow(dead_code, unused_imports)]

mod descriptor;
mod fragment;
mod instruction;
mod operand;

pub(super) use descriptor::{Descriptor, Major};
pub(super) use instruction::{Left, Multiply, ScaleD, Wgmma};
pub(super) use operand::{left, right};
