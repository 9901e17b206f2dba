use crate::exec::clock::{Epoch, VectorClock};
use crate::fault::FaultKind;

use super::Access;

/// A block's shared memory: bytes that know whether they have been written, by which warp last, and
/// which warps have read them since.
///
/// Two accesses to a byte, one of them a write, by two warps that no barrier orders are a race.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    bytes: Vec<u8>,
    words: Vec<Shadow>,
}

/// What is known of four bytes.
#[derive(Clone, Debug, Default)]
struct Shadow {
    /// A bit for each byte that has been written.
    written: u8,
    /// The last write, and which bytes it was to.
    write: Option<(Epoch, u8)>,
    /// The last read of each warp since then, and which bytes they were of.
    reads: Vec<(Epoch, u8)>,
}

const WORD: usize = 4;

impl SharedMemory {
    /// Memory that nothing has written.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { bytes: vec![0xff; bytes], words: vec![Shadow::default(); bytes.div_ceil(WORD)] }
    }

    /// Refuses an access that is out of bounds or misaligned.
    pub(crate) fn check(&self, access: Access) -> Result<(), FaultKind> {
        let Access { address, bytes } = access;
        let len = self.bytes.len() as u64;
        if address.checked_add(bytes.into()).is_none_or(|end| end > len) {
            let near = Some((0, len));
            return Err(FaultKind::OutOfBounds { space: "shared", address, bytes, near });
        }
        if !address.is_multiple_of(bytes.into()) {
            return Err(FaultKind::Misaligned { space: "shared", address, alignment: bytes });
        }
        Ok(())
    }

    /// Reads some bytes that [`check`](Self::check) has passed, as a warp whose time is `now`.
    pub(crate) fn read(
        &mut self,
        access: Access,
        warp: usize,
        now: &VectorClock,
    ) -> Result<&[u8], FaultKind> {
        let range = range(access);
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            let address = (word * WORD) as u64;
            if shadow.written & mask != mask {
                let byte = (mask & !shadow.written).trailing_zeros();
                let address = address + u64::from(byte);
                return Err(FaultKind::UninitializedMemory { space: "shared", address });
            }
            if let Some((write, to)) = shadow.write
                && to & mask != 0
                && !now.has_seen(write)
            {
                return Err(race(address, write, "read after write"));
            }
            let read = now.epoch(warp);
            match shadow.reads.iter_mut().find(|(earlier, _)| earlier.warp == read.warp) {
                Some(earlier) => *earlier = (read, earlier.1 | mask),
                None => shadow.reads.push((read, mask)),
            }
        }
        Ok(&self.bytes[range])
    }

    /// Writes some bytes where [`check`](Self::check) has passed, as a warp whose time is `now`.
    pub(crate) fn write(
        &mut self,
        access: Access,
        from: &[u8],
        warp: usize,
        now: &VectorClock,
    ) -> Result<(), FaultKind> {
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            let address = (word * WORD) as u64;
            if let Some((write, to)) = shadow.write
                && to & mask != 0
                && !now.has_seen(write)
            {
                return Err(race(address, write, "write after write"));
            }
            let unseen = |(read, of): &&(Epoch, u8)| of & mask != 0 && !now.has_seen(*read);
            if let Some(&(read, _)) = shadow.reads.iter().find(unseen) {
                return Err(race(address, read, "write after read"));
            }
            shadow.reads.clear();
            let same = shadow.write.filter(|(write, _)| *write == now.epoch(warp));
            let mask_so_far = same.map_or(0, |(_, to)| to);
            shadow.write = Some((now.epoch(warp), mask | mask_so_far));
            shadow.written |= mask;
        }
        self.bytes[range(access)].copy_from_slice(from);
        Ok(())
    }

    /// Replaces some bytes where [`check`](Self::check) has passed, as one step that other atomic
    /// ones need not be ordered with. Returns what they held.
    pub(crate) fn update(
        &mut self,
        access: Access,
        f: impl FnOnce(u64) -> u64,
    ) -> Result<u64, FaultKind> {
        for (word, mask) in words_of(access) {
            if self.words[word].written & mask != mask {
                let address = (word * WORD) as u64;
                return Err(FaultKind::UninitializedMemory { space: "shared", address });
            }
        }
        let mut bytes = [0; 8];
        let len = access.bytes as usize;
        bytes[..len].copy_from_slice(&self.bytes[range(access)]);
        let old = u64::from_le_bytes(bytes);
        self.bytes[range(access)].copy_from_slice(&f(old).to_le_bytes()[..len]);
        Ok(old)
    }
}

fn range(access: Access) -> std::ops::Range<usize> {
    access.address as usize..(access.address + u64::from(access.bytes)) as usize
}

/// The words that an aligned access touches, and a mask of its bytes in each.
fn words_of(access: Access) -> impl Iterator<Item = (usize, u8)> {
    let first = access.address as usize / WORD;
    let mask = if access.bytes >= 4 {
        0xf
    } else {
        ((1_u8 << access.bytes) - 1) << (access.address % WORD as u64)
    };
    (first..first + (access.bytes as usize).div_ceil(WORD)).map(move |word| (word, mask))
}

fn race(address: u64, other: Epoch, order: &'static str) -> FaultKind {
    FaultKind::Race { space: "shared", address, other: format!("warp {}", other.warp), order }
}
