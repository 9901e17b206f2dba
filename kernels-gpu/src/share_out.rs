use cuda_std::{thread, warp};

/// All threads of the block: calls `visit` with each number below `len`, sharing them out evenly.
#[inline(always)]
pub(crate) fn share_out(len: u32, visit: impl Fn(u32)) {
    let mut nth = thread::thread_idx_x();
    while nth < len {
        visit(nth);
        nth += thread::block_dim_x();
    }
}

/// All threads of the block: calls `visit` with each number below `len`, by all lanes of a warp together.
#[inline(always)]
pub(crate) fn share_out_to_warps(len: u32, visit: impl Fn(u32)) {
    let mut nth = thread::thread_idx_x() / warp::WARP_SIZE;
    while nth < len {
        visit(nth);
        nth += thread::block_dim_x() / warp::WARP_SIZE;
    }
}
