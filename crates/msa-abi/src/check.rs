use crate::{BatchParams, CacheParams, DevicePtr, layout::layout};

/// Parameters of the kernel `check_operands`: looks for what no kernel can stand in numbers that live on the device,
/// and writes a [`CheckReport`].
///
/// Launch it with a grid of one block of [`THREADS`](Self::THREADS) threads, and no dynamic shared memory.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub struct CheckParams {
    /// What is checked, but for `rows`.
    pub batch: BatchParams,
    /// Of this the table is checked; no page is looked at.
    pub cache: CacheParams,
    /// The result.
    pub report: DevicePtr<CheckReport>,
    /// Pages of the cache.
    pub pages: u32,
    /// Most new tokens that a request may have.
    pub max_seq_length: u32,
}

impl CheckParams {
    /// Threads of the block.
    pub const THREADS: u32 = 512;
}

/// The first thing that is wrong: by what it is, in the order of [`Violation`], then by `index`, then by `block`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::Pod, bytemuck::Zeroable))]
pub struct CheckReport {
    /// A [`Violation`] as a number, or 0 if nothing is wrong; then the other fields are 0, too.
    pub violation: u32,
    /// Which offset or request.
    pub index: u32,
    /// Which entry of a request's line in the page table, if it is about one.
    pub block: u32,
    /// What was expected: the number itself, the least or the most that it may be.
    pub bound: u32,
    /// The number that came.
    pub got: u32,
}

/// What may be wrong.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// `row_offsets[0]`, which is not 0.
    FirstOffset = 1,
    /// `row_offsets[index]`, which is below `bound`, the one before it.
    DecreasingOffset = 2,
    /// `row_offsets[index]`, the last one, which is above `bound`, the rows that there are.
    LastOffset = 3,
    /// `row_offsets[index]`, which is above `bound`: the request has more new tokens than any may have.
    TooManyRows = 4,
    /// The table's width `got`, which is below `bound`, the blocks of request `index`.
    NarrowTable = 5,
    /// The page `got` of a block of request `index`, which is not below `bound`, the pages that there are.
    NoSuchPage = 6,
}

impl Violation {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::FirstOffset,
        Self::DecreasingOffset,
        Self::LastOffset,
        Self::TooManyRows,
        Self::NarrowTable,
        Self::NoSuchPage,
    ];
}

const _: () = assert!(size_of::<CheckParams>() == 104 && align_of::<CheckParams>() == 8);
const _: () = assert!(size_of::<CheckReport>() == 20 && align_of::<CheckReport>() == 4);

layout!(CheckParams { batch, cache, report, pages, max_seq_length });

layout!(CheckReport { violation, index, block, bound, got });
