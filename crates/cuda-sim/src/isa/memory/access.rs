//! A lane's access to a state space, with all that is checked of it.

use std::sync::atomic::Ordering::Relaxed;

use crate::exec::{Cx, LANES, Lanes, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::convert::{LOCAL_WINDOW, PARAM_WINDOW, SHARED_WINDOW};
use crate::isa::decode::{Target, Text};
use crate::memory::{Access, Allocation, Proxy, Visit};
use crate::ptx::Space;

/// How an access or a fence is ordered with others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ordering {
    /// Whether it may meet another such access without a race.
    pub(crate) strong: bool,
    pub(crate) acquire: bool,
    pub(crate) release: bool,
    /// Whether it is for this block alone.
    pub(crate) within_block: bool,
}

impl Ordering {
    /// What a modifier adds.
    pub(crate) fn with(self, word: &str) -> Self {
        let strong =
            matches!(word, "volatile" | "relaxed" | "acquire" | "release" | "acq_rel" | "sc");
        Self {
            strong: self.strong || strong,
            acquire: self.acquire || matches!(word, "acquire" | "acq_rel" | "sc"),
            release: self.release || matches!(word, "release" | "acq_rel" | "sc"),
            within_block: self.within_block || word == "cta",
        }
    }

    /// What comes after the access in this warp comes after what others released.
    pub(crate) fn acquired(self, cx: &mut Cx) {
        if self.acquire {
            let now = if self.within_block { 0 } else { cx.launch.releases.load(Relaxed) };
            cx.block.acquire(cx.warp.index, now);
            cx.block.has_acquired |= !self.within_block;
        }
    }

    /// What came before the access in this warp comes before what others acquire.
    pub(crate) fn releases(self, cx: &mut Cx) {
        if self.release {
            let told = cx.block.tell(cx.warp.index);
            cx.block.release(&told);
            if !self.within_block {
                cx.siblings.iter_mut().for_each(|block| block.release(&told));
                cx.launch.releases.fetch_add(1, Relaxed);
            }
        }
    }
}

/// Takes a modifier that names a state space.
pub(crate) fn eat_space(text: &Text) -> Option<Space> {
    text.one_of(&[
        ("global", Space::Global),
        ("shared", Space::Shared),
        ("shared::cta", Space::Shared),
        ("shared::cluster", Space::SharedCluster),
        ("local", Space::Local),
        ("param", Space::Param),
        ("param::entry", Space::Param),
        // Constants are global memory that nobody stores to.
        ("const", Space::Global),
    ])
}

/// The address of each lane.
pub(crate) fn addresses(cx: &Cx, target: &Target, mask: u32) -> Result<Lanes<u64>, Stop> {
    Ok(match target.base {
        None => [target.offset as u64; LANES],
        Some(base) => {
            cx.warp.double(base, mask)?.map(|address| address.wrapping_add_signed(target.offset))
        }
    })
}

/// Where an address is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Location {
    pub(crate) space: Space,
    /// Of shared memory: the rank of the block in its cluster.
    pub(crate) rank: u32,
    /// The address there.
    pub(crate) address: u64,
}

impl Location {
    /// Where `.shared::cluster` addresses have the block: 0 for the thread's own, so that its
    /// `.shared::cta` addresses are among them, and else one more than the rank.
    const RANK_SHIFT: u32 = 24;

    /// The `.shared::cluster` address of what another block, or this one, has at the same place.
    pub(crate) fn mapped(address: u64, rank: u32) -> u64 {
        (u64::from(rank + 1) << Self::RANK_SHIFT) | (address % (1 << Self::RANK_SHIFT))
    }
}

impl<'a> Cx<'a, '_> {
    /// Where an address is. A generic one has no space named.
    pub(crate) fn locate(&self, space: Option<Space>, address: u64) -> Location {
        const WINDOWS: [(u64, Space); 3] = [
            (SHARED_WINDOW, Space::SharedCluster),
            (LOCAL_WINDOW, Space::Local),
            (PARAM_WINDOW, Space::Param),
        ];
        let own = self.rank();
        let (space, address) = match space {
            Some(space) => (space, address),
            None => {
                let within = |(start, _): &&(u64, Space)| {
                    (*start..*start + SHARED_WINDOW).contains(&address)
                };
                match WINDOWS.iter().find(within) {
                    Some((start, space)) => (*space, address - start),
                    None => (Space::Global, address),
                }
            }
        };
        if space != Space::SharedCluster {
            return Location { space, rank: own, address };
        }
        let rank = match address >> Location::RANK_SHIFT {
            0 => own,
            rank => u32::try_from(rank - 1).unwrap_or(u32::MAX),
        };
        let address = address % (1 << Location::RANK_SHIFT);
        Location { space: Space::Shared, rank, address }
    }

    /// Loads up to 32 bytes for a lane.
    pub(crate) fn load(
        &mut self,
        lane: usize,
        space: Option<Space>,
        access: Access,
        strong: bool,
    ) -> Result<[u8; 32], FaultKind> {
        let Location { space, rank, address } = self.locate(space, access.address);
        let access = Access { address, ..access };
        let len = access.bytes as usize;
        let mut loaded = [0; 32];
        match space {
            Space::Shared | Space::SharedCluster => {
                let (shared, visitor) = self.shared_of(rank, lane)?;
                shared.check(access)?;
                if strong {
                    // A strong load meets atomics as one of them.
                    for start in (0..len).step_by(8) {
                        let part = part_of(access, start);
                        let value = shared.update(part, visitor, |held| held)?.to_le_bytes();
                        let bytes = part.bytes as usize;
                        loaded[start..start + bytes].copy_from_slice(&value[..bytes]);
                    }
                } else {
                    loaded[..len].copy_from_slice(shared.read(access, visitor)?);
                }
            }
            Space::Local => loaded[..len].copy_from_slice(self.warp.local.read(lane, access)?),
            Space::Param => {
                let parameters = self.launch.parameters;
                let range = address as usize..(address as usize).saturating_add(len);
                let bytes = parameters.get(range).ok_or(FaultKind::OutOfBounds {
                    space: "param",
                    address,
                    bytes: access.bytes,
                    near: Some((0, parameters.len() as u64)),
                })?;
                loaded[..len].copy_from_slice(bytes);
            }
            Space::Global => {
                let visit = self.visit(Proxy::Generic);
                let allocation = self.allocation(access)?;
                let at = address - allocation.start();
                if !strong {
                    allocation.note(at, access.bytes, &visit, false)?;
                }
                for start in (0..len).step_by(8) {
                    let bytes = (len - start).min(8);
                    let at = at + start as u64;
                    if !allocation.is_written(at, bytes as u32) {
                        return Err(unwritten(allocation, at, bytes as u32));
                    }
                    let value = allocation.load(at, bytes as u32).to_le_bytes();
                    loaded[start..start + bytes].copy_from_slice(&value[..bytes]);
                }
            }
        }
        Ok(loaded)
    }

    /// Stores some bytes for a lane.
    pub(crate) fn store(
        &mut self,
        lane: usize,
        space: Option<Space>,
        access: Access,
        from: &[u8],
        strong: bool,
    ) -> Result<(), FaultKind> {
        let Location { space, rank, address } = self.locate(space, access.address);
        let access = Access { address, ..access };
        self.block.progress = true;
        match space {
            Space::Shared | Space::SharedCluster => {
                let (shared, visitor) = self.shared_of(rank, lane)?;
                shared.check(access)?;
                if strong {
                    for start in (0..from.len()).step_by(8) {
                        let part = part_of(access, start);
                        let value = little_endian(&from[start..start + part.bytes as usize]);
                        shared.replace(part, visitor, value)?;
                    }
                    return Ok(());
                }
                shared.write(access, from, visitor)
            }
            Space::Local => self.warp.local.write(lane, access, from),
            Space::Param => {
                let what = "a store to a kernel's parameters".to_owned();
                Err(FaultKind::InvalidOperand { what })
            }
            Space::Global => {
                let visit = self.visit(Proxy::Generic);
                let allocation = self.allocation(access)?;
                let at = address - allocation.start();
                if !strong {
                    allocation.note(at, access.bytes, &visit, true)?;
                }
                for (index, chunk) in from.chunks(8).enumerate() {
                    let at = at + 8 * index as u64;
                    allocation.store(at, chunk.len() as u32, little_endian(chunk));
                }
                Ok(())
            }
        }
    }

    /// Replaces up to 8 bytes in one step, and returns what they held.
    pub(crate) fn update(
        &mut self,
        lane: usize,
        space: Option<Space>,
        access: Access,
        f: impl Fn(Space, u64) -> u64,
    ) -> Result<u64, FaultKind> {
        let Location { space, rank, address } = self.locate(space, access.address);
        let access = Access { address, ..access };
        let f = |held| f(space, held);
        let old = match space {
            Space::Shared | Space::SharedCluster => {
                let (shared, visitor) = self.shared_of(rank, lane)?;
                shared.check(access)?;
                shared.update(access, visitor, f)?
            }
            Space::Global => {
                let allocation = self.allocation(access)?;
                let at = address - allocation.start();
                if !allocation.is_written(at, access.bytes) {
                    return Err(unwritten(allocation, at, access.bytes));
                }
                allocation.update(at, access.bytes, f)
            }
            Space::Local | Space::Param => {
                let what = "an atomic access to memory of one thread".to_owned();
                return Err(FaultKind::InvalidOperand { what });
            }
        };
        // One that changes nothing is what a thread does while it waits.
        let mask = u64::MAX >> (64 - 8 * access.bytes);
        self.block.progress |= (f(old) ^ old) & mask != 0;
        Ok(old)
    }

    /// The allocation that holds an access to global memory.
    fn allocation(&mut self, access: Access) -> Result<&Allocation, FaultKind> {
        let allocation = self.allocation_of(access)?;
        access.check_alignment("global", access.bytes)?;
        Ok(allocation)
    }

    /// The allocation that holds a run of bytes of global memory.
    pub(super) fn allocation_of(&mut self, run: Access) -> Result<&Allocation, FaultKind> {
        let Access { address, bytes } = run;
        let holds = |nearest: &std::sync::Arc<Allocation>| nearest.holds(address, bytes.into());
        if !self.block.nearest.as_ref().is_some_and(holds) {
            self.block.nearest = self.global.find(address);
        }
        let nowhere = FaultKind::OutOfBounds { space: "global", address, bytes, near: None };
        let allocation = self.block.nearest.as_deref().ok_or(nowhere)?;
        allocation.check_run(run)?;
        Ok(allocation)
    }

    pub(super) fn visit(&self, proxy: Proxy) -> Visit<'a> {
        let waited = || self.block.knows(self.warp.index, self.cluster.waited());
        Visit {
            // What an overlapping launch has released by itself cannot be told.
            running: if self.block.has_acquired { &[] } else { self.launch.running(waited) },
            launch: self.launch.number,
            block: self.block.place.index,
            now: self.launch.releases.load(Relaxed),
            acquired: self.block.acquired,
            proxy,
            unfenced: self.launch.unfenced.load(Relaxed),
        }
    }

    /// Counts an access of a warp, which was allowed for all of its lanes.
    pub(crate) fn count_access(
        &mut self,
        space: Option<Space>,
        addresses: &Lanes<u64>,
        mask: u32,
        bytes: u32,
        is_store: bool,
    ) {
        let mut located = [(0, 0); LANES];
        let mut count = 0;
        for lane in lanes(mask) {
            let at = self.locate(space, addresses[lane]);
            if at.space == Space::Shared {
                located[count] = (lane, at.address);
                count += 1;
            }
        }
        if count > 0 {
            self.block.tally.count_shared(located[..count].iter().copied(), bytes);
        }
        let runs = lanes(mask).filter_map(|lane| {
            let Location { space, address, .. } = self.locate(space, addresses[lane]);
            (space == Space::Global).then_some(Access { address, bytes })
        });
        let runs: Vec<_> = runs.collect();
        self.count_runs(&runs, is_store);
    }
}

/// Up to 8 bytes of an access, from `start` on.
fn part_of(access: Access, start: usize) -> Access {
    Access { address: access.address + start as u64, bytes: access.bytes.min(8) }
}

pub(super) fn unwritten(allocation: &Allocation, at: u64, bytes: u32) -> FaultKind {
    let first = allocation.first_unwritten(at, bytes).unwrap_or(at);
    FaultKind::UninitializedMemory { space: "global", address: allocation.start() + first }
}

/// The integer of up to 8 bytes.
pub(crate) fn little_endian(bytes: &[u8]) -> u64 {
    let mut value = [0; 8];
    value[..bytes.len()].copy_from_slice(bytes);
    u64::from_le_bytes(value)
}
