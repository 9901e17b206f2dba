//! Chores of the simulator.

pub mod conformance;
mod driver;
