//! `tcgen05.commit`: an mbarrier tells that what a thread has issued so far is complete.

use super::Group;
use super::steps::Steps;
use crate::error::LoadError;
use crate::exec::clock::Knowledge;
use crate::exec::{Cx, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::decode::{Target, Text};
use crate::isa::mbarrier::find;
use crate::isa::memory::{Location, addresses, eat_space};
use crate::isa::program::Source;
use crate::memory::Stay;
use crate::ptx::{Space, Type};

#[derive(Clone, Debug)]
pub(crate) struct Commit {
    pub(super) group: Group,
    space: Option<Space>,
    at: Target,
    /// The ranks of several blocks with an mbarrier in this place, a bit for each.
    ranks: Option<Source>,
}

impl Commit {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        text.eat("commit");
        let group = Group::decode(text)?;
        if !text.eat("mbarrier::arrive::one") {
            return Err(text.refuse("expected .mbarrier::arrive::one"));
        }
        let space = eat_space(text);
        if !matches!(space, None | Some(Space::SharedCluster)) {
            return Err(text.refuse("expected .shared::cluster"));
        }
        let several = text.eat("multicast::cluster");
        if !text.eat("b64") {
            return Err(text.refuse("expected .b64"));
        }
        text.finish(1 + usize::from(several))?;
        let ranks = if several { Some(text.source(1, Type::B16)?) } else { None };
        Ok(Self { group, space, at: text.address(0, space)?, ranks })
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let at = addresses(cx, &self.at, mask)?;
        let ranks = self.ranks.map(|ranks| cx.warp.word(ranks, mask)).transpose()?;
        for lane in lanes(mask) {
            let step = Steps::commit(cx, lane);
            let knowing = cx.block.tell_completion(cx.warp.index, step);
            cx.warp.tensor.committed(lane);
            let ranks = ranks.map(|ranks| ranks[lane] & 0xffff);
            self.arrive(cx, lane, at[lane], ranks, &knowing)
                .map_err(|kind| Stop { lane: lane as u32, kind })?;
        }
        cx.block.progress = true;
        Ok(())
    }

    fn arrive(
        &self,
        cx: &mut Cx,
        lane: usize,
        at: u64,
        several: Option<u32>,
        knowing: &Knowledge,
    ) -> Result<(), FaultKind> {
        let Location { space, rank, address } = cx.locate(self.space, at);
        if space != Space::Shared {
            let what = format!("an mbarrier at {at:#x}, which is not in shared memory");
            return Err(FaultKind::InvalidOperand { what });
        }
        let ranks = several.unwrap_or(1 << rank);
        for rank in lanes(ranks) {
            let mbarrier = find(cx, (rank as u32, address), lane)?;
            mbarrier.arrive(1, Stay::Stays, knowing)?;
        }
        Ok(())
    }
}
