//! Time in a block, for finding races: each warp counts its own steps between synchronisations and
//! knows of the others what a synchronisation told it.

use super::{LANES, lanes};

/// A moment of one warp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) warp: u16,
    pub(crate) time: u32,
}

/// What a warp knows of the time of each warp of its block, its own included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VectorClock(Vec<u32>);

impl VectorClock {
    /// The start of a block: a warp knows of its own first moment alone.
    pub(crate) fn start(warps: usize, warp: usize) -> Self {
        let mut times = vec![0; warps];
        times[warp] = 1;
        Self(times)
    }

    /// Knowledge of nothing.
    pub(crate) fn nothing(warps: usize) -> Self {
        Self(vec![0; warps])
    }

    /// This moment of `warp`, whose clock this is.
    pub(crate) fn epoch(&self, warp: usize) -> Epoch {
        Epoch { warp: warp as u16, time: self.0[warp] }
    }

    /// Whether something that happened then is known to have happened before now.
    pub(crate) fn has_seen(&self, epoch: Epoch) -> bool {
        epoch.time <= self.0[usize::from(epoch.warp)]
    }

    /// Learns what another clock knows.
    pub(crate) fn join(&mut self, other: &Self) {
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine = (*mine).max(*theirs);
        }
    }

    /// The time of `warp`, whose clock this is.
    pub(crate) fn time(&self, warp: usize) -> u32 {
        self.0[warp]
    }

    /// A new moment of `warp`: what it did before can be told from what it does now.
    pub(crate) fn tick(&mut self, warp: usize) {
        self.0[warp] += 1;
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
