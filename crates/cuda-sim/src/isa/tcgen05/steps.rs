//! How far a warp's operations on tensor memory have come, for finding out what orders them.

use crate::exec::clock::{Agent, Epoch};
use crate::exec::{Cx, Lanes};
use crate::memory::{Act, Operation};

/// What is counted of a warp.
#[derive(Clone, Copy)]
pub(super) enum Count {
    /// `tcgen05.fence::before_thread_sync`, and the operations issued before each.
    Fences,
    /// `tcgen05.wait::ld` and `tcgen05.wait::st`, and the loads and stores that each waits for.
    Loads,
    Stores,
}

/// Counts from 0. The next of each kind completes a step, which has one more as its time.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// Whose time each count is.
    agents: Option<[Agent; 3]>,
    counts: [u32; 3],
    /// Each thread's commits.
    commits: Lanes<Commits>,
    /// The step that the warp waits for its peer to take too.
    pub(super) awaited: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Commits {
    agent: Option<Agent>,
    count: u32,
}

impl Steps {
    /// The step that an operation of a lane completes in.
    pub(super) fn operation(cx: &mut Cx, lane: usize, act: Act) -> Operation {
        let warp = cx.block.agent(cx.warp.index);
        let done = match act {
            Act::Load => Self::next(cx, Count::Loads),
            Act::Store => Self::next(cx, Count::Stores),
            _ => Self::commit(cx, lane),
        };
        Operation { act, warp, issued: Self::next(cx, Count::Fences), done }
    }

    /// The step that a lane's next commit completes.
    pub(super) fn commit(cx: &mut Cx, lane: usize) -> Epoch {
        let commits = &mut cx.warp.tensor.commits[lane];
        let agent = *commits.agent.get_or_insert_with(|| cx.cluster.new_agent());
        Epoch { agent, time: commits.count + 1 }
    }

    /// A lane has committed what it has issued.
    pub(super) fn committed(&mut self, lane: usize) {
        self.commits[lane].count += 1;
    }

    /// The next of a kind has come. Returns the step that it completes.
    pub(super) fn take(cx: &mut Cx, count: Count) -> Epoch {
        let step = Self::next(cx, count);
        cx.warp.tensor.counts[count as usize] = step.time;
        step
    }

    /// The last of a kind that has come.
    pub(super) fn last(cx: &mut Cx, count: Count) -> Epoch {
        let next = Self::next(cx, count);
        Epoch { time: next.time - 1, ..next }
    }

    fn next(cx: &mut Cx, count: Count) -> Epoch {
        let steps = &mut cx.warp.tensor;
        let agents =
            steps.agents.get_or_insert_with(|| std::array::from_fn(|_| cx.cluster.new_agent()));
        Epoch { agent: agents[count as usize], time: steps.counts[count as usize] + 1 }
    }
}
