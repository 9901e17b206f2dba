//! Time in a block, for finding races: each warp counts its own steps between synchronisations and
//! knows of the others what a synchronisation told it.

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

    /// A new moment of `warp`: what it did before can be told from what it does now.
    pub(crate) fn tick(&mut self, warp: usize) {
        self.0[warp] += 1;
    }
}
