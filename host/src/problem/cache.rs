use half::bf16;
use msa_abi::{BLOCK, HEAD_DIM};

use super::{Batch, check_axis};
use crate::{Error, View};

/// A paged cache and the table that finds a request's blocks in it, both checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PagedCache<'a> {
    /// bf16 `[pages, planes, layers, BLOCK, heads, HEAD_DIM]`
    pages: View<'a, bf16, 6>,
    /// u32 `[batch, width]`: logical block -> physical page
    table: View<'a, u32, 2>,
    layer: usize,
    names: CacheNames,
}

/// What the operands of a cache are called in the contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CacheNames {
    pub(crate) pages: &'static str,
    pub(crate) table: &'static str,
}

impl<'a> PagedCache<'a> {
    /// Checks shapes, extents and the layer, and that the table is wide enough for every request
    /// that owns rows. Entries of the table are checked by [`PagedCache::check_entry`].
    pub(crate) fn check(
        names: CacheNames,
        pages: View<'a, bf16, 6>,
        table: View<'a, u32, 2>,
        layer_idx: u32,
        planes_and_heads: [usize; 2],
        batch: Batch,
    ) -> Result<Self, Error> {
        let layer = check_pages(names.pages, pages.shape(), layer_idx, planes_and_heads)?;
        pages.check_extent(names.pages)?;

        let [requests, width] = table.shape();
        check_axis(names.table, "batch", requests, batch.len())?;
        table.check_extent(names.table)?;
        let longest =
            batch.requests().filter(|r| !r.rows.is_empty()).max_by_key(|request| request.blocks());
        if let Some(request) = longest.filter(|request| request.blocks() > width) {
            return Err(Error::PageTableTooNarrow {
                operand: names.table,
                request: request.index,
                needed: request.blocks(),
                got: width,
            });
        }
        Ok(Self { pages, table, layer, names })
    }

    /// Refuses a block whose page does not exist. To be called for every block that is followed.
    pub(crate) fn check_entry(&self, request: usize, block: usize) -> Result<(), Error> {
        let pages = self.pages.shape()[0];
        let got = self.page(request, block);
        if (got as usize) < pages {
            return Ok(());
        }
        Err(Error::NoSuchPage { operand: self.names.table, request, block, got, pages })
    }

    /// The rows of one head in one block of a request; `plane` is 0 for K and 1 for V.
    pub(crate) fn block(
        &self,
        request: usize,
        block: usize,
        plane: usize,
        head: usize,
    ) -> BlockRows<'a> {
        let page = self.page(request, block) as usize;
        BlockRows {
            data: self.pages.tail([page, plane, self.layer, 0, head, 0]),
            stride: self.pages.strides()[3],
        }
    }

    fn page(&self, request: usize, block: usize) -> u32 {
        self.table.run([request, 0])[block]
    }
}

/// Checks the shape of a cache's pages against their planes and heads, and gives the layer.
pub(crate) fn check_pages(
    operand: &'static str,
    shape: [usize; 6],
    layer_idx: u32,
    [planes, heads]: [usize; 2],
) -> Result<usize, Error> {
    check_axis(operand, "K and V", shape[1], planes)?;
    check_axis(operand, "block size", shape[3], BLOCK)?;
    check_axis(operand, "heads", shape[4], heads)?;
    check_axis(operand, "head dim", shape[5], HEAD_DIM)?;
    let layer = layer_idx as usize;
    if layer < shape[2] {
        return Ok(layer);
    }
    Err(Error::Value {
        operand: "layer_idx",
        expected: "below the cache's number of layers",
        got: format!("{layer} of {} in {operand}", shape[2]),
    })
}

/// The 128 rows of one head in one page, each `HEAD_DIM` wide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockRows<'a> {
    data: &'a [bf16],
    stride: usize,
}

impl<'a> BlockRows<'a> {
    /// The vector of the block's `token`-th token.
    pub(crate) fn token(&self, token: usize) -> &'a [bf16; HEAD_DIM] {
        let run = &self.data[token * self.stride..][..HEAD_DIM];
        run.try_into().expect("a run of HEAD_DIM elements was just taken")
    }
}
