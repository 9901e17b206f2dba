//! Single PTX instructions, one family a file: the only place in the kernels with `asm!`.
//!
//! A function's name is the instruction's. Its first line says who executes it: *one thread* on its own,
//! or threads together. Nothing here is `pure` that other threads could have a part in.

mod atom_shared;
mod bar;
mod cluster;
mod cp_async;
mod cp_async_bulk_tensor;
mod cvt_bf16;
mod griddepcontrol;
mod ld_st_global;
mod ld_st_shared;
mod ldmatrix;
mod math;
mod mbarrier;
mod mma;
mod setmaxnreg;
mod shared_address;
mod shfl;
mod tcgen05_alloc;
mod tcgen05_ld;
mod tcgen05_mma;
mod tcgen05_st;
mod tcgen05_sync;
mod trap;
mod vote;
mod wgmma;

pub use atom_shared::{atom_shared_add_u32, atom_shared_or_b32};
pub use bar::{bar_sync_0, bar_warp_sync};
pub use cluster::{
    barrier_cluster_arrive, barrier_cluster_arrive_relaxed, barrier_cluster_wait,
    mapa_shared_cluster, st_async_b64,
};
pub use cp_async::{cp_async_cg_16, cp_async_commit_group, cp_async_wait_group};
pub use cp_async_bulk_tensor::{
    cp_async_bulk_tensor_5d, cp_async_bulk_tensor_5d_of_pair, cp_async_bulk_tensor_5d_to_block,
    prefetch_tensormap,
};
pub use cvt_bf16::cvt_rn_bf16x2_f32;
pub use griddepcontrol::{griddepcontrol_launch_dependents, griddepcontrol_wait};
pub use ld_st_global::{
    ld_global_b32, ld_global_b64, ld_global_nc_b32, ld_global_nc_b64, ld_global_nc_v4_b32,
    ld_global_v4_b32, st_global_b32, st_global_b64, st_global_v4_b32,
};
pub use ld_st_shared::{
    ld_shared_b32, ld_shared_b64, ld_shared_v4_b32, st_shared_b32, st_shared_b64, st_shared_v4_b32,
};
pub use ldmatrix::{ldmatrix_x4, ldmatrix_x4_trans};
pub use math::{ex2_approx_ftz_f32, fma_rn_f32, lg2_approx_ftz_f32, rcp_approx_ftz_f32};
pub use mbarrier::{
    cp_async_mbarrier_arrive_noinc, fence_mbarrier_init, mbarrier_arrive,
    mbarrier_arrive_expect_tx, mbarrier_arrive_no_complete, mbarrier_arrive_relaxed_cluster,
    mbarrier_init, mbarrier_try_wait_parity, mbarrier_try_wait_parity_relaxed_cluster,
};
pub use mma::mma_m16n8k16_f32_bf16;
pub use setmaxnreg::{setmaxnreg_dec, setmaxnreg_inc};
pub use shared_address::{dynamic_shared_address, generic_from_shared, static_shared_address};
pub use shfl::{shfl_sync_bfly, shfl_sync_down, shfl_sync_idx, shfl_sync_up};
pub use tcgen05_alloc::{tcgen05_alloc, tcgen05_dealloc, tcgen05_relinquish_alloc_permit};
pub use tcgen05_ld::{tcgen05_ld_16x128b_x16, tcgen05_ld_32x32b_x32};
pub use tcgen05_mma::{tcgen05_mma_f16, tcgen05_mma_f16_of_tensor};
pub use tcgen05_st::{tcgen05_st_16x256b_x16, tcgen05_st_32x32b_x32, tcgen05_wait_st};
pub use tcgen05_sync::{
    tcgen05_commit, tcgen05_commit_multicast, tcgen05_fence_after_thread_sync,
    tcgen05_fence_before_thread_sync,
};
pub use trap::trap;
pub use vote::{activemask, vote_sync_all, vote_sync_any, vote_sync_ballot};
pub use wgmma::{
    StartedProduct, fence_proxy_async, wgmma_m64n128k128_of_registers, wgmma_m64n128k128_of_shared,
    wgmma_wait_group,
};
