//! Every promise of the contract that a CPU can keep, one topic a file.

mod any_step;
mod bits;
mod golden;
mod steps;
