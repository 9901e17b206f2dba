//! Every instruction against values computed from the PTX ISA's definition of it.

mod exact;
mod float;
mod harness;
