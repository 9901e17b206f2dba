//! Hopper's products of a warpgroup, whose operands are in shared memory: `wgmma`.
//!
//! Each of the four warps computes its own 16 of the 64 rows, and reads all of B for it.

mod execute;
mod fragment;
mod instruction;

pub(crate) use execute::Groups;
pub(super) use instruction::Wgmma;
