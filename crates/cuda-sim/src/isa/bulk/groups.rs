//! The groups that a lane's copies from shared to global memory are waited for in.

use crate::error::LoadError;
use crate::exec::clock::{Agent, Epoch};
use crate::exec::{Cx, Lanes, Stop, lanes};
use crate::fault::FaultKind;
use crate::isa::decode::Text;
use crate::isa::program::Source;
use crate::ptx::Type;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Group {
    /// `cp.async.bulk.commit_group`
    Commit,
    /// `cp.async.bulk.wait_group`: for all groups but the last few. That `.read` waits for no more than
    /// the reads of shared memory is all the same here, where nobody else knows of the writes.
    Wait { but: u32 },
}

impl Group {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        if text.eat("commit_group") {
            text.finish(0)?;
            return Ok(Self::Commit);
        }
        text.eat("wait_group");
        text.eat("read");
        text.finish(1)?;
        match text.source(0, Type::U32)? {
            Source::Immediate(but) => Ok(Self::Wait { but: but as u32 }),
            _ => Err(text.refuse("the number of groups is constant")),
        }
    }

    pub(super) fn execute(self, cx: &mut Cx, mask: u32) {
        for lane in lanes(mask) {
            let groups = &mut cx.warp.groups.0[lane];
            match self {
                Self::Commit => groups.committed += 1,
                Self::Wait { but } => {
                    let time = groups.committed.saturating_sub(but);
                    groups.waited = groups.waited.max(time);
                    if let Some(agent) = groups.agent {
                        cx.block.learn_of(cx.warp.index, Epoch { agent, time });
                    }
                }
            }
        }
    }
}

/// The groups of a warp's lanes.
#[derive(Debug, Default)]
pub(crate) struct Groups(Lanes<OfLane>);

/// Groups are numbered from 1.
#[derive(Clone, Copy, Debug, Default)]
struct OfLane {
    /// Whose steps they are, if there are copies in any.
    agent: Option<Agent>,
    /// How many are committed.
    committed: u32,
    /// The last one that has a copy in it, and the last one that has been waited for.
    last: u32,
    waited: u32,
}

impl Groups {
    /// The step that a copy is which a lane starts now.
    pub(super) fn step(cx: &mut Cx, lane: usize) -> Epoch {
        let groups = &mut cx.warp.groups.0[lane];
        let agent = *groups.agent.get_or_insert_with(|| cx.cluster.new_agent());
        groups.last = groups.committed + 1;
        Epoch { agent, time: groups.last }
    }

    /// Refuses to let lanes exit before their copies have read what they copy.
    pub(crate) fn check_finished(&self, mask: u32) -> Result<(), Stop> {
        let unfinished = |lane: &usize| self.0[*lane].last > self.0[*lane].waited;
        match lanes(mask).find(unfinished) {
            None => Ok(()),
            Some(lane) => {
                let OfLane { last, committed, .. } = self.0[lane];
                let kind = FaultKind::UnfinishedCopy { committed: last <= committed };
                Err(Stop { lane: lane as u32, kind })
            }
        }
    }
}
