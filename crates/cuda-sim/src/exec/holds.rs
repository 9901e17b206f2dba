//! Registers that `wgmma` or `tcgen05.ld` uses while a warp goes on: who else touches them is caught.
//!
//! Reads are caught as those of registers that nothing has written, which costs nothing where nothing is
//! held. Of what happens to a register between its uses only writes are known: that a `wgmma.fence` is
//! missing after a read alone is not found out.

use super::Stop;
use crate::fault::FaultKind;
use crate::isa::Register;
use crate::ptx::Type;

/// What a warp's registers of 32 bits are used for, by number.
#[derive(Debug)]
pub(crate) struct Holds {
    uses: Vec<Option<Use>>,
    /// How many of them are in flight.
    in_flight: usize,
    /// `wgmma.fence` so far, and how many there had been when each register was last written by something
    /// else.
    fences: u32,
    written: Vec<u32>,
    /// The first write to what is in flight, which the instruction's end finds.
    pub(super) meddled: Option<Stop>,
}

/// The last use of a register.
#[derive(Clone, Copy, Debug)]
struct Use {
    role: Role,
    /// The number of the group that it was in, and of fences before it.
    group: u32,
    fences: u32,
    in_flight: bool,
}

/// What a register is of a matrix. Several products may use it as the same at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// One of so many columns' accumulators of a type: which, and which register is the first.
    Accumulator { columns: usize, ty: Type, place: usize, first: Register },
    /// Part of A.
    Fragment,
    /// Where a load puts what it gives.
    Loaded,
}

/// Why a register cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    InFlight,
    Unfenced,
}

impl Refusal {
    pub(super) fn of(self, register: String) -> FaultKind {
        match self {
            Self::InFlight => FaultKind::InFlightRegister { register },
            Self::Unfenced => FaultKind::MissingWgmmaFence { register },
        }
    }
}

impl Holds {
    pub(super) fn new(words: usize) -> Self {
        let (uses, written) = (vec![None; words], vec![0; words]);
        Self { uses, in_flight: 0, fences: 0, written, meddled: None }
    }

    pub(super) fn fence(&mut self) {
        self.fences += 1;
    }

    pub(super) fn is_in_flight(&self, index: usize) -> bool {
        self.in_flight > 0 && self.uses[index].is_some_and(|last| last.in_flight)
    }

    pub(super) fn any_in_flight(&self) -> bool {
        self.in_flight > 0
    }

    /// Something other than `wgmma` writes a register. Returns whether it is in flight.
    pub(super) fn write(&mut self, index: usize) -> bool {
        self.written[index] = self.fences;
        self.is_in_flight(index)
    }

    /// A product of a group is about to use a register, and lets go of it for so long. Returns whether it was
    /// in flight.
    pub(super) fn claim(&mut self, index: usize, role: Role, group: u32) -> Result<bool, Refusal> {
        if self.written[index] == self.fences {
            return Err(Refusal::Unfenced);
        }
        let was_in_flight = self.is_in_flight(index);
        if let Some(last) = self.uses[index].filter(|last| last.role != role) {
            if was_in_flight {
                return Err(Refusal::InFlight);
            }
            if last.fences == self.fences {
                return Err(Refusal::Unfenced);
            }
        }
        self.in_flight -= usize::from(was_in_flight);
        self.uses[index] = Some(Use { role, group, fences: self.fences, in_flight: false });
        Ok(was_in_flight)
    }

    /// A load of a group is about to use a register that is not in flight.
    pub(super) fn load(&mut self, index: usize, group: u32) {
        let (role, fences) = (Role::Loaded, self.fences);
        self.uses[index] = Some(Use { role, group, fences, in_flight: false });
    }

    /// The product, or the load, uses the register that it has claimed.
    pub(super) fn take_off(&mut self, index: usize) {
        if let Some(last) = self.uses[index].as_mut().filter(|last| !last.in_flight) {
            last.in_flight = true;
            self.in_flight += 1;
        }
    }

    /// All groups up to one are complete. Returns the registers that were in flight for them alone.
    pub(super) fn complete(&mut self, group: u32) -> Vec<usize> {
        let mut landed = Vec::new();
        for (index, last) in self.uses.iter_mut().enumerate() {
            if let Some(last) = last.as_mut().filter(|last| last.in_flight && last.group <= group) {
                last.in_flight = false;
                landed.push(index);
            }
        }
        self.in_flight -= landed.len();
        landed
    }
}
