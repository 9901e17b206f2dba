use crate::exec::clock::{Agent, Epoch, Knowledge};
use crate::fault::FaultKind;

/// An mbarrier: counts arrivals of threads and bytes of copies, phase by phase.
///
/// What its copies write is a step of its own: who sees a phase complete knows what all knew that arrived
/// at it, and of the copies that it counted.
#[derive(Debug)]
pub(crate) struct Mbarrier {
    /// Its copies, whose time is the number of the phase that counts them, from 2; 1 is when it was made.
    copies: Agent,
    /// Arrivals that a phase takes.
    expected: u32,
    /// Arrivals that the present phase still waits for.
    pending: u32,
    /// Bytes that it still waits for; less than 0 if some have come that nobody has announced yet.
    bytes: i64,
    /// Phases completed.
    phase: u64,
    /// Whether copies may use it without a proxy fence.
    is_announced: bool,
    /// What all know that have arrived at this phase.
    arriving: Knowledge,
    /// What all knew that arrived at earlier phases.
    known: Knowledge,
}

/// What `mbarrier.arrive` gives, and a test takes: the phase that it arrived at, in the upper half, and in
/// the lower half the arrivals that were pending then, with a mark if that may be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(u64);

impl State {
    const TELLS_PENDING: u64 = 1 << 31;

    fn new(phase: u64, pending: u32) -> Self {
        Self(phase << 32 | u64::from(pending))
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn bits(self) -> u64 {
        self.0
    }

    /// The state as an arrival with `.noComplete` gives it.
    pub(crate) fn of_incomplete(self) -> Self {
        Self(self.0 | Self::TELLS_PENDING)
    }

    /// Arrivals that were pending before the one that gave the state; only one with `.noComplete` tells.
    pub(crate) fn pending(self) -> Option<u32> {
        let tells = self.0 & Self::TELLS_PENDING != 0;
        tells.then_some((self.0 & !Self::TELLS_PENDING) as u32)
    }
}

/// Whether an arrival also counts off from all later phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stay {
    Stays,
    Drops,
}

impl Mbarrier {
    pub(crate) const BYTES: u32 = 8;

    /// The most arrivals, and one more than the most bytes, that a phase can wait for.
    const LIMIT: u32 = 1 << 20;

    pub(super) fn new(expected: u32, copies: Agent) -> Result<Self, FaultKind> {
        if !(1..Self::LIMIT).contains(&expected) {
            let what =
                format!("an mbarrier of {expected} arrivals, expected 1 to {}", Self::LIMIT - 1);
            return Err(FaultKind::InvalidOperand { what });
        }
        Ok(Self {
            copies,
            expected,
            pending: expected,
            bytes: 0,
            phase: 0,
            is_announced: false,
            arriving: Knowledge::default(),
            known: Knowledge::default(),
        })
    }

    pub(super) fn is_announced(&self) -> bool {
        self.is_announced
    }

    pub(super) fn announce(&mut self) {
        self.is_announced = true;
    }

    pub(crate) fn phase(&self) -> u64 {
        self.phase
    }

    /// The arrivals and the bytes that the present phase waits for.
    pub(super) fn waits_for(&self) -> (u32, i64) {
        (self.pending, self.bytes)
    }

    /// The step that a copy is which the present phase counts.
    pub(crate) fn step(&self) -> Epoch {
        Epoch { agent: self.copies, time: self.phase as u32 + 2 }
    }

    /// The step of making it, which `fence.mbarrier_init` tells of.
    pub(super) fn made(&self) -> Epoch {
        Epoch { agent: self.copies, time: 1 }
    }

    /// Threads that know this arrive `count` times. Gives the state before.
    pub(crate) fn arrive(
        &mut self,
        count: u32,
        stay: Stay,
        knowing: &Knowledge,
    ) -> Result<State, FaultKind> {
        if count == 0 || count > self.pending {
            let what = format!("{count} arrivals at an mbarrier that waits for {}", self.pending);
            return Err(FaultKind::InvalidOperand { what });
        }
        let before = State::new(self.phase, self.pending);
        self.arriving.join(knowing);
        self.pending -= count;
        if stay == Stay::Drops {
            let left = self.expected.checked_sub(count);
            self.expected = left.ok_or_else(|| {
                let what = format!("{count} arrivals drop out of {} expected", self.expected);
                FaultKind::InvalidOperand { what }
            })?;
        }
        self.complete();
        Ok(before)
    }

    /// One arrival more is to be waited for in this phase: that of a thread's copies.
    pub(crate) fn expect_arrival(&mut self) -> Result<(), FaultKind> {
        self.pending += 1;
        if self.pending < Self::LIMIT {
            return Ok(());
        }
        let what = format!("an mbarrier waits for {} arrivals", self.pending);
        Err(FaultKind::InvalidOperand { what })
    }

    /// So many bytes more are to be waited for in this phase.
    pub(crate) fn expect_bytes(&mut self, bytes: u32) -> Result<(), FaultKind> {
        self.count(bytes.into())?;
        // They may have come before, and the last arrival too.
        self.complete();
        Ok(())
    }

    /// So many bytes have come.
    pub(crate) fn complete_bytes(&mut self, bytes: u32) -> Result<(), FaultKind> {
        self.count(-i64::from(bytes))?;
        self.complete();
        Ok(())
    }

    fn count(&mut self, bytes: i64) -> Result<(), FaultKind> {
        self.bytes += bytes;
        if self.bytes.unsigned_abs() < Self::LIMIT.into() {
            return Ok(());
        }
        let what = format!("an mbarrier counts {} bytes, the limit is 2^20 - 1", self.bytes);
        Err(FaultKind::InvalidOperand { what })
    }

    /// Whether the phase that a state is of has completed.
    pub(crate) fn is_past(&self, state: State) -> Result<bool, FaultKind> {
        let of = state.0 >> 32;
        // Phases are told apart as far as a state holds them.
        let behind = (self.phase as u32).wrapping_sub(of as u32);
        if behind <= 1 {
            return Ok(behind == 1);
        }
        let what = format!("a state of phase {of} of an mbarrier that is in phase {}", self.phase);
        Err(FaultKind::InvalidOperand { what })
    }

    /// Whether the last phase of a parity has completed: whether the present one is of the other.
    pub(crate) fn is_past_parity(&self, parity: u32) -> bool {
        self.phase % 2 != u64::from(parity % 2)
    }

    /// What all knew that arrived at the phases that have completed, and their copies.
    pub(crate) fn known(&self) -> &Knowledge {
        &self.known
    }

    fn complete(&mut self) {
        if self.pending == 0 && self.bytes == 0 {
            let arrived = std::mem::take(&mut self.arriving);
            self.known.join(&arrived);
            self.known.learn(self.step());
            self.phase += 1;
            self.pending = self.expected;
        }
    }
}
