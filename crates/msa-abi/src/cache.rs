use crate::{DevicePtr, layout::layout};

/// One layer of a paged cache, and the table that finds a request's blocks in it. Strides count elements.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub struct CacheParams {
    /// bf16 `[pages, planes, BLOCK, heads, HEAD_DIM]`: the layer's part of the pages, a multiple of 16 bytes.
    pub pages: DevicePtr<u16>,
    /// From a page to the next. This and the other strides are multiples of 8.
    pub page_stride: u64,
    /// From plane 0, K, to plane 1, V.
    pub plane_stride: u64,
    /// From a token of a block to the next.
    pub token_stride: u64,
    /// From a head to the next.
    pub head_stride: u64,
    /// u32 `[batch, table_width]`: logical block -> physical page. Entries past a request's last block are
    /// never followed.
    pub table: DevicePtr<u32>,
    /// From a request's entries to the next one's.
    pub table_stride: u64,
    /// Entries of a request. A request that turns out to have more blocks on the device is cut to them.
    pub table_width: u32,
    /// Nothing: it rounds the size up.
    pub padding: u32,
}

const _: () = assert!(size_of::<CacheParams>() == 64 && align_of::<CacheParams>() == 8);

layout!(CacheParams {
    pages,
    page_stride,
    plane_stride,
    token_stride,
    head_stride,
    table,
    table_stride,
    table_width,
    padding,
});
