//! Every instruction against values computed from the PTX ISA's definition of it.

mod availability;
mod bulk;
mod cluster;
mod compare;
mod convert;
mod exact;
mod float;
mod harness;
mod integer;
mod launch_control;
mod mbarrier;
mod memory;
mod refused;
mod tcgen05;
mod tensor;
mod warp;
mod wgmma;
