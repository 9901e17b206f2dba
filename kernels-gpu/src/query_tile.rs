use cuda_std::prelude::*;
use msa_abi::AttendParams;

use crate::div_rem::div_rem;
use crate::request::Request;

/// Successive rows of one request: a tile of attention's.
#[derive(Clone, Copy)]
pub(crate) struct QueryTile {
    pub(crate) request: Request,
    /// The first of them, counted from the request's first row.
    pub(crate) first: u32,
    /// Rows that the tile has.
    pub(crate) rows: u32,
}

impl QueryTile {
    /// One thread: the tile of its block of threads, where tiles have room for `most` rows; `None` where the request has fewer
    /// rows than others, or is a slot of a bucket that is not used.
    ///
    /// # Safety
    ///
    /// `params` are the kernel's, and the grid is as they tell.
    #[inline(always)]
    pub(crate) unsafe fn load(params: &AttendParams, most: u32) -> Option<Self> {
        let (request, tile) = div_rem(thread::block_idx_x(), params.row_tiles);
        // SAFETY: the caller promises the grid, and so the request.
        let request = unsafe { Request::load(&params.batch, request) };
        let first = tile * most;
        if first >= request.rows {
            return None;
        }
        Some(Self { request, first, rows: most.min(request.rows - first) })
    }
}
