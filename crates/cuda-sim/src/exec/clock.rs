//! Time in a cluster, for finding races: each warp counts its own steps between synchronisations and
//! knows of the others what a synchronisation told it.
//!
//! What happens asynchronously has a time of its own. A copy that an mbarrier counts is a step of that
//! mbarrier, told to those who see its phase complete; one that a thread waits for in groups is a step of
//! that thread's groups. So whoever has not waited does not know of it.

use super::{LANES, lanes};

/// One whose steps are counted: a warp of the cluster, by its number there, or what is asynchronous.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Agent(pub(crate) u32);

/// A moment of one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) agent: Agent,
    pub(crate) time: u32,
}

/// What is known of the time of each agent; of those past the end nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct VectorClock(Vec<u32>);

impl VectorClock {
    /// Whether something that happened then is known to have happened before now.
    pub(crate) fn has_seen(&self, epoch: Epoch) -> bool {
        epoch.time <= self.time(epoch.agent)
    }

    /// Learns what another clock knows.
    pub(crate) fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    fn time(&self, agent: Agent) -> u32 {
        self.0.get(agent.0 as usize).copied().unwrap_or(0)
    }

    fn set(&mut self, Epoch { agent, time }: Epoch) {
        let at = agent.0 as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        self.0[at] = self.0[at].max(time);
    }
}

/// What is known of the others' steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Knowledge {
    seen: VectorClock,
    /// Those of them that a proxy fence has come after: what they wrote through the generic proxy is
    /// there for the asynchronous one.
    fenced: VectorClock,
    /// Steps of operations on tensor memory that others may rely on: a `tcgen05.fence::before_thread_sync`, or a
    /// commit, has come after them.
    published: VectorClock,
}

impl Knowledge {
    /// The start of a warp: it knows of its own first moment alone.
    pub(crate) fn start(agent: Agent) -> Self {
        let mut start = Self::default();
        start.learn(Epoch { agent, time: 1 });
        start
    }

    /// This moment of the agent whose knowledge this is.
    pub(crate) fn epoch(&self, agent: Agent) -> Epoch {
        Epoch { agent, time: self.seen.time(agent) }
    }

    /// Whether something that happened then is known to have happened before now.
    pub(crate) fn has_seen(&self, epoch: Epoch) -> bool {
        self.seen.has_seen(epoch)
    }

    /// Whether a proxy fence is known to have come after it.
    pub(crate) fn has_fenced(&self, epoch: Epoch) -> bool {
        self.fenced.has_seen(epoch)
    }

    /// Learns what another knows.
    pub(crate) fn join(&mut self, other: &Self) {
        self.seen.join(&other.seen);
        self.fenced.join(&other.fenced);
        self.published.join(&other.published);
    }

    /// Learns that something has happened.
    pub(crate) fn learn(&mut self, epoch: Epoch) {
        self.seen.set(epoch);
    }

    /// Whether others may rely on it that an operation on tensor memory has come so far.
    pub(crate) fn has_published(&self, epoch: Epoch) -> bool {
        self.published.has_seen(epoch)
    }

    /// All such steps that are known.
    pub(crate) fn published(&self) -> &VectorClock {
        &self.published
    }

    /// Learns that an operation on tensor memory has come so far, and lets others rely on it.
    pub(crate) fn publish(&mut self, epoch: Epoch) {
        self.seen.set(epoch);
        self.published.set(epoch);
    }

    /// What the completion of an asynchronous operation tells of all that the agent knows whose knowledge this
    /// is. Of what the agent has done itself that is no more than a proxy fence has come after: the operation
    /// knows of nothing else.
    pub(crate) fn of_operation(&self, agent: Agent) -> Self {
        let mut told = self.clone();
        let fenced = self.fenced.time(agent);
        if let Some(own) = told.seen.0.get_mut(agent.0 as usize) {
            *own = fenced;
        }
        told
    }

    /// A new moment of the agent whose knowledge this is: what it did before can be told from what it
    /// does now.
    pub(crate) fn tick(&mut self, agent: Agent) {
        self.learn(Epoch { agent, time: self.seen.time(agent) + 1 });
    }

    /// Whether anything is known of some agents: they have begun.
    pub(crate) fn knows_any(&self, mut agents: std::ops::Range<u32>) -> bool {
        agents.any(|agent| self.seen.time(Agent(agent)) > 0)
    }

    /// `fence.proxy.async` after all that is known.
    pub(crate) fn fence(&mut self) {
        self.fenced = self.seen.clone();
    }
}

/// What each lane of a warp knows of the others' time, which is the warp's: until a synchronisation of
/// the warp a lane knows of nobody but itself.
#[derive(Clone, Debug)]
pub(crate) struct Lanewise(Box<[[u32; LANES]; LANES]>);

impl Lanewise {
    /// The start of a warp.
    pub(crate) fn start() -> Self {
        Self(Box::new([[0; LANES]; LANES]))
    }

    /// Whether a lane knows what some others did at a time.
    pub(crate) fn has_seen(&self, lane: usize, others: u32, time: u32) -> bool {
        let known = &self.0[lane];
        lanes(others & !(1 << lane)).all(|other| known[other] >= time)
    }

    /// Some lanes learn of all that the warp had done by a time, which it told somebody then.
    pub(crate) fn learn(&mut self, mask: u32, time: u32) {
        for lane in lanes(mask) {
            self.0[lane].iter_mut().for_each(|known| *known = (*known).max(time));
        }
    }

    /// Some lanes tell each other all that they know, now.
    pub(crate) fn synchronize(&mut self, mask: u32, now: u32) {
        let mut all = [0; LANES];
        for lane in lanes(mask) {
            for (all, known) in all.iter_mut().zip(self.0[lane]) {
                *all = (*all).max(known);
            }
        }
        for lane in lanes(mask) {
            all[lane] = now;
        }
        for lane in lanes(mask) {
            self.0[lane] = all;
        }
    }
}
