use super::clock::VectorClock;
use super::{Cx, Flow, Place, Stop, Warp};
use crate::counters::Counters;
use crate::fault::FaultKind;
use crate::isa::{Instruction, Kernel};
use crate::memory::{GlobalMemory, SharedMemory};

/// Barriers that a block has.
const BARRIERS: usize = 16;

/// What the warps of a block share.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) place: Place,
    pub(crate) shared: SharedMemory,
    pub(crate) counters: Counters,
    /// What each warp knows of the others' time.
    pub(crate) clocks: Vec<VectorClock>,
    barriers: [BarrierState; BARRIERS],
    /// Threads that the block started with, and those of them that have exited.
    threads: u32,
    exited: u32,
}

/// One barrier between two of its phases.
#[derive(Clone, Debug, Default)]
struct BarrierState {
    /// Threads that have arrived.
    arrived: u32,
    /// Threads that it waits for; 0 for all that have not exited.
    expected: u32,
    /// Phases completed.
    phase: u64,
    /// What all that have arrived know.
    clock: Option<VectorClock>,
}

/// Whether a warp can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    /// Until a barrier has completed this many phases.
    Waiting {
        barrier: usize,
        phase: u64,
    },
    Exited,
}

/// How a warp's turn ended.
enum Turn {
    Over,
    Waits { barrier: usize, phase: u64 },
    Exits,
}

/// In what order warps have their turns.
pub(crate) trait Schedule {
    /// Which of `ready` warps is next, and how many instructions its turn lasts.
    fn next(&mut self, ready: usize) -> (usize, u32);
}

impl Block {
    pub(crate) fn new(place: Place, threads: u32) -> Self {
        let warps = threads.div_ceil(32) as usize;
        Self {
            place,
            shared: SharedMemory::new(place.total_shared as usize),
            counters: Counters::default(),
            clocks: (0..warps).map(|warp| VectorClock::start(warps, warp)).collect(),
            barriers: Default::default(),
            threads,
            exited: 0,
        }
    }

    /// `count` of a warp's threads arrive at a barrier that waits for `expected`, 0 for all. Returns
    /// the number of phases after whose completion they may go on.
    pub(crate) fn arrive(&mut self, barrier: u32, expected: u32, warp: usize, count: u32) -> u64 {
        let state = &mut self.barriers[barrier as usize];
        state.arrived += count;
        state.expected = expected;
        match &mut state.clock {
            Some(clock) => clock.join(&self.clocks[warp]),
            none => *none = Some(self.clocks[warp].clone()),
        }
        state.phase + 1
    }

    /// Completes the barriers at which all expected threads have arrived.
    fn complete_barriers(&mut self) {
        let live = self.threads - self.exited;
        for barrier in &mut self.barriers {
            let expected = if barrier.expected == 0 { live } else { barrier.expected };
            if barrier.arrived > 0 && barrier.arrived >= expected {
                barrier.phase += 1;
                barrier.arrived = 0;
            }
        }
    }

    fn is_complete(&self, barrier: usize, phase: u64) -> bool {
        self.barriers[barrier].phase >= phase
    }
}

/// Why a block stopped, and which instruction of which warp it was.
pub(crate) struct Stopped {
    pub(crate) warp: usize,
    pub(crate) instruction: u32,
    pub(crate) stop: Stop,
}

/// Runs a block to its end.
pub(crate) fn run(
    block: &mut Block,
    kernel: &Kernel,
    global: &GlobalMemory,
    parameters: &[u8],
    mut warps: Vec<Warp>,
    schedule: &mut dyn Schedule,
) -> Result<(), Stopped> {
    let mut states = vec![State::Ready; warps.len()];
    loop {
        let ready: Vec<usize> = (0..warps.len()).filter(|&w| states[w] == State::Ready).collect();
        if ready.is_empty() {
            if states.iter().all(|state| *state == State::Exited) {
                return Ok(());
            }
            return Err(stuck(block, &warps, &states));
        }
        let (choice, turn) = schedule.next(ready.len());
        let index = ready[choice];
        let warp = &mut warps[index];
        let end = take_turn(block, kernel, global, parameters, warp, turn).map_err(|stop| {
            let instruction = warp.path().map_or(0, |path| path.pc);
            Stopped { warp: index, instruction, stop }
        })?;
        states[index] = match end {
            Turn::Over => continue,
            Turn::Waits { barrier, phase } => State::Waiting { barrier, phase },
            Turn::Exits => State::Exited,
        };
        block.complete_barriers();
        for (warp, state) in states.iter_mut().enumerate() {
            if let State::Waiting { barrier, phase } = *state
                && block.is_complete(barrier, phase)
            {
                *state = State::Ready;
                block.leave(barrier, warp);
            }
        }
        block.forget_left();
    }
}

impl Block {
    /// A warp goes on from a completed barrier, and knows what all who came to it knew.
    fn leave(&mut self, barrier: usize, warp: usize) {
        if let Some(clock) = &self.barriers[barrier].clock {
            self.clocks[warp].join(clock);
        }
        self.clocks[warp].tick(warp);
    }

    /// Forgets what was known at barriers that nobody waits at.
    fn forget_left(&mut self) {
        for barrier in &mut self.barriers {
            if barrier.arrived == 0 {
                barrier.clock = None;
            }
        }
    }
}

/// Nobody can go on: says why, of the first warp that waits.
fn stuck(block: &Block, warps: &[Warp], states: &[State]) -> Stopped {
    let waiting = states.iter().position(|state| matches!(state, State::Waiting { .. }));
    let warp = waiting.unwrap_or(0);
    let kind = match states[warp] {
        State::Waiting { barrier, .. } => {
            let state = &block.barriers[barrier];
            let live = block.threads - block.exited;
            FaultKind::BarrierNotReached {
                barrier: barrier as u32,
                arrived: state.arrived,
                expected: if state.expected == 0 { live } else { state.expected },
            }
        }
        _ => FaultKind::Deadlock,
    };
    let path = warps[warp].path();
    Stopped {
        warp,
        // Its lanes stand behind the barrier.
        instruction: path.map_or(0, |path| path.pc.saturating_sub(1)),
        stop: Stop { lane: path.map_or(0, |path| path.lanes.trailing_zeros()), kind },
    }
}

/// Executes up to `turn` instructions of a warp.
fn take_turn(
    block: &mut Block,
    kernel: &Kernel,
    global: &GlobalMemory,
    parameters: &[u8],
    warp: &mut Warp,
    turn: u32,
) -> Result<Turn, Stop> {
    for _ in 0..turn {
        let Some(path) = warp.path() else { return Ok(Turn::Exits) };
        let instruction = &kernel.code[path.pc as usize];
        let mask = active(warp, instruction, path.lanes)?;
        let flow = if mask == 0 {
            Flow::Next
        } else {
            let cx = &mut Cx { warp, block, global, parameters };
            match instruction.op.execute(cx, mask) {
                // Arms of a branch may stand after the place where they join.
                Err(Stop { kind: FaultKind::Divergent { .. }, .. }) if warp.park(path) => continue,
                flow => flow?,
            }
        };
        block.counters.count(instruction.kind, mask, warp.live());
        match flow {
            Flow::Next => warp.advance(path),
            Flow::Jump(target) => warp.jump(path, mask, target),
            Flow::Exit => {
                warp.exit(path, mask);
                block.exited += mask.count_ones();
            }
            Flow::Wait { barrier, phase } => {
                warp.advance(path);
                return Ok(Turn::Waits { barrier: barrier as usize, phase });
            }
        }
    }
    Ok(Turn::Over)
}

/// The lanes that an instruction's guard lets execute it.
fn active(warp: &Warp, instruction: &Instruction, lanes: u32) -> Result<u32, Stop> {
    let Some((predicate, negated)) = instruction.guard else { return Ok(lanes) };
    let value = warp.predicate(predicate, lanes)?;
    Ok(lanes & if negated { !value } else { value })
}
