//! Where a thread stands in its block and grid, and the barrier of its block.

use crate::gpu_only;

#[cfg(target_arch = "nvptx64")]
unsafe extern "C" {
    #[link_name = "llvm.nvvm.read.ptx.sreg.tid.x"]
    safe fn tid_x() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.tid.y"]
    safe fn tid_y() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.tid.z"]
    safe fn tid_z() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.ntid.x"]
    safe fn ntid_x() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.ntid.y"]
    safe fn ntid_y() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.ntid.z"]
    safe fn ntid_z() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.ctaid.x"]
    safe fn ctaid_x() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.ctaid.y"]
    safe fn ctaid_y() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.ctaid.z"]
    safe fn ctaid_z() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.nctaid.x"]
    safe fn nctaid_x() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.nctaid.y"]
    safe fn nctaid_y() -> u32;
    #[link_name = "llvm.nvvm.read.ptx.sreg.nctaid.z"]
    safe fn nctaid_z() -> u32;
}

/// The thread's index in its block, in x.
#[gpu_only]
#[inline(always)]
pub fn thread_idx_x() -> u32 {
    tid_x()
}

/// The thread's index in its block, in y.
#[gpu_only]
#[inline(always)]
pub fn thread_idx_y() -> u32 {
    tid_y()
}

/// The thread's index in its block, in z.
#[gpu_only]
#[inline(always)]
pub fn thread_idx_z() -> u32 {
    tid_z()
}

/// The block's index in the grid, in x.
#[gpu_only]
#[inline(always)]
pub fn block_idx_x() -> u32 {
    ctaid_x()
}

/// The block's index in the grid, in y.
#[gpu_only]
#[inline(always)]
pub fn block_idx_y() -> u32 {
    ctaid_y()
}

/// The block's index in the grid, in z.
#[gpu_only]
#[inline(always)]
pub fn block_idx_z() -> u32 {
    ctaid_z()
}

/// The threads of a block, in x.
#[gpu_only]
#[inline(always)]
pub fn block_dim_x() -> u32 {
    ntid_x()
}

/// The threads of a block, in y.
#[gpu_only]
#[inline(always)]
pub fn block_dim_y() -> u32 {
    ntid_y()
}

/// The threads of a block, in z.
#[gpu_only]
#[inline(always)]
pub fn block_dim_z() -> u32 {
    ntid_z()
}

/// The blocks of the grid, in x.
#[gpu_only]
#[inline(always)]
pub fn grid_dim_x() -> u32 {
    nctaid_x()
}

/// The blocks of the grid, in y.
#[gpu_only]
#[inline(always)]
pub fn grid_dim_y() -> u32 {
    nctaid_y()
}

/// The blocks of the grid, in z.
#[gpu_only]
#[inline(always)]
pub fn grid_dim_z() -> u32 {
    nctaid_z()
}

/// The thread's index in the whole grid, counting x alone.
#[inline(always)]
pub fn index_1d() -> u32 {
    block_idx_x() * block_dim_x() + thread_idx_x()
}

/// All threads of the block: waits until each of them has come here. What they wrote to shared or
/// global memory before it, all of them can read after it.
///
/// Every thread of the block has to come to the same call; a block of which some threads went another
/// way hangs. That is no undefined behaviour, so the call is safe, as in Rust-CUDA.
#[inline(always)]
pub fn sync_threads() {
    crate::ptx::bar_sync_0()
}
