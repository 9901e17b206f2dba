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

    /// Copies within a lane's memory. What has not been written stays so. Both places are within it.
    pub(crate) fn copy(&mut self, lane: usize, from: u64, to: u64, bytes: u32) {
        let [from, to] = [from, to].map(|address| lane * self.len + address as usize);
        let range = from..from + bytes as usize;
        self.bytes.copy_within(range.clone(), to);
        self.written.copy_within(range, to);
    }

    /// Makes a part of a lane's memory as if nothing had written it.
    pub(crate) fn forget(&mut self, lane: usize, part: std::ops::Range<u32>) {
        let start = lane * self.len;
        self.written[start + part.start as usize..start + part.end as usize].fill(false);
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
