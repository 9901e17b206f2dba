use crate::exec::clock::{Epoch, Lanewise, VectorClock};
use crate::fault::FaultKind;

use super::Access;

/// A block's shared memory: bytes that know whether they have been written, by whom last, and who
/// has used them since.
///
/// Two accesses to a byte, one of them a plain write, that nothing orders are a race; so are a plain
/// access and an atomic one. Between warps barriers order, within a warp `bar.warp.sync` does.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    bytes: Vec<u8>,
    words: Vec<Shadow>,
}

/// What is known of four bytes. Masks have a bit for each of them.
#[derive(Clone, Debug, Default)]
struct Shadow {
    written: u8,
    /// Those that a copy has been started to that nobody has waited for.
    pending: u8,
    write: Option<Use>,
    /// The last read and the last atomic of each warp since the last write.
    uses: Vec<Use>,
}

/// What lanes of a warp did at a moment.
#[derive(Clone, Copy, Debug)]
struct Use {
    epoch: Epoch,
    bytes: u8,
    lanes: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Write,
    Atomic,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Atomic => "atomic access",
        }
    }
}

/// Who accesses: a lane of a warp, and what it knows of the others.
#[derive(Clone, Copy)]
pub(crate) struct Visitor<'a> {
    pub(crate) warp: usize,
    pub(crate) lane: usize,
    pub(crate) clock: &'a VectorClock,
    pub(crate) lanewise: &'a Lanewise,
}

impl Visitor<'_> {
    /// Whether what was done then is known to have been done before.
    fn has_seen(&self, earlier: &Use) -> bool {
        if usize::from(earlier.epoch.warp) != self.warp {
            return self.clock.has_seen(earlier.epoch);
        }
        // Of several lanes that wrote to a word it is not known which wrote which byte.
        earlier.lanes == 1 << self.lane
            || earlier.kind == Kind::Write && !earlier.lanes.is_power_of_two()
            || self.lanewise.has_seen(self.lane, earlier.lanes, earlier.epoch.time)
    }

    fn uses(&self, kind: Kind, bytes: u8) -> Use {
        Use { epoch: self.clock.epoch(self.warp), bytes, lanes: 1 << self.lane, kind }
    }
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

    /// Reads some bytes that [`check`](Self::check) has passed.
    pub(crate) fn read(&mut self, access: Access, by: Visitor) -> Result<&[u8], FaultKind> {
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_pending(word, mask)?;
            shadow.refuse_unwritten(word, mask)?;
            shadow.refuse_race(word, mask, Kind::Read, &by)?;
            shadow.note(by.uses(Kind::Read, mask));
        }
        Ok(&self.bytes[range(access)])
    }

    /// Writes some bytes where [`check`](Self::check) has passed.
    pub(crate) fn write(
        &mut self,
        access: Access,
        from: &[u8],
        by: Visitor,
    ) -> Result<(), FaultKind> {
        let same = self.bytes[range(access)] == *from;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_pending(word, mask)?;
            // Lanes of a warp that write the same value need not care which comes last.
            let twice = shadow.write.is_some_and(|write| usize::from(write.epoch.warp) == by.warp);
            if !(same && twice && shadow.uses.is_empty()) {
                shadow.refuse_race(word, mask, Kind::Write, &by)?;
            }
            shadow.uses.clear();
            let mut write = by.uses(Kind::Write, mask);
            if let Some(earlier) = shadow.write.filter(|earlier| earlier.epoch == write.epoch) {
                write.bytes |= earlier.bytes;
                write.lanes |= earlier.lanes;
            }
            shadow.write = Some(write);
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
        by: Visitor,
        f: impl FnOnce(u64) -> u64,
    ) -> Result<u64, FaultKind> {
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_pending(word, mask)?;
            shadow.refuse_unwritten(word, mask)?;
            shadow.refuse_race(word, mask, Kind::Atomic, &by)?;
            shadow.note(by.uses(Kind::Atomic, mask));
        }
        let mut bytes = [0; 8];
        let len = access.bytes as usize;
        bytes[..len].copy_from_slice(&self.bytes[range(access)]);
        let old = u64::from_le_bytes(bytes);
        self.bytes[range(access)].copy_from_slice(&f(old).to_le_bytes()[..len]);
        Ok(old)
    }

    /// Puts up to 8 bytes where [`check`](Self::check) has passed, as [`update`](Self::update) does, but
    /// where nothing need have been written.
    pub(crate) fn replace(
        &mut self,
        access: Access,
        by: Visitor,
        value: u64,
    ) -> Result<(), FaultKind> {
        for (word, mask) in words_of(access) {
            self.words[word].written |= mask;
        }
        self.update(access, by, |_| value).map(|_| ())
    }

    /// Starts a copy to some bytes, which hold nothing until it is [finished](Self::finish_copy).
    pub(crate) fn start_copy(&mut self, access: Access, by: Visitor) -> Result<(), FaultKind> {
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_pending(word, mask)?;
            shadow.refuse_race(word, mask, Kind::Write, &by)?;
            shadow.pending |= mask;
        }
        Ok(())
    }

    /// What was copied arrives.
    pub(crate) fn finish_copy(
        &mut self,
        access: Access,
        from: &[u8],
        by: Visitor,
    ) -> Result<(), FaultKind> {
        for (word, mask) in words_of(access) {
            self.words[word].pending &= !mask;
        }
        self.write(access, from, by)
    }
}

impl Shadow {
    fn refuse_pending(&self, word: usize, mask: u8) -> Result<(), FaultKind> {
        match self.pending & mask {
            0 => Ok(()),
            pending => Err(FaultKind::PendingCopy { address: byte_of(word, pending) }),
        }
    }

    fn refuse_unwritten(&self, word: usize, mask: u8) -> Result<(), FaultKind> {
        match mask & !self.written {
            0 => Ok(()),
            missing => {
                let address = byte_of(word, missing);
                Err(FaultKind::UninitializedMemory { space: "shared", address })
            }
        }
    }

    fn refuse_race(
        &self,
        word: usize,
        mask: u8,
        kind: Kind,
        by: &Visitor,
    ) -> Result<(), FaultKind> {
        // Reads do not mind each other, nor do atomics.
        let unordered = |earlier: &&Use| {
            (earlier.kind != kind || kind == Kind::Write)
                && earlier.bytes & mask != 0
                && !by.has_seen(earlier)
        };
        let Some(other) = self.write.iter().chain(&self.uses).find(unordered) else {
            return Ok(());
        };
        Err(FaultKind::Race {
            space: "shared",
            address: byte_of(word, other.bytes & mask),
            other: match usize::from(other.epoch.warp) == by.warp {
                true => {
                    format!("lane {} of the warp", (other.lanes & !(1 << by.lane)).trailing_zeros())
                }
                false => format!("warp {}", other.epoch.warp),
            },
            order: format!("{} after {}", kind.name(), other.kind.name()),
        })
    }

    /// Remembers a read or an atomic access; of a warp's, those of its last moment.
    fn note(&mut self, now: Use) {
        let of_warp =
            |earlier: &&mut Use| earlier.epoch.warp == now.epoch.warp && earlier.kind == now.kind;
        match self.uses.iter_mut().find(of_warp) {
            // Only what all of the lanes have used is known to be used by each.
            Some(earlier) if earlier.epoch == now.epoch && earlier.bytes == now.bytes => {
                earlier.lanes |= now.lanes;
            }
            Some(earlier) => *earlier = now,
            None => self.uses.push(now),
        }
    }
}

fn byte_of(word: usize, mask: u8) -> u64 {
    (word * WORD) as u64 + u64::from(mask.trailing_zeros())
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
