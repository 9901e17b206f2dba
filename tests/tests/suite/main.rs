//! Every promise of the contract that a CPU can keep, one topic a file.

mod golden;
