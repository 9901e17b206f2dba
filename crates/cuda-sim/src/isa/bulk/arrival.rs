//! Where copies arrive in shared memory of the cluster, and what tells that they have.

use crate::error::LoadError;
use crate::exec::clock::Epoch;
use crate::exec::{Cx, LANES, Lanes, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::decode::{Target, Text};
use crate::isa::memory::{Location, addresses};
use crate::isa::program::Source;
use crate::memory::{Proxy, SharedMemory, Visitor};
use crate::ptx::{Space, Type};

/// A place in shared memory and an mbarrier there, in one block or at the same places in several.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    /// Shared memory of the block, or of the cluster.
    space: Space,
    to: Target,
    mbarrier: Target,
    /// The ranks of several blocks, a bit for each.
    ranks: Option<Source>,
    /// Whether the mbarrier may be of the other block of a pair: `.cta_group::2`.
    pairs: bool,
}

/// Blocks of a pair: those whose ranks differ in the last bit.
const PAIR: u32 = 2;

/// An arrival as a lane has it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::isa) struct Place {
    /// The block that the addresses are of, and the ranks of several instead, a bit for each.
    rank: u32,
    several: Option<u32>,
    pub(super) address: u64,
    mbarrier: u64,
    /// Where mbarriers of pairs count, which block of each pair has it.
    side: Option<u32>,
}

impl Arrival {
    /// Operands: the place, the mbarrier, and the ranks for a copy to several blocks.
    pub(super) fn decode(
        text: &Text,
        space: Space,
        to: usize,
        mbarrier: usize,
        ranks: Option<usize>,
    ) -> Result<Self, LoadError> {
        let ranks = ranks.map(|ranks| text.source(ranks, Type::B16)).transpose()?;
        let [to, mbarrier] = [to, mbarrier].map(|place| text.address(place, Some(space)));
        Ok(Self { space, to: to?, mbarrier: mbarrier?, ranks, pairs: false })
    }

    /// The same where the mbarrier may be of the other block of a pair.
    pub(super) fn of_pairs(self) -> Self {
        Self { pairs: true, ..self }
    }

    pub(super) fn places(&self, cx: &Cx, mask: u32) -> Result<Lanes<Place>, Stop> {
        let to = addresses(cx, &self.to, mask)?;
        let mbarriers = addresses(cx, &self.mbarrier, mask)?;
        let ranks = self.ranks.map(|ranks| cx.warp.word(ranks, mask)).transpose()?;
        let mut places = [Place::default(); LANES];
        for lane in lanes(mask) {
            let Location { rank, address, .. } = cx.locate(Some(self.space), to[lane]);
            let mbarrier = cx.locate(Some(self.space), mbarriers[lane]);
            let is_near = match self.pairs {
                true => rank / PAIR == mbarrier.rank / PAIR,
                false => rank == mbarrier.rank,
            };
            if !is_near {
                let counting = mbarrier.rank;
                let what = format!(
                    "a copy to block {rank} of the cluster that an mbarrier of block {counting} counts"
                );
                return Err(Stop { lane: lane as u32, kind: FaultKind::InvalidOperand { what } });
            }
            let several = ranks.map(|ranks| ranks[lane] & 0xffff);
            let side = self.pairs.then_some(mbarrier.rank % PAIR);
            places[lane] = Place { rank, several, address, mbarrier: mbarrier.address, side };
        }
        Ok(places)
    }
}

impl Place {
    /// A place in the block's own shared memory, or the same in all blocks of the cluster.
    pub(in crate::isa) fn of_own(cx: &Cx, all: bool, address: u64, mbarrier: u64) -> Self {
        let every = u32::MAX >> (u32::BITS - cx.siblings.cluster_size() as u32);
        let several = all.then_some(every);
        Self { rank: cx.rank(), several, address, mbarrier, side: None }
    }

    /// Lets `write` bring so many bytes to each block, as a step of the mbarrier that counts them: the one
    /// there, or of its pair.
    pub(in crate::isa) fn arrive(
        &self,
        cx: &mut Cx,
        lane: usize,
        bytes: u32,
        mut write: impl FnMut(&mut SharedMemory, Epoch, Visitor) -> Result<(), FaultKind>,
    ) -> Result<(), FaultKind> {
        let ranks: Vec<u32> = match self.several {
            None => vec![self.rank],
            Some(ranks) => lanes(ranks).map(|rank| rank as u32).collect(),
        };
        for rank in ranks {
            let counting = self.side.map_or(rank, |side| rank - rank % PAIR + side);
            let step = self.step(cx, lane, counting)?;
            let (shared, by) = cx.shared_of(rank, lane)?;
            write(shared, step, by)?;
            let (shared, by) = cx.shared_of(counting, lane)?;
            shared.mbarrier(self.mbarrier, Proxy::Async, by)?.complete_bytes(bytes)?;
        }
        cx.block.progress = true;
        Ok(())
    }

    /// The step that a copy is which the mbarrier of a block counts.
    fn step(&self, cx: &mut Cx, lane: usize, rank: u32) -> Result<Epoch, FaultKind> {
        let (shared, by) = cx.shared_of(rank, lane)?;
        Ok(shared.mbarrier(self.mbarrier, Proxy::Async, by)?.step())
    }

    /// The same for a copy to one other block.
    pub(super) fn step_of_another(&self, cx: &mut Cx, lane: usize) -> Result<Epoch, FaultKind> {
        if self.rank == cx.rank() {
            let what = "a copy from a block to itself, expected another of its cluster".to_owned();
            return Err(FaultKind::InvalidOperand { what });
        }
        self.step(cx, lane, self.rank)
    }
}
