//! Single PTX instructions, one family a file: the only place in the kernels with `asm!`.
//!
//! A function's name is the instruction's. Its first line says who executes it: *one thread* on its own,
//! or threads together. Nothing here is `pure` that other threads could have a part in.

mod atom_shared;
mod cvt_bf16;
mod ld_st_global;
mod ld_st_shared;
mod shared_address;
mod trap;

pub use atom_shared::atom_shared_add_u32;
pub use cvt_bf16::cvt_rn_bf16x2_f32;
pub use ld_st_global::{
    ld_global_b32, ld_global_b64, ld_global_nc_b32, ld_global_nc_b64, ld_global_nc_v4_b32,
    ld_global_v4_b32, st_global_b32, st_global_b64, st_global_v4_b32,
};
pub use ld_st_shared::{
    ld_shared_b32, ld_shared_b64, ld_shared_v4_b32, st_shared_b32, st_shared_b64, st_shared_v4_b32,
};
pub use shared_address::{dynamic_shared_address, generic_from_shared, static_shared_address};
pub use trap::trap;
