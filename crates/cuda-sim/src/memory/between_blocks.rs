//! Races in global memory between the blocks of a launch, and with launches that it may overlap.
//!
//! Of each word the last plain write and the last plain reads are known: by which block, to which bytes
//! and when. A launch's time is the number of releases so far: fences, and accesses with `.release`.
//! A block that acquires notes the time. Another block's access is then ordered before this block's if
//! some block has released after it and this block acquired after that. Since that some block need not be
//! the other one, a race can be missed; but one that is reported is one, as the other block cannot have
//! released at all. Strong accesses, atomics among them, are neither noted nor checked.
//!
//! What the generic proxy has written is there for the asynchronous one after a proxy fence. A fence by
//! anybody is taken for the one that it takes, so that a missing one can be missed here too.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::Proxy;
use crate::exec::Earlier;

/// Who accesses a word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit<'a> {
    /// The launches that may not have ended yet.
    pub(crate) running: &'a [Earlier],
    pub(crate) launch: u32,
    pub(crate) block: u32,
    /// The launch's time now, and when the block last acquired.
    pub(crate) now: u32,
    pub(crate) acquired: u32,
    pub(crate) proxy: Proxy,
    /// The first time with no proxy fence behind it.
    pub(crate) unfenced: u32,
}

/// The last uses of a word. One that two threads note at once may be lost, and a race missed.
#[derive(Debug, Default)]
pub(crate) struct WordUse {
    write: AtomicU64,
    read: AtomicU64,
}

/// An earlier access that this one does not go with.
#[derive(Debug)]
pub(crate) struct Conflict {
    pub(crate) with: Other,
    /// Which of the word's bytes.
    pub(crate) byte: u32,
    pub(crate) order: &'static str,
}

#[derive(Debug)]
pub(crate) enum Other {
    /// That of another block of the launch, or of several, which nothing orders with this one.
    Block(Option<u32>),
    /// That of a kernel that was launched before, likewise.
    Launch(String),
    /// A write through the generic proxy, which this one through the asynchronous one needs a fence after.
    Proxy,
}

/// An entry: 19 bits of the launch, 1 of the proxy, 24 of the block, 16 of the time, 4 of the bytes. 0 is
/// none.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Entry(u64);

/// In place of a block: several.
const MANY: u32 = (1 << 24) - 1;

/// In place of a time: later than can be told, so that nothing is reported.
const LATE: u32 = (1 << 16) - 1;

impl Entry {
    fn new(visit: &Visit, block: u32, time: u32, bytes: u8) -> Self {
        let launch = Self::launch_bits(visit.launch);
        let proxy = u64::from(visit.proxy == Proxy::Async);
        let (block, time) = (u64::from(block.min(MANY)), u64::from(time.min(LATE)));
        Self(launch << 45 | proxy << 44 | block << 20 | time << 4 | u64::from(bytes))
    }

    /// Launch numbers start over after half a million; 0 stays free.
    fn launch_bits(launch: u32) -> u64 {
        u64::from(launch % ((1 << 19) - 1) + 1)
    }

    /// The conflict with this earlier access if it is one of some of the same bytes, by a launch that may
    /// not have ended.
    fn too_early(self, now: Self, visit: &Visit, order: &'static str) -> Result<(), Conflict> {
        let same = self.bytes() & now.bytes();
        let is_its = |running: &&Earlier| Self::launch_bits(running.number) == self.launch();
        match visit.running.iter().find(is_its) {
            Some(Earlier { kernel, .. }) if same != 0 => {
                let with = Other::Launch(kernel.clone());
                Err(Conflict { with, byte: same.trailing_zeros(), order })
            }
            _ => Ok(()),
        }
    }

    fn launch(self) -> u64 {
        self.0 >> 45
    }

    fn is_async(self) -> bool {
        self.0 >> 44 & 1 != 0
    }

    fn block(self) -> u32 {
        (self.0 >> 20) as u32 & MANY
    }

    fn time(self) -> u32 {
        (self.0 >> 4) as u32 & LATE
    }

    fn bytes(self) -> u8 {
        self.0 as u8 & 0xf
    }

    /// Whether this earlier access is another block's, to some of the same bytes, and not ordered.
    fn conflicts(self, now: Self, visit: &Visit) -> bool {
        self.launch() == now.launch()
            && self.block() != now.block()
            && self.bytes() & now.bytes() != 0
            && self.time() != LATE
            && visit.acquired <= self.time()
    }

    fn race(self, now: Self, order: &'static str) -> Conflict {
        let block = (self.block() != MANY).then(|| self.block());
        Conflict { with: Other::Block(block), byte: self.first_byte(now), order }
    }

    /// Whether this earlier write went through the generic proxy, to some of the same bytes, with no proxy
    /// fence behind it for an access through the asynchronous one.
    fn is_unfenced(self, now: Self, visit: &Visit) -> bool {
        self.launch() == now.launch()
            && self.bytes() & now.bytes() != 0
            && now.is_async()
            && !self.is_async()
            && self.time() != LATE
            && self.time() >= visit.unfenced
    }

    /// The first byte that two accesses have in common.
    fn first_byte(self, other: Self) -> u32 {
        (self.bytes() & other.bytes()).trailing_zeros()
    }
}

impl WordUse {
    /// Notes an access, or says what it races with.
    pub(super) fn note(&self, bytes: u8, visit: &Visit, is_write: bool) -> Result<(), Conflict> {
        let now = Entry::new(visit, visit.block, visit.now, bytes);
        let write = Entry(self.write.load(Relaxed));
        let read = Entry(self.read.load(Relaxed));
        let order = if is_write { "write after write" } else { "read after write" };
        write.too_early(now, visit, order)?;
        if write.conflicts(now, visit) {
            return Err(write.race(now, order));
        }
        if is_write {
            read.too_early(now, visit, "write after read")?;
            if read.conflicts(now, visit) {
                return Err(read.race(now, "write after read"));
            }
            self.write.store(together(write, now).0, Relaxed);
            return Ok(());
        }
        if write.is_unfenced(now, visit) {
            let byte = write.first_byte(now);
            return Err(Conflict { with: Other::Proxy, byte, order });
        }
        let noted = if read.launch() != now.launch() || read.bytes() & bytes == 0 {
            now
        } else if read.block() == now.block() {
            together(read, now)
        } else {
            // Of what several blocks have read, and of the earliest time, nothing false can be told.
            let (time, bytes) = (read.time().min(now.time()), read.bytes() & bytes);
            Entry::new(visit, MANY, time, bytes)
        };
        if noted != read {
            self.read.store(noted.0, Relaxed);
        }
        Ok(())
    }
}

/// Two accesses as one, if they are one block's at one time; otherwise the later one.
fn together(earlier: Entry, now: Entry) -> Entry {
    if earlier.0 >> 4 == now.0 >> 4 { Entry(earlier.0 | now.0) } else { now }
}
