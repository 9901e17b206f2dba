//! Every instruction against values computed from the PTX ISA's definition of it.

mod compare;
mod convert;
mod exact;
mod float;
mod harness;
mod integer;
mod memory;
mod warp;
mod wgmma;
