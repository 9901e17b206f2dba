//! The four warps of a warpgroup, which execute some instructions together. Here each executes them by
//! itself; that they are the same, and in the same order, is checked.

use std::collections::VecDeque;

use super::clock::{Agent, Epoch, Knowledge};
use crate::fault::FaultKind;

/// Warps of a warpgroup.
pub(crate) const WARPS: usize = 4;

/// An instruction that a warpgroup executes together, as one of its warps has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) line: u32,
    /// The number of the instruction.
    pub(crate) instruction: u32,
    /// The values of operands that are the same in all warps.
    pub(crate) operands: [u64; 3],
}

#[derive(Debug)]
pub(crate) struct Warpgroup {
    /// The number of its first warp.
    first: usize,
    /// Those steps that some warps have executed and some have not, with the number in the warpgroup of
    /// the warp that came first.
    steps: VecDeque<(usize, Step)>,
    /// How many of them each warp has executed.
    executed: [usize; WARPS],
    /// Warps that will execute no more: those that have exited, and those that the block does not have.
    gone: [bool; WARPS],
    /// When each warp has executed `setmaxnreg`: how often, the last time, and the time before.
    resized: [(u32, [Option<Epoch>; 2]); WARPS],
}

impl Warpgroup {
    /// The warpgroups of a block.
    pub(super) fn of_block(warps: usize) -> Vec<Self> {
        let start = |first| Self {
            first,
            steps: VecDeque::new(),
            executed: [0; WARPS],
            gone: std::array::from_fn(|warp| first + warp >= warps),
            resized: Default::default(),
        };
        (0..warps).step_by(WARPS).map(start).collect()
    }

    /// A warp, by its number in the block, executes a step.
    pub(super) fn execute(&mut self, warp: usize, step: Step) -> Result<(), FaultKind> {
        let warp = warp - self.first;
        match self.steps.get(self.executed[warp]) {
            Some((other, theirs)) if *theirs != step => {
                return Err(self.mismatch(*other, Some(theirs.line)));
            }
            Some(_) => {}
            None => {
                if let Some(other) = self.gone.iter().position(|gone| *gone) {
                    return Err(self.mismatch(other, None));
                }
                self.steps.push_back((warp, step));
            }
        }
        self.executed[warp] += 1;
        if self.executed.iter().all(|executed| *executed > 0) {
            self.steps.pop_front();
            self.executed.iter_mut().for_each(|executed| *executed -= 1);
        }
        Ok(())
    }

    /// A warp that knows this executes `setmaxnreg`: the others must be known to have executed their last one.
    pub(super) fn set_registers(
        &mut self,
        warp: usize,
        agent: Agent,
        knowledge: &Knowledge,
    ) -> Result<(), FaultKind> {
        let warp = warp - self.first;
        let (times, [last, _]) = self.resized[warp];
        for (other, (theirs, [newer, older])) in self.resized.iter().enumerate() {
            // The others are one ahead at most, or would have been caught.
            let same = if *theirs > times { older } else { newer };
            let is_known = *theirs >= times && same.is_none_or(|then| knowledge.has_seen(then));
            if !is_known {
                return Err(FaultKind::UnsynchronizedWarpgroup {
                    warp: (self.first + other) as u32,
                });
            }
        }
        self.resized[warp] = (times + 1, [Some(knowledge.epoch(agent)), last]);
        Ok(())
    }

    /// A warp exits.
    pub(super) fn exit(&mut self, warp: usize) -> Result<(), FaultKind> {
        let warp = warp - self.first;
        self.gone[warp] = true;
        match self.steps.get(self.executed[warp]) {
            Some((other, theirs)) => Err(self.mismatch(*other, Some(theirs.line))),
            None => Ok(()),
        }
    }

    fn mismatch(&self, warp: usize, line: Option<u32>) -> FaultKind {
        FaultKind::WarpgroupMismatch { warp: (self.first + warp) as u32, line }
    }
}
