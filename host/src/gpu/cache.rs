use half::bf16;
use msa_abi::{CacheParams, DevicePtr};

use super::DeviceTensor;
use super::batch::narrow;
use crate::Error;
use crate::problem::{CacheNames, check_axis, check_pages};

/// Checks one layer of a paged cache, and the table that finds the blocks of `batch` requests in it.
pub(super) fn check(
    names: CacheNames,
    pages: &DeviceTensor<bf16, 6>,
    table: &DeviceTensor<u32, 2>,
    layer_idx: u32,
    planes_and_heads: [usize; 2],
    batch: usize,
) -> Result<CacheParams, Error> {
    let layer = check_pages(names.pages, pages.shape(), layer_idx, planes_and_heads)?;
    pages.check_vectors(names.pages)?;
    let [requests, width] = table.shape();
    check_axis(names.table, "batch", requests, batch)?;
    table.check(names.table)?;
    if width == 0 && batch > 0 {
        let expected = "at least 1 entry a request";
        return Err(Error::Value { operand: names.table, expected, got: "0".to_owned() });
    }
    let [page_stride, plane_stride, layer_stride, token_stride, head_stride, _] =
        pages.strides().map(|stride| stride as u64);
    let before = layer as u64 * layer_stride * size_of::<bf16>() as u64;
    Ok(CacheParams {
        pages: DevicePtr::from_address(pages.address() + before),
        page_stride,
        plane_stride,
        token_stride,
        head_stride,
        table: table.pointer(),
        table_stride: table.strides()[0] as u64,
        table_width: narrow(names.table, width)?,
        padding: 0,
    })
}
