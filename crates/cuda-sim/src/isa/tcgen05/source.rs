//! Shared memory as products and copies read it: asynchronously, as a step of the commits of the thread that issues
//! them.

use super::malformed;
use crate::exec::Cx;
use crate::exec::clock::Epoch;
use crate::fault::FaultKind;
use crate::isa::matrix::{Descriptor, Major};
use crate::memory::Access;

/// A matrix there.
pub(super) struct Source {
    pub(super) matrix: Descriptor,
}

impl Source {
    pub(super) fn decode(bits: u64) -> Result<Self, FaultKind> {
        let matrix = Descriptor::decode_tcgen05(bits).map_err(|field| malformed(bits, field))?;
        Ok(Self { matrix })
    }

    /// Where 16 bytes of a row are: of those in the row the ones of this number.
    pub(super) fn chunk(&self, row: u32, number: u32) -> u64 {
        self.matrix.address(Major::K, row as usize, 8 * number as usize)
    }

    /// 16 bytes of a block's, for a lane.
    pub(super) fn read(
        &self,
        cx: &mut Cx,
        (rank, lane): (u32, usize),
        address: u64,
        reader: Epoch,
    ) -> Result<[u8; 16], FaultKind> {
        let (shared, by) = cx.shared_of(rank, lane)?;
        let access = Access { address, bytes: 16 };
        shared.check(access)?;
        let mut chunk = [0; 16];
        chunk.copy_from_slice(shared.read_async(access, reader, by)?);
        Ok(chunk)
    }
}
