//! The unit tests of the engine's parts: the root of a test program, as cargo builds an example as a program or as a
//! test, and `host/tests/engine.rs` needs the program.
#![allow(dead_code, reason = "`main.rs` uses what tests do not")]

mod check;
mod config;
mod device;
mod engine;
mod model;
mod pages;
mod prefixes;
mod random;
mod request;
mod scheduler;
mod step;
mod workload;
