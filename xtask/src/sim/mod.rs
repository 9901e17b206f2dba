//! Chores of the simulator.

pub mod apps;
pub mod conformance;
mod driver;
pub mod library;
pub mod report;
