//! Every promise of the contract that a CPU can keep, one topic a file.

mod any_step;
mod attention;
mod bits;
mod generator;
mod golden;
mod gpu_plans;
mod gpu_refusals;
mod hazards;
mod horizon;
mod kernel_abi;
mod layout;
mod merge_states;
mod reader;
mod refusals;
mod selection;
mod shards;
mod steps;
mod verdict;
