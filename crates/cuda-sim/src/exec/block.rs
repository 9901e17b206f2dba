use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::clock::{Lanewise, VectorClock};
use super::{Cx, Flow, LANES, Launched, Place, Reduction, Reply, Stop, Warp};
use crate::counters::Tally;
use crate::fault::FaultKind;
use crate::isa::{Instruction, Kernel};
use crate::memory::{Allocation, GlobalMemory, SharedMemory, Visitor};

/// Barriers that a block has.
const BARRIERS: usize = 16;

/// What the warps of a block share.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) place: Place,
    pub(crate) shared: SharedMemory,
    pub(crate) tally: Tally,
    /// The allocation that was accessed last: most often the next access is to it too.
    pub(crate) nearest: Option<Arc<Allocation>>,
    /// What each warp knows of the others' time, and each of its lanes of the others'.
    clocks: Vec<VectorClock>,
    lanewise: Vec<Lanewise>,
    /// What all releases so far have told who acquires.
    released: VectorClock,
    /// The launch's time when a thread of the block last acquired.
    pub(crate) acquired: u32,
    /// Whether something has changed that another thread may wait for.
    pub(crate) progress: bool,
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
    /// What all that have arrived at this phase know, and what those of the last one knew.
    arriving: Option<VectorClock>,
    known: Option<VectorClock>,
    /// Threads that have come to this phase with a predicate, those with one that held, and the same
    /// of the last phase.
    voting: (u32, u32),
    outcome: (u32, u32),
}

/// Whether a warp can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Waiting(Wait),
    Exited,
}

/// What a warp waits for: that a barrier has completed so many phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wait {
    barrier: usize,
    phase: u64,
    reply: Option<Reply>,
}

/// How a warp's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Over,
    Waits(Wait),
    Exits,
}

/// In what order warps have their turns.
pub(crate) trait Schedule {
    /// Which of `ready` warps is next, and how many instructions its turn lasts.
    fn next(&mut self, ready: usize) -> (usize, u32);
}

impl Block {
    pub(crate) fn new(place: Place, threads: u32, kinds: usize) -> Self {
        let warps = threads.div_ceil(32) as usize;
        Self {
            place,
            shared: SharedMemory::new(place.total_shared as usize),
            tally: Tally::new(kinds),
            nearest: None,
            clocks: (0..warps).map(|warp| VectorClock::start(warps, warp)).collect(),
            lanewise: vec![Lanewise::start(); warps],
            released: VectorClock::nothing(warps),
            acquired: 0,
            progress: false,
            barriers: Default::default(),
            threads,
            exited: 0,
        }
    }

    /// Some lanes of a warp arrive at a barrier that waits for `expected` threads, 0 for all, and stand
    /// for `count` of them. Returns the number of phases after whose completion they may go on.
    pub(crate) fn arrive(
        &mut self,
        barrier: u32,
        expected: u32,
        warp: usize,
        lanes: u32,
        count: u32,
    ) -> u64 {
        let state = &mut self.barriers[barrier as usize];
        let phase = state.phase + 1;
        state.arrived += count;
        state.expected = expected;
        match &mut state.arriving {
            Some(clock) => clock.join(&self.clocks[warp]),
            none => *none = Some(self.clocks[warp].clone()),
        }
        self.synchronize_lanes(warp, lanes);
        self.tally.totals.barriers += 1;
        self.progress = true;
        self.complete_barriers();
        phase
    }

    /// Some threads are about to arrive at a barrier with predicates, of which some hold.
    pub(crate) fn vote(&mut self, barrier: u32, threads: u32, holding: u32) {
        let voting = &mut self.barriers[barrier as usize].voting;
        *voting = (voting.0 + threads, voting.1 + holding);
    }

    /// Some lanes of a warp tell each other what they know.
    pub(crate) fn synchronize_lanes(&mut self, warp: usize, lanes: u32) {
        self.lanewise[warp].synchronize(lanes, self.clocks[warp].time(warp));
        self.clocks[warp].tick(warp);
    }

    /// A warp learns what was released before. `now` is the launch's time.
    pub(crate) fn acquire(&mut self, warp: usize, now: u32) {
        self.clocks[warp].join(&self.released);
        self.acquired = self.acquired.max(now);
    }

    /// A warp tells all who acquire later what it knows.
    pub(crate) fn release(&mut self, warp: usize) {
        self.released.join(&self.clocks[warp]);
        self.clocks[warp].tick(warp);
    }

    /// Shared memory, and a lane as one who accesses it.
    pub(crate) fn shared_by(
        &mut self,
        warp: usize,
        lane: usize,
    ) -> (&mut SharedMemory, Visitor<'_>) {
        let (clock, lanewise) = (&self.clocks[warp], &self.lanewise[warp]);
        (&mut self.shared, Visitor { warp, lane, clock, lanewise })
    }

    /// Completes the barriers at which all expected threads have arrived.
    fn complete_barriers(&mut self) {
        let live = self.threads - self.exited;
        for barrier in &mut self.barriers {
            let expected = if barrier.expected == 0 { live } else { barrier.expected };
            if barrier.arrived > 0 && barrier.arrived >= expected {
                barrier.phase += 1;
                barrier.arrived = 0;
                barrier.known = barrier.arriving.take();
                barrier.outcome = std::mem::take(&mut barrier.voting);
            }
        }
    }
}

/// Why a block stopped, and which instruction of which warp it was.
pub(crate) struct Stopped {
    pub(crate) warp: usize,
    pub(crate) instruction: u32,
    pub(crate) stop: Stop,
}

/// Instructions that a block may execute while nothing changes that a thread could wait for, in it or
/// elsewhere in the launch, before it counts as spinning in vain.
const PATIENCE: u64 = 1 << 24;

/// Runs a block to its end.
pub(crate) fn run(
    block: &mut Block,
    kernel: &Kernel,
    global: &GlobalMemory,
    launch: &Launched,
    mut warps: Vec<Warp>,
    schedule: &mut dyn Schedule,
) -> Result<(), Stopped> {
    let mut states = vec![State::Ready; warps.len()];
    let (mut idle, mut seen) = (0, 0);
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
        let end = take_turn(block, kernel, global, launch, warp, turn).map_err(|stop| {
            let instruction = warp.path().map_or(0, |path| path.pc);
            Stopped { warp: index, instruction, stop }
        })?;
        match end {
            Turn::Over => {}
            Turn::Waits(wait) => states[index] = State::Waiting(wait),
            Turn::Exits => states[index] = State::Exited,
        }
        block.complete_barriers();
        for (warp, state) in warps.iter_mut().zip(&mut states) {
            if let State::Waiting(wait) = *state
                && block.barriers[wait.barrier].phase >= wait.phase
            {
                *state = State::Ready;
                block.leave(wait, warp);
            }
        }
        if std::mem::take(&mut block.progress) || end != Turn::Over {
            launch.progress.fetch_add(1, Relaxed);
        }
        let now = launch.progress.load(Relaxed);
        idle = if now == seen { idle + u64::from(turn) } else { 0 };
        seen = now;
        if idle > PATIENCE {
            let path = warps[index].path();
            let lane = path.map_or(0, |path| path.lanes.trailing_zeros());
            return Err(Stopped {
                warp: index,
                instruction: path.map_or(0, |path| path.pc),
                stop: Stop { lane, kind: FaultKind::Deadlock },
            });
        }
    }
}

impl Block {
    /// A warp goes on from a completed barrier, and knows what all who came to it knew.
    fn leave(&mut self, wait: Wait, warp: &mut Warp) {
        let barrier = &self.barriers[wait.barrier];
        if let Some(clock) = &barrier.known {
            self.clocks[warp.index].join(clock);
        }
        let Some(Reply { to, function, lanes }) = wait.reply else { return };
        let (threads, holding) = barrier.outcome;
        let all = |holds: bool| if holds { u32::MAX } else { 0 };
        match function {
            Reduction::Count => warp.set_word(to, &[holding; LANES], lanes),
            Reduction::All => warp.set_predicate(to, all(holding == threads), lanes),
            Reduction::Any => warp.set_predicate(to, all(holding > 0), lanes),
        }
    }
}

/// Nobody can go on: says why, of the first warp that waits.
fn stuck(block: &Block, warps: &[Warp], states: &[State]) -> Stopped {
    let waiting = states.iter().position(|state| matches!(state, State::Waiting(_)));
    let warp = waiting.unwrap_or(0);
    let kind = match states[warp] {
        State::Waiting(Wait { barrier, .. }) => {
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
    launch: &Launched,
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
            let cx = &mut Cx { warp, block, global, launch };
            match instruction.op.execute(cx, mask) {
                // Arms of a branch may stand after the place where they join.
                Err(Stop { kind: FaultKind::Divergent { .. }, .. }) if warp.park(path) => continue,
                flow => flow?,
            }
        };
        block.tally.count(instruction.kind, mask, warp.live());
        match flow {
            Flow::Next => warp.advance(path),
            Flow::Jump(target) => warp.jump(path, mask, target),
            Flow::Scatter(jumps) => warp.scatter(path, &jumps),
            Flow::Exit => {
                warp.exit(path, mask);
                block.exited += mask.count_ones();
            }
            Flow::Wait { barrier, phase, reply } => {
                warp.advance(path);
                return Ok(Turn::Waits(Wait { barrier: barrier as usize, phase, reply }));
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
