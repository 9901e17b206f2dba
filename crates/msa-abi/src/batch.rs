use crate::{DevicePtr, layout::layout};

/// The ragged batch of a step: which rows each request owns, and what it has cached before them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub struct BatchParams {
    /// u32 `[batch + 1]`: request `b` owns rows `row_offsets[b] .. row_offsets[b + 1]`, perhaps none.
    pub row_offsets: DevicePtr<u32>,
    /// u32 `[batch]`: keys cached before this step.
    pub cache_lengths: DevicePtr<u32>,
    /// Requests.
    pub batch: u32,
    /// Rows of the operands and results. Those past `row_offsets[batch]` are padding of a captured bucket.
    pub rows: u32,
}

const _: () = assert!(size_of::<BatchParams>() == 24 && align_of::<BatchParams>() == 8);

layout!(BatchParams { row_offsets, cache_lengths, batch, rows });
