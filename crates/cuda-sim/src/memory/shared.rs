use std::collections::BTreeMap;
use std::ops::Range;

use crate::exec::clock::{Agent, Epoch, Knowledge, Lanewise};
use crate::fault::FaultKind;

use super::Access;
use super::mbarrier::Mbarrier;

/// A block's shared memory: bytes that know whether they have been written, by whom last, and who
/// has used them since.
///
/// Two accesses to a byte, one of them a plain write, that nothing orders are a race; so are a plain
/// access and an atomic one. Between warps barriers order, within a warp `bar.warp.sync` does. What is
/// asynchronous is ordered by whatever it is waited for with, and what it finds that the generic proxy
/// has written must have a proxy fence behind it.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    bytes: Vec<u8>,
    words: Vec<Shadow>,
    mbarriers: BTreeMap<u64, Mbarrier>,
    /// The numbers of the block's warps in its cluster.
    warps: Range<u32>,
}

/// What is known of four bytes. Masks have a bit for each of them.
#[derive(Clone, Debug, Default)]
struct Shadow {
    written: u8,
    /// Those that no plain access may touch: a copy has been started to them that nobody has waited for,
    /// or they are an mbarrier.
    closed: u8,
    write: Option<Use>,
    /// The last read and the last atomic of each warp since the last write.
    uses: Vec<Use>,
}

/// What lanes of a warp did at a moment, or what was done asynchronously, by no lane.
#[derive(Clone, Copy, Debug)]
struct Use {
    epoch: Epoch,
    bytes: u8,
    lanes: u32,
    kind: Kind,
    proxy: Proxy,
}

/// The way by which memory is accessed: of what went another way only a proxy fence makes sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proxy {
    Generic,
    Async,
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
    pub(crate) agent: Agent,
    pub(crate) lane: usize,
    pub(crate) knowledge: &'a Knowledge,
    pub(crate) lanewise: &'a Lanewise,
}

impl Visitor<'_> {
    /// Whether what was done then is known to have been done before.
    fn has_seen(&self, earlier: &Use) -> bool {
        if earlier.epoch.agent != self.agent {
            return self.knowledge.has_seen(earlier.epoch);
        }
        // Of several lanes that wrote to a word it is not known which wrote which byte.
        earlier.lanes == 1 << self.lane
            || earlier.kind == Kind::Write && !earlier.lanes.is_power_of_two()
            || self.lanewise.has_seen(self.lane, earlier.lanes, earlier.epoch.time)
    }

    fn uses(&self, kind: Kind, bytes: u8) -> Use {
        let epoch = self.knowledge.epoch(self.agent);
        Use { epoch, bytes, lanes: 1 << self.lane, kind, proxy: Proxy::Generic }
    }
}

const WORD: usize = 4;

impl SharedMemory {
    /// Memory of a block with these warps of its cluster, that nothing has written.
    pub(crate) fn new(bytes: usize, warps: Range<u32>) -> Self {
        let words = vec![Shadow::default(); bytes.div_ceil(WORD)];
        Self { bytes: vec![0xff; bytes], words, mbarriers: BTreeMap::new(), warps }
    }

    /// Refuses an access that is out of bounds or misaligned.
    pub(crate) fn check(&self, access: Access) -> Result<(), FaultKind> {
        self.check_run(access)?;
        access.check_alignment("shared", access.bytes)
    }

    /// Refuses a run of bytes that is out of bounds.
    pub(crate) fn check_run(&self, run: Access) -> Result<(), FaultKind> {
        let Access { address, bytes } = run;
        let len = self.bytes.len() as u64;
        if address.checked_add(bytes.into()).is_none_or(|end| end > len) {
            let near = Some((0, len));
            return Err(FaultKind::OutOfBounds { space: "shared", address, bytes, near });
        }
        Ok(())
    }

    /// Reads some bytes that [`check`](Self::check) has passed.
    pub(crate) fn read(&mut self, access: Access, by: Visitor) -> Result<&[u8], FaultKind> {
        self.refuse_closed(access)?;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_unwritten(word, mask)?;
            shadow.refuse_race(word, mask, Kind::Read, &by, &self.warps)?;
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
        self.refuse_closed(access)?;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            // Lanes of a warp that write the same value need not care which comes last.
            let twice = shadow.write.is_some_and(|write| write.epoch.agent == by.agent);
            if !(same && twice && shadow.uses.is_empty()) {
                shadow.refuse_race(word, mask, Kind::Write, &by, &self.warps)?;
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
        self.refuse_closed(access)?;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_unwritten(word, mask)?;
            shadow.refuse_race(word, mask, Kind::Atomic, &by, &self.warps)?;
            shadow.note(by.uses(Kind::Atomic, mask));
        }
        Ok(self.replace_bytes(access, f))
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
        self.refuse_closed(access)?;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_race(word, mask, Kind::Write, &by, &self.warps)?;
            shadow.closed |= mask;
        }
        Ok(())
    }

    /// What was copied arrives, as a step of `writer`.
    pub(crate) fn finish_copy_as(
        &mut self,
        access: Access,
        from: &[u8],
        writer: Epoch,
        by: Visitor,
    ) -> Result<(), FaultKind> {
        for (word, mask) in words_of(access) {
            self.words[word].closed &= !mask;
        }
        self.write_async(access, from, (writer, Proxy::Generic), by)
    }

    /// What was copied arrives.
    pub(crate) fn finish_copy(
        &mut self,
        access: Access,
        from: &[u8],
        by: Visitor,
    ) -> Result<(), FaultKind> {
        for (word, mask) in words_of(access) {
            self.words[word].closed &= !mask;
        }
        self.write(access, from, by)
    }

    /// Reads a run of bytes asynchronously that [`check_run`](Self::check_run) has passed, as a step of
    /// `reader` that a lane sets off.
    pub(crate) fn read_async(
        &mut self,
        access: Access,
        reader: Epoch,
        by: Visitor,
    ) -> Result<&[u8], FaultKind> {
        self.refuse_closed(access)?;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            // Products of matrices read much, and one look tells that nothing is to be refused.
            if !shadow.is_there(mask, &by) {
                shadow.refuse_unwritten(word, mask)?;
                shadow.refuse_race(word, mask, Kind::Read, &by, &self.warps)?;
                shadow.refuse_unfenced(word, mask, &by)?;
            }
            let (kind, proxy) = (Kind::Read, Proxy::Async);
            shadow.note(Use { epoch: reader, bytes: mask, lanes: 0, kind, proxy });
        }
        Ok(&self.bytes[range(access)])
    }

    /// Writes a run of bytes asynchronously where [`check_run`](Self::check_run) has passed, as a step of
    /// `writer` that a lane has set off. They are not there for anybody who does not know of that step.
    pub(crate) fn write_async(
        &mut self,
        access: Access,
        from: &[u8],
        (writer, proxy): (Epoch, Proxy),
        by: Visitor,
    ) -> Result<(), FaultKind> {
        self.refuse_closed(access)?;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_race(word, mask, Kind::Write, &by, &self.warps)?;
            if proxy == Proxy::Async {
                shadow.refuse_unfenced(word, mask, &by)?;
            }
            shadow.uses.clear();
            let mut bytes = mask;
            if let Some(earlier) = shadow.write.filter(|earlier| earlier.epoch == writer) {
                bytes |= earlier.bytes;
            }
            shadow.write = Some(Use { epoch: writer, bytes, lanes: 0, kind: Kind::Write, proxy });
            shadow.written |= mask;
        }
        self.bytes[range(access)].copy_from_slice(from);
        Ok(())
    }

    /// Replaces some bytes asynchronously where [`check`](Self::check) has passed, as [`update`](Self::update)
    /// does, in a step of `writer` that a lane has set off.
    pub(crate) fn update_async(
        &mut self,
        access: Access,
        writer: Epoch,
        by: Visitor,
        f: impl FnOnce(u64) -> u64,
    ) -> Result<(), FaultKind> {
        self.refuse_closed(access)?;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            shadow.refuse_unwritten(word, mask)?;
            shadow.refuse_race(word, mask, Kind::Atomic, &by, &self.warps)?;
            shadow.refuse_unfenced(word, mask, &by)?;
            let (kind, proxy) = (Kind::Atomic, Proxy::Async);
            shadow.note(Use { epoch: writer, bytes: mask, lanes: 0, kind, proxy });
        }
        self.replace_bytes(access, f);
        Ok(())
    }

    /// Puts a function of what some bytes hold in their place. Returns what they held.
    fn replace_bytes(&mut self, access: Access, f: impl FnOnce(u64) -> u64) -> u64 {
        let mut bytes = [0; 8];
        let len = access.bytes as usize;
        bytes[..len].copy_from_slice(&self.bytes[range(access)]);
        let old = u64::from_le_bytes(bytes);
        self.bytes[range(access)].copy_from_slice(&f(old).to_le_bytes()[..len]);
        old
    }

    /// Makes an mbarrier of 8 bytes, whose copies are steps of `copies`.
    pub(crate) fn init_mbarrier(
        &mut self,
        address: u64,
        count: u32,
        copies: Agent,
        by: Visitor,
    ) -> Result<(), FaultKind> {
        let access = Access { address, bytes: Mbarrier::BYTES };
        self.check(access)?;
        self.write(access, &[0xff; Mbarrier::BYTES as usize], by)?;
        self.mbarriers.insert(address, Mbarrier::new(count, copies)?);
        for (word, mask) in words_of(access) {
            self.words[word].closed |= mask;
        }
        Ok(())
    }

    /// Makes plain memory of an mbarrier, which holds nothing.
    pub(crate) fn invalidate_mbarrier(
        &mut self,
        address: u64,
        by: Visitor,
    ) -> Result<(), FaultKind> {
        let access = Access { address, bytes: Mbarrier::BYTES };
        self.check(access)?;
        self.mbarriers.remove(&address).ok_or_else(|| no_mbarrier(address))?;
        for (word, mask) in words_of(access) {
            self.words[word].closed &= !mask;
        }
        self.write(access, &[0xff; Mbarrier::BYTES as usize], by)?;
        for (word, mask) in words_of(access) {
            self.words[word].written &= !mask;
        }
        Ok(())
    }

    /// An mbarrier that a lane uses: itself, or through a copy that it sets off.
    pub(crate) fn mbarrier(
        &mut self,
        address: u64,
        proxy: Proxy,
        by: Visitor,
    ) -> Result<&mut Mbarrier, FaultKind> {
        let access = Access { address, bytes: Mbarrier::BYTES };
        self.check(access)?;
        let mbarrier = self.mbarriers.get_mut(&address).ok_or_else(|| no_mbarrier(address))?;
        for (word, mask) in words_of(access) {
            let shadow = &mut self.words[word];
            // `fence.mbarrier_init` tells of that alone.
            if !by.knowledge.has_seen(mbarrier.made()) {
                shadow.refuse_race(word, mask, Kind::Atomic, &by, &self.warps)?;
            }
            // Of its operations since, copies know without a fence.
            let is_fenced = |made: Use| by.knowledge.has_fenced(made.epoch);
            let is_known = mbarrier.is_announced() || shadow.write.is_none_or(is_fenced);
            if proxy == Proxy::Async && !is_known {
                return Err(FaultKind::MissingProxyFence { space: "shared", address });
            }
            shadow.note(by.uses(Kind::Atomic, mask));
        }
        Ok(mbarrier)
    }

    /// `fence.mbarrier_init`: the mbarriers that the lane has made, or knows of, are there for copies, and
    /// for who is told of these steps.
    pub(crate) fn announce_mbarriers(&mut self, by: Visitor) -> Vec<Epoch> {
        let mut announced = Vec::new();
        for (address, mbarrier) in &mut self.mbarriers {
            let made = self.words[*address as usize / WORD].write;
            if made.is_some_and(|made| by.has_seen(&made)) {
                mbarrier.announce();
                announced.push(mbarrier.made());
            }
        }
        announced
    }

    /// The phase that an mbarrier is in; `None` if there is none.
    pub(crate) fn mbarrier_phase(&self, address: u64) -> Option<u64> {
        self.mbarriers.get(&address).map(Mbarrier::phase)
    }

    /// The arrivals and the bytes that an mbarrier waits for.
    pub(crate) fn mbarrier_waits_for(&self, address: u64) -> Option<(u32, i64)> {
        self.mbarriers.get(&address).map(Mbarrier::waits_for)
    }

    /// Refuses a plain access to an mbarrier, or to what a copy has been started to.
    fn refuse_closed(&self, access: Access) -> Result<(), FaultKind> {
        for (word, mask) in words_of(access) {
            let closed = self.words[word].closed & mask;
            if closed != 0 {
                let address = byte_of(word, closed);
                return Err(match self.mbarriers.contains_key(&(address & !7)) {
                    true => FaultKind::OpaqueMbarrier { address: address & !7 },
                    false => FaultKind::PendingCopy { address },
                });
            }
        }
        Ok(())
    }
}

fn no_mbarrier(address: u64) -> FaultKind {
    FaultKind::InvalidOperand {
        what: format!("there is no mbarrier at shared address {address:#x}"),
    }
}

impl Shadow {
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
        warps: &Range<u32>,
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
        let address = byte_of(word, other.bytes & mask);
        if other.lanes == 0 && other.kind != Kind::Read {
            return Err(FaultKind::PendingCopy { address });
        }
        Err(FaultKind::Race {
            space: "shared",
            address,
            other: if other.lanes == 0 {
                "what reads asynchronously".to_owned()
            } else if other.epoch.agent == by.agent {
                format!("lane {} of the warp", (other.lanes & !(1 << by.lane)).trailing_zeros())
            } else {
                warp_of(other.epoch.agent, warps)
            },
            order: format!("{} after {}", kind.name(), other.kind.name()),
        })
    }

    /// Whether some bytes are written, and the asynchronous proxy may read whatever was done to the word.
    fn is_there(&self, mask: u8, by: &Visitor) -> bool {
        let is_fenced =
            |write: &Use| write.proxy == Proxy::Async || by.knowledge.has_fenced(write.epoch);
        self.written & mask == mask
            && self.write.is_some_and(|write| by.has_seen(&write) && is_fenced(&write))
            && self.uses.iter().all(|earlier| earlier.kind == Kind::Read)
    }

    /// Refuses to let the asynchronous proxy meet what the generic one has written without a fence.
    fn refuse_unfenced(&self, word: usize, mask: u8, by: &Visitor) -> Result<(), FaultKind> {
        let unfenced = |earlier: &&Use| {
            earlier.proxy == Proxy::Generic
                && earlier.kind != Kind::Read
                && earlier.bytes & mask != 0
                && !by.knowledge.has_fenced(earlier.epoch)
        };
        match self.write.iter().chain(&self.uses).find(unfenced) {
            None => Ok(()),
            Some(earlier) => {
                let address = byte_of(word, earlier.bytes & mask);
                Err(FaultKind::MissingProxyFence { space: "shared", address })
            }
        }
    }

    /// Remembers a read or an atomic access; of a warp's, those of its last moment.
    fn note(&mut self, now: Use) {
        let of_warp =
            |earlier: &&mut Use| earlier.epoch.agent == now.epoch.agent && earlier.kind == now.kind;
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

/// How a warp is called in the block that has these.
pub(super) fn warp_of(Agent(warp): Agent, own: &Range<u32>) -> String {
    let of_block = own.len() as u32;
    match own.contains(&warp) {
        true => format!("warp {}", warp - own.start),
        false => format!("warp {} of block {} of the cluster", warp % of_block, warp / of_block),
    }
}

fn byte_of(word: usize, mask: u8) -> u64 {
    (word * WORD) as u64 + u64::from(mask.trailing_zeros())
}

fn range(access: Access) -> Range<usize> {
    access.address as usize..(access.address + u64::from(access.bytes)) as usize
}

/// The words that some bytes are in, and a mask of those bytes in each.
fn words_of(access: Access) -> impl Iterator<Item = (usize, u8)> {
    let Range { start, end } = range(access);
    (start / WORD..end.div_ceil(WORD)).map(move |word| {
        let before = start.saturating_sub(word * WORD);
        let after = (word * WORD + WORD).saturating_sub(end);
        (word, 0xf << before & 0xf >> after)
    })
}
