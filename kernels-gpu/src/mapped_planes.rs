use cuda_std::prelude::*;
use cuda_std::ptx;
#[cfg(not(target_feature = "sm_100"))]
use cuda_std::ptx::cp_async_bulk_tensor_5d as copy_box;
#[cfg(target_feature = "sm_100")]
use cuda_std::ptx::cp_async_bulk_tensor_5d_to_block as copy_box;
use msa_abi::{AttendParams, HEAD_DIM, TensorMap};

use crate::row_tile::{Chunk, RowTile};

/// The planes of a KV head, K and V of each page, as a tensor map tells where they are.
///
/// They are copied by boxes of [`TOKENS`](Self::TOKENS), all of them, also where a request has not written so many: what is
/// behind its last key is any number.
#[derive(Clone, Copy)]
pub(crate) struct MappedPlanes {
    /// The map's generic address.
    map: u64,
    kv_head: u32,
}

/// Elements of a row of a box: those of a panel of a [`RowTile`].
const ELEMENTS: u32 = AttendParams::PLANE_BOX[0];

impl MappedPlanes {
    /// Boxes with the same tokens: panels of a [`RowTile`].
    pub(crate) const PANELS: u32 = HEAD_DIM as u32 / ELEMENTS;

    /// Tokens that are copied at a time, a multiple of 8.
    pub(crate) const TOKENS: u32 = AttendParams::PLANE_BOX[1];

    /// Bytes of them.
    pub(crate) const BYTES: u32 = Self::TOKENS * RowTile::CHUNKS * size_of::<Chunk>() as u32;

    #[inline(always)]
    pub(crate) fn new(map: &TensorMap, kv_head: u32) -> Self {
        Self { map: (&raw const *map).addr() as u64, kv_head }
    }

    /// One thread: has the map read ahead.
    #[inline(always)]
    pub(crate) fn prefetch(self) {
        // SAFETY: the map is the one that this was made of.
        unsafe { ptx::prefetch_tensormap(self.map) };
    }

    /// One thread: starts the copy of some tokens of a page's plane, 0, K, or 1, V, from `first` on, to the same rows of a
    /// tile with a row for each of the page's. The barrier counts [`BYTES`](Self::BYTES) of them.
    ///
    /// # Safety
    ///
    /// The cache has the page, and `first` is a multiple of [`TOKENS`](Self::TOKENS). The tile is at a multiple of 1024, and
    /// nobody touches these rows before they have arrived; nor has a thread written to them. The barrier's phase is told to
    /// take the bytes.
    #[inline(always)]
    pub(crate) unsafe fn start_copy(
        self,
        plane: u32,
        page: u32,
        first: u32,
        to: RowTile,
        barrier: SharedPtr<u64>,
    ) {
        for panel in 0..Self::PANELS {
            let to = to.chunk(first, panel * RowTile::CHUNKS / Self::PANELS).address();
            let coordinates = self.coordinates(plane, page, first, panel);
            // SAFETY: the caller's promise.
            unsafe { copy_box(to, self.map, coordinates, barrier.address()) };
        }
    }

    /// One thread of a pair of blocks: starts the copy of one panel of these tokens, to where a panel of a tile has its rows. A
    /// barrier of either block, whose address in the cluster is given, counts the bytes.
    ///
    /// # Safety
    ///
    /// As [`start_copy`](Self::start_copy), and the block with the barrier has not exited.
    #[cfg(any(not(target_arch = "nvptx64"), target_feature = "sm_100a"))]
    #[inline(always)]
    pub(crate) unsafe fn start_panel_of_pair(
        self,
        plane: u32,
        page: u32,
        (first, panel): (u32, u32),
        to: SharedPtr<Chunk>,
        barrier: u32,
    ) {
        let coordinates = self.coordinates(plane, page, first, panel);
        // SAFETY: the caller's promise.
        unsafe {
            ptx::cp_async_bulk_tensor_5d_of_pair(to.address(), self.map, coordinates, barrier);
        }
    }

    /// Where a box begins.
    #[inline(always)]
    const fn coordinates(self, plane: u32, page: u32, first: u32, panel: u32) -> [u32; 5] {
        [panel * ELEMENTS, first, self.kv_head, plane, page]
    }
}

const _: () = {
    let [_, _, heads, planes, pages] = AttendParams::PLANE_BOX;
    assert!(heads == 1 && planes == 1 && pages == 1);
    assert!(MappedPlanes::TOKENS.is_multiple_of(8));
};
