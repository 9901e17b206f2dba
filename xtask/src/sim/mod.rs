//! Chores of the simulator.

pub mod apps;
mod bound;
pub mod conformance;
mod cpp;
mod driver;
pub mod library;
pub mod report;
