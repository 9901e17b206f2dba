use super::Access;
use crate::exec::LANES;
use crate::fault::FaultKind;

/// The local memory of a warp's lanes: bytes that know whether they have been written.
#[derive(Debug)]
pub(crate) struct LocalMemory {
    /// Bytes of each lane.
    len: usize,
    bytes: Vec<u8>,
    written: Vec<bool>,
}

impl LocalMemory {
    pub(crate) fn new(len: u32) -> Self {
        let len = len as usize;
        Self { len, bytes: vec![0xff; LANES * len], written: vec![false; LANES * len] }
    }

    pub(crate) fn read(&self, lane: usize, access: Access) -> Result<&[u8], FaultKind> {
        let range = self.range(lane, access)?;
        if let Some(missing) = self.written[range.clone()].iter().position(|written| !written) {
            let address = access.address + missing as u64;
            return Err(FaultKind::UninitializedMemory { space: "local", address });
        }
        Ok(&self.bytes[range])
    }

    pub(crate) fn write(
        &mut self,
        lane: usize,
        access: Access,
        from: &[u8],
    ) -> Result<(), FaultKind> {
        let range = self.range(lane, access)?;
        self.bytes[range.clone()].copy_from_slice(from);
        self.written[range].fill(true);
        Ok(())
    }

    /// The bytes of an access, which must be aligned and within a lane's memory.
    fn range(&self, lane: usize, access: Access) -> Result<std::ops::Range<usize>, FaultKind> {
        let Access { address, bytes } = access;
        if address.checked_add(bytes.into()).is_none_or(|end| end > self.len as u64) {
            let near = Some((0, self.len as u64));
            return Err(FaultKind::OutOfBounds { space: "local", address, bytes, near });
        }
        if !address.is_multiple_of(bytes.into()) {
            return Err(FaultKind::Misaligned { space: "local", address, alignment: bytes });
        }
        let start = lane * self.len + address as usize;
        Ok(start..start + bytes as usize)
    }
}
