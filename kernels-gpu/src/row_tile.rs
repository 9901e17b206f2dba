use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::HEAD_DIM;

/// Rows of 128 bfloat16 in shared memory, from which a warp takes the operands of its matrix products.
///
/// The tile has two panels, one with the first 64 elements of each row and one with the others, so that a row of a panel
/// has 8 chunks of 16 bytes. Chunk `c` of row `r` is at place `c ^ r % 8` of it: so the same chunk of eight successive
/// rows, which is what one matrix load reads, lies in all the banks. This is what Hopper's matrix instructions, which read
/// shared memory themselves, call a swizzle of 128 bytes.
#[derive(Clone, Copy)]
pub(crate) struct RowTile {
    first: SharedPtr<Chunk>,
    /// Rows of a panel.
    rows: u32,
}

/// Eight elements.
pub(crate) type Chunk = [u32; 4];

/// Elements of a chunk.
pub(crate) const CHUNK: u32 = 8;

impl RowTile {
    /// Chunks of a row.
    pub(crate) const CHUNKS: u32 = HEAD_DIM as u32 / CHUNK;

    /// Steps of 16 that a product over a row takes.
    pub(crate) const STEPS: u32 = HEAD_DIM as u32 / 16;

    /// Chunks of a row of a panel.
    const PANEL_CHUNKS: u32 = 8;

    /// The tile of so many rows at an address, a multiple of 128.
    #[inline(always)]
    pub(crate) const fn at(first: SharedPtr<Chunk>, rows: u32) -> Self {
        Self { first, rows }
    }

    /// Where a chunk of a row is.
    #[inline(always)]
    pub(crate) const fn chunk(self, row: u32, chunk: u32) -> SharedPtr<Chunk> {
        let panel = chunk / Self::PANEL_CHUNKS * self.rows;
        let place = (chunk % Self::PANEL_CHUNKS) ^ (row % 8);
        self.first.add((panel + row) * Self::PANEL_CHUNKS + place)
    }

    /// Where a chunk is in the row that comes `rows` rows after another, a multiple of 8: there it has the same place.
    #[inline(always)]
    pub(crate) const fn rows_on(chunk: SharedPtr<Chunk>, rows: u32) -> SharedPtr<Chunk> {
        chunk.add(rows * Self::PANEL_CHUNKS)
    }

    /// A warp: operand A of 16 rows from `row` on, and columns `16 step ..`.
    ///
    /// # Safety
    ///
    /// All lanes come together; the rows are there and written, and nobody writes them meanwhile. `row` is a multiple
    /// of 8.
    #[inline(always)]
    pub(crate) unsafe fn a(self, row: u32, step: u32) -> [u32; 4] {
        let lane = warp::lane_id();
        let chunk = Self::rows_on(self.chunk(lane % 16, 2 * step + lane / 16), row);
        // SAFETY: the caller promises the rows.
        unsafe { ptx::ldmatrix_x4(chunk.address()) }
    }

    /// A warp: operands B, whose *columns* are 8 rows from `row` on, and then the next 8, and whose rows are the
    /// tile's columns `16 step ..`: a product with them is one with the rows.
    ///
    /// # Safety
    ///
    /// As [`a`](Self::a), of 16 rows.
    #[inline(always)]
    pub(crate) unsafe fn b_of_rows(self, row: u32, step: u32) -> [[u32; 2]; 2] {
        let lane = warp::lane_id();
        let first = self.chunk(lane / 16 * 8 + lane % 8, 2 * step + lane / 8 % 2);
        let chunk = Self::rows_on(first, row);
        // SAFETY: the caller promises the rows.
        let [a, b, c, d] = unsafe { ptx::ldmatrix_x4(chunk.address()) };
        [[a, b], [c, d]]
    }

    /// A warp: operands B, whose rows are the 16 rows from `row` on, and whose columns are the 8 of chunk
    /// `chunk`, and then those of the next.
    ///
    /// # Safety
    ///
    /// As [`a`](Self::a).
    #[inline(always)]
    pub(crate) unsafe fn b_of_columns(self, row: u32, chunk: u32) -> [[u32; 2]; 2] {
        let lane = warp::lane_id();
        let chunk = Self::rows_on(self.chunk(lane % 16, chunk + lane / 16), row);
        // SAFETY: the caller promises the rows.
        let [a, b, c, d] = unsafe { ptx::ldmatrix_x4_trans(chunk.address()) };
        [[a, b], [c, d]]
    }
}
