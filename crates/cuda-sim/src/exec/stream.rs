//! Launches one after the other, of which one may begin before the one before it has ended.
//!
//! They still run one at a time. What is known is which earlier launches might run on hardware at the same
//! time: until a thread has executed `griddepcontrol.wait`, and after it. After it the launch before has
//! ended; those before that one have too if it has waited for them itself.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

/// The launches that something is given in order, and how they overlap. One that is not
/// [early](super::Launch::early) begins when all before it have ended.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    last: Option<Ran>,
}

/// A launch that may not have ended yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) number: u32,
    pub(crate) kernel: String,
}

/// The launches that may run at the same time as a launch: before its threads have waited, and after.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlap {
    pub(crate) before: Vec<Earlier>,
    pub(crate) after: Vec<Earlier>,
}

/// What a launch has done about those before and after it.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// Whether it let those after it begin before its end.
    released: AtomicBool,
    /// Whether a thread has waited for the launch before, and whether all of a block's that let others
    /// begin had waited: then none begins before the launch before has ended.
    waited: AtomicBool,
    waited_first: AtomicBool,
}

/// The same of one block.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BlockSteps {
    pub(crate) released: bool,
    pub(crate) released_unwaited: bool,
    pub(crate) waited: bool,
}

impl Steps {
    /// What a block has done by its end.
    pub(super) fn add(&self, block: BlockSteps) {
        self.released.fetch_or(block.released, Relaxed);
        self.waited.fetch_or(block.waited, Relaxed);
        self.waited_first.fetch_or(block.waited && !block.released_unwaited, Relaxed);
    }
}

/// The launch that a stream was given last.
#[derive(Clone, Debug)]
struct Ran {
    launch: Earlier,
    overlap: Overlap,
    released: bool,
    waited: bool,
    waited_first: bool,
}

impl Stream {
    /// What the next launch overlaps with, if it is early.
    pub(super) fn overlap(&self, early: bool) -> Overlap {
        let Some(last) = self.last.as_ref().filter(|_| early) else { return Overlap::default() };
        let of_last = |waited: bool| match waited {
            true => last.overlap.after.clone(),
            false => last.overlap.before.clone(),
        };
        let mut before = of_last(last.waited_first);
        // Without `griddepcontrol.launch_dependents` the next one begins when the last one's blocks are done.
        before.extend(last.released.then(|| last.launch.clone()));
        Overlap { before, after: of_last(last.waited) }
    }

    /// Notes that a launch has run.
    pub(super) fn ran(&mut self, launch: Earlier, overlap: Overlap, steps: &Steps) {
        self.last = Some(Ran {
            launch,
            overlap,
            released: steps.released.load(Relaxed),
            waited: steps.waited.load(Relaxed),
            waited_first: steps.waited_first.load(Relaxed),
        });
    }
}
