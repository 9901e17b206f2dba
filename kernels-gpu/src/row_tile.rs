use cuda_std::prelude::*;
use cuda_std::ptx;
use msa_abi::HEAD_DIM;

/// Rows of 128 bfloat16 in shared memory, from which a warp takes the operands of its matrix products.
///
/// A row has 16 chunks of 16 bytes. Chunk `c` of row `r` is at place `c ^ r % 8` of the row: so the same chunk of
/// eight successive rows, which is what one matrix load reads, lies in all the banks.
#[derive(Clone, Copy)]
pub(crate) struct RowTile(SharedPtr<Chunk>);

/// Eight elements.
pub(crate) type Chunk = [u32; 4];

/// Elements of a chunk.
pub(crate) const CHUNK: u32 = 8;

impl RowTile {
    /// Chunks of a row.
    pub(crate) const CHUNKS: u32 = HEAD_DIM as u32 / CHUNK;

    /// Steps of 16 that a product over a row takes.
    pub(crate) const STEPS: u32 = HEAD_DIM as u32 / 16;

    /// The tile at an address, a multiple of 16.
    #[inline(always)]
    pub(crate) const fn at(address: SharedPtr<Chunk>) -> Self {
        Self(address)
    }

    /// Where a chunk of a row is.
    #[inline(always)]
    pub(crate) const fn chunk(self, row: u32, chunk: u32) -> SharedPtr<Chunk> {
        self.0.add(row * Self::CHUNKS + (chunk ^ (row % 8)))
    }

    /// Where a chunk is in the row that comes `rows` rows after another, a multiple of 8: there it has the same place.
    #[inline(always)]
    pub(crate) const fn rows_on(chunk: SharedPtr<Chunk>, rows: u32) -> SharedPtr<Chunk> {
        chunk.add(rows * Self::CHUNKS)
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
