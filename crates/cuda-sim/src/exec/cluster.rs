//! Blocks that run at the same time and reach each other's shared memory. A block of a grid without
//! clusters is one of its own.

use std::sync::atomic::Ordering::Relaxed;

use super::block::{BarrierState, Block};
use super::clock::{Agent, Epoch, Knowledge};
use super::warpgroup::Step;
use super::{Cx, Event, Flow, Launched, Pending, PhaseOf, Reply, Stop, Warp, lanes};
use crate::fault::FaultKind;
use crate::isa::{Instruction, Kernel};
use crate::memory::{Behind, Collective, GlobalMemory, SharedMemory, TensorMemory, Visitor};

/// What all blocks of a cluster share.
#[derive(Debug)]
pub(crate) struct Cluster {
    barrier: BarrierState,
    /// How many there are whose steps are counted.
    agents: u32,
    /// The barrier as one whose phases are steps: who knows of one knows that all blocks have begun.
    begun: Agent,
    /// The launch before, whose end is a step.
    before: Agent,
    /// What requests for other clusters were answered.
    answers: Vec<Answer>,
}

/// The answer to a request for another cluster, in the shared memory of one block.
#[derive(Debug)]
struct Answer {
    /// Who knows of this step has seen it.
    step: Epoch,
    granted: bool,
    /// Who has made the request: a lane of a warp of a block, and by which instruction.
    rank: u32,
    warp: usize,
    lane: usize,
    instruction: u32,
}

impl Cluster {
    /// A cluster of so many warps.
    fn new(warps: u32) -> Self {
        let [begun, before] = [warps, warps + 1].map(Agent);
        let (barrier, answers) = Default::default();
        Self { barrier, agents: warps + 2, begun, before, answers }
    }

    /// Somebody new whose steps are counted.
    pub(crate) fn new_agent(&mut self) -> Agent {
        self.agents += 1;
        Agent(self.agents - 1)
    }

    /// Some threads that know this arrive at the cluster's barrier. Returns the number of phases after
    /// whose completion they may go on.
    pub(crate) fn arrive(&mut self, threads: u32, knowing: &Knowledge) -> u64 {
        self.barrier.arrive(threads, knowing)
    }

    /// Threads that have arrived at the present phase exit: nobody expects them any longer.
    fn withdraw(&mut self, threads: u32) {
        self.barrier.arrived -= threads;
    }

    /// What who waits for a phase of the barrier comes to know however its threads have arrived.
    pub(crate) fn begun(&self) -> Epoch {
        Epoch { agent: self.begun, time: 1 }
    }

    /// What who has waited for the launch before knows.
    pub(crate) fn waited(&self) -> Epoch {
        Epoch { agent: self.before, time: 1 }
    }

    /// Whether any warp of a block knows of a request for another cluster that has failed.
    pub(crate) fn knows_failure(&self, block: &Block) -> bool {
        self.answers.iter().any(|answer| !answer.granted && block.any_knows(answer.step))
    }

    /// Refuses that a cluster ends and no warp knows of an answer.
    fn check_seen(&self, blocks: &[Block]) -> Result<(), Stopped> {
        let is_seen = |answer: &&Answer| blocks.iter().any(|block| block.any_knows(answer.step));
        match self.answers.iter().find(|answer| !is_seen(answer)) {
            None => Ok(()),
            Some(Answer { granted, rank, warp, lane, instruction, .. }) => {
                let kind = FaultKind::UnseenResponse { granted: *granted };
                let stop = Stop { lane: *lane as u32, kind };
                let (rank, instruction) = (*rank as usize, *instruction);
                Err(Stopped { rank, warp: *warp, instruction, stop })
            }
        }
    }

    /// Phases of the cluster's barrier that are complete.
    pub(crate) fn phase(&self) -> u64 {
        self.barrier.phase
    }

    /// What all knew that came to the last of them.
    pub(crate) fn known(&self) -> Option<&Knowledge> {
        self.barrier.known()
    }
}

/// The other blocks of a block's cluster.
pub(crate) struct Siblings<'a> {
    before: &'a mut [Block],
    after: &'a mut [Block],
}

impl<'a> Siblings<'a> {
    /// The block of a rank, and the others.
    fn of(blocks: &'a mut [Block], rank: usize) -> (&'a mut Block, Self) {
        let (before, rest) = blocks.split_at_mut(rank);
        let (block, after) = rest.split_first_mut().expect("a rank is below the number of blocks");
        (block, Self { before, after })
    }

    fn get(&mut self, rank: usize) -> Option<&mut Block> {
        let own = self.before.len();
        match rank.checked_sub(own + 1) {
            Some(after) => self.after.get_mut(after),
            None => self.before.get_mut(rank),
        }
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Block> {
        self.before.iter_mut().chain(self.after.iter_mut())
    }

    /// How many blocks the cluster has.
    pub(crate) fn cluster_size(&self) -> usize {
        self.before.len() + 1 + self.after.len()
    }
}

impl Cx<'_, '_> {
    /// This block's rank in its cluster.
    pub(crate) fn rank(&self) -> u32 {
        self.block.place.rank
    }

    /// A lane's request for another cluster is answered, in a step of the mbarrier that counts the answer.
    pub(crate) fn answer(&mut self, lane: usize, step: Epoch, granted: bool) {
        let (rank, warp) = (self.rank(), self.warp.index);
        let (instruction, _) = self.warp.position();
        self.cluster.answers.push(Answer { step, granted, rank, warp, lane, instruction });
    }

    /// The warp executes what its warpgroup executes together, with operands that are the same in all
    /// warps.
    pub(crate) fn step_of_warpgroup(&mut self, operands: [u64; 3]) -> Result<(), FaultKind> {
        let (instruction, line) = self.warp.position();
        self.block.step(self.warp.index, Step { line, instruction, operands })
    }

    /// Shared memory of a block of the cluster, and a lane of this one as one who accesses it.
    pub(crate) fn shared_of(
        &mut self,
        rank: u32,
        lane: usize,
    ) -> Result<(&mut SharedMemory, Visitor<'_>), FaultKind> {
        if rank == self.rank() {
            return Ok(self.block.shared_by(self.warp.index, lane));
        }
        let warp = self.warp.index;
        let (other, own) = self.other(rank)?;
        Ok((&mut other.shared, own.visitor(warp, lane)))
    }

    /// Tensor memory of a block of the cluster, and what this warp's operations on it come after.
    pub(crate) fn tensor_of(
        &mut self,
        rank: u32,
    ) -> Result<(&mut TensorMemory, Behind<'_>), FaultKind> {
        if rank == self.rank() {
            return Ok(self.block.tensor_by(self.warp.index));
        }
        let warp = self.warp.index;
        let (other, own) = self.other(rank)?;
        Ok((&mut other.tensor, own.behind(warp)))
    }

    /// A step that another block of the cluster takes together with this one, if it has. It need not be there any
    /// longer if so.
    pub(crate) fn step_of(
        &mut self,
        rank: u32,
        step: usize,
    ) -> Result<Option<Collective>, FaultKind> {
        let other = self.siblings.get(rank as usize);
        match other.and_then(|other| other.tensor.step(step)) {
            None => self.other(rank).map(|_| None),
            taken => Ok(taken),
        }
    }

    /// Another block of the cluster, which must have begun and not exited, and the warp's own.
    fn other(&mut self, rank: u32) -> Result<(&mut Block, &Block), FaultKind> {
        let blocks = self.siblings.cluster_size();
        let other = self.siblings.get(rank as usize).ok_or_else(|| {
            let what = format!("memory of block {rank} of a cluster of {blocks}");
            FaultKind::InvalidOperand { what }
        })?;
        if other.live() == 0 {
            return Err(FaultKind::ExitedBlock { rank });
        }
        let warp = self.warp.index;
        if !(self.block.knows(warp, self.cluster.begun()) || self.block.knows_of(warp, other)) {
            return Err(FaultKind::UnstartedBlock { rank });
        }
        Ok((other, self.block))
    }
}

/// Whether a warp can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ready,
    Waiting { event: Event, reply: Option<Reply> },
    Exited,
}

/// How a warp's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Over,
    Waits { event: Event, reply: Option<Reply> },
    Exits,
}

/// In what order warps have their turns.
pub(crate) trait Schedule {
    /// Which of `ready` warps is next, and how many instructions its turn lasts.
    fn next(&mut self, ready: usize) -> (usize, u32);
}

/// Why a cluster stopped, and which instruction of which warp of which block it was.
pub(crate) struct Stopped {
    pub(crate) rank: usize,
    pub(crate) warp: usize,
    pub(crate) instruction: u32,
    pub(crate) stop: Stop,
}

/// Instructions that a cluster may execute while nothing changes that a thread could wait for, in it or
/// elsewhere in the launch, before it counts as spinning in vain.
const PATIENCE: u64 = 1 << 24;

/// Instructions that a cluster executes in vain before warps wake that sleep at mbarriers, and how often they
/// may wake, while nobody else is ready, before that counts as waiting for what never comes.
const TIMEOUT: u64 = 1 << 16;
const TIMEOUTS: u32 = 1 << 10;

/// Runs the blocks of a cluster to their end. `warps` are those of the first block, then those of the
/// second, and so on.
pub(crate) fn run(
    blocks: &mut [Block],
    kernel: &Kernel,
    global: &GlobalMemory,
    launch: &Launched,
    mut warps: Vec<Warp>,
    schedule: &mut dyn Schedule,
    pending: &mut Pending,
) -> Result<(), Stopped> {
    let of_block = warps.len() / blocks.len();
    let mut cluster = Cluster::new(warps.len() as u32);
    let mut states = vec![State::Ready; warps.len()];
    let (mut idle, mut timeouts, mut seen) = (0, 0, 0);
    loop {
        if idle > u64::from(timeouts) * TIMEOUT {
            timeouts += 1;
            wake(&mut warps, &mut states);
        }
        let ready: Vec<usize> = (0..warps.len()).filter(|&w| states[w] == State::Ready).collect();
        if ready.is_empty() {
            if states.iter().all(|state| *state == State::Exited) {
                return cluster.check_seen(blocks);
            }
            timeouts += 1;
            if timeouts > TIMEOUTS || !wake(&mut warps, &mut states) {
                return Err(stuck(blocks, &cluster, &warps, &states));
            }
            // Other clusters may have what is waited for.
            std::thread::yield_now();
            continue;
        }
        let (choice, turn) = schedule.next(ready.len());
        let index = ready[choice];
        let (rank, warp) = (index / of_block, &mut warps[index]);
        let (block, siblings) = Siblings::of(blocks, rank);
        let cx = &mut Cx { warp, block, siblings, cluster: &mut cluster, pending, global, launch };
        let (end, executed) = take_turn(cx, kernel, turn).map_err(|stop| {
            let (warp, instruction) = (cx.warp.index, cx.warp.path().map_or(0, |path| path.pc));
            Stopped { rank, warp, instruction, stop }
        })?;
        let progress = std::mem::take(&mut cx.block.progress);
        states[index] = match end {
            Turn::Over => State::Ready,
            Turn::Waits { event, reply } => State::Waiting { event, reply },
            Turn::Exits => State::Exited,
        };
        blocks[rank].complete_barriers();
        cluster.barrier.complete(blocks.iter().map(Block::live).sum());
        for (index, (warp, state)) in warps.iter_mut().zip(&mut states).enumerate() {
            let State::Waiting { event, reply } = *state else { continue };
            let block = &mut blocks[index / of_block];
            let is_over = match event {
                Event::Barrier { barrier, phase } => {
                    let is_over = block.barrier(barrier).phase >= phase;
                    if is_over {
                        block.leave(barrier, reply, warp);
                    }
                    is_over
                }
                Event::Cluster { phase } => cluster.phase() >= phase,
                Event::Mbarrier(PhaseOf { rank, address, phase }) => {
                    let shared = &blocks[rank as usize].shared;
                    shared.mbarrier_phase(address).is_none_or(|now| now > phase)
                }
                Event::Registers { more } => block.spare_registers >= more,
                Event::Columns { columns } => block.tensor.has_room(columns),
                Event::Peer { rank, step } => blocks[rank as usize].tensor.step(step).is_some(),
            };
            if is_over {
                *state = State::Ready;
            }
        }
        if progress || end == Turn::Exits {
            launch.progress.fetch_add(1, Relaxed);
        }
        let now = launch.progress.load(Relaxed);
        // A turn that comes to nothing at once counts for something, so that it ends.
        (idle, timeouts) = match now == seen {
            true => (idle + u64::from(executed.max(64)), timeouts),
            false => (0, 0),
        };
        seen = now;
        if idle > PATIENCE {
            let path = warps[index].path();
            let lane = path.map_or(0, |path| path.lanes.trailing_zeros());
            let looked_for = warps[index].looked_for;
            let kind = looked_for.map_or(FaultKind::Deadlock, |event| not_reached(blocks, event));
            return Err(Stopped {
                rank,
                warp: warps[index].index,
                instruction: path.map_or(0, |path| path.pc),
                stop: Stop { lane, kind },
            });
        }
    }
}

/// Wakes the warps that sleep at mbarriers: `try_wait` returns after a time in any case, and what the
/// program does then may be what others wait for. Returns whether there are any.
fn wake(warps: &mut [Warp], states: &mut [State]) -> bool {
    let mut any = false;
    for (warp, state) in warps.iter_mut().zip(states) {
        if let State::Waiting { event: Event::Mbarrier(_), .. } = state {
            *state = State::Ready;
            warp.looked_for = None;
            any = true;
        }
    }
    any
}

/// What an mbarrier waits for, of which a phase is looked for in vain.
fn not_reached(blocks: &[Block], PhaseOf { rank, address, phase }: PhaseOf) -> FaultKind {
    let mbarrier = blocks[rank as usize].shared.mbarrier_waits_for(address);
    let (arrivals, bytes) = mbarrier.unwrap_or_default();
    FaultKind::MbarrierNotReached { rank, address, phase, arrivals, bytes }
}

/// Nobody can go on: says why, of the first warp that waits.
fn stuck(blocks: &[Block], cluster: &Cluster, warps: &[Warp], states: &[State]) -> Stopped {
    let waiting = states.iter().position(|state| matches!(state, State::Waiting { .. }));
    let index = waiting.unwrap_or(0);
    let rank = index / (warps.len() / blocks.len());
    let path = warps[index].path();
    let pc = path.map_or(0, |path| path.pc);
    let barrier_not_reached = |barrier, state: &BarrierState, live| FaultKind::BarrierNotReached {
        barrier,
        arrived: state.arrived,
        expected: if state.expected == 0 { live } else { state.expected },
    };
    let (kind, instruction) = match states[index] {
        State::Waiting { event: Event::Barrier { barrier, .. }, .. } => {
            let (block, number) = (&blocks[rank], Some(barrier as u32));
            // Its lanes stand behind the barrier.
            let kind = barrier_not_reached(number, block.barrier(barrier), block.live());
            (kind, pc.saturating_sub(1))
        }
        State::Waiting { event: Event::Cluster { .. }, .. } => {
            let live = blocks.iter().map(Block::live).sum();
            (barrier_not_reached(None, &cluster.barrier, live), pc)
        }
        State::Waiting { event: Event::Mbarrier(phase), .. } => (not_reached(blocks, phase), pc),
        State::Waiting { event: Event::Columns { columns }, .. } => {
            let taken = blocks[rank].tensor.allocated();
            (FaultKind::ColumnsNotReleased { columns, taken }, pc)
        }
        State::Waiting { event: Event::Peer { rank, .. }, .. } => {
            (FaultKind::PeerMissing { rank }, pc)
        }
        State::Waiting { event: Event::Registers { more }, .. } => {
            let spare = blocks[rank].spare_registers;
            (FaultKind::RegistersNotReleased { more, spare }, pc)
        }
        _ => (FaultKind::Deadlock, pc),
    };
    let lane = path.map_or(0, |path| path.lanes.trailing_zeros());
    Stopped { rank, warp: warps[index].index, instruction, stop: Stop { lane, kind } }
}

/// Executes up to `turn` instructions of a warp, and says how many.
fn take_turn(cx: &mut Cx, kernel: &Kernel, turn: u32) -> Result<(Turn, u32), Stop> {
    for executed in 0..turn {
        let Some(path) = cx.warp.path() else { return Ok((Turn::Exits, executed)) };
        let instruction = &kernel.code[path.pc as usize];
        cx.warp.executed += 1;
        let mask = active(cx.warp, instruction, path.lanes)?;
        let flow = if mask == 0 {
            Flow::Next
        } else {
            match instruction.op.execute(cx, mask) {
                // Arms of a branch may stand after the place where they join.
                Err(Stop { kind: FaultKind::Divergent { .. }, .. }) if cx.warp.park(path) => {
                    continue;
                }
                flow => flow?,
            }
        };
        cx.warp.meddled()?;
        let live = cx.warp.live();
        if let Flow::Until(event) = flow {
            if path.lanes == live {
                return Ok((Turn::Waits { event, reply: None }, executed));
            }
            // Those that it waits for may be lanes of the same warp.
            if !cx.warp.make_way(path) {
                return Ok((Turn::Over, executed + 1));
            }
            continue;
        }
        cx.block.tally.count(instruction.kind, mask, live);
        match flow {
            Flow::Next => cx.warp.advance(path),
            Flow::Jump(target) => cx.warp.jump(path, mask, target),
            Flow::Scatter(jumps) => cx.warp.scatter(path, &jumps),
            Flow::Call(entry) => cx.warp.call(path, mask, entry),
            Flow::Return => cx.warp.leave(path, mask),
            Flow::Exit => {
                let lane = mask.trailing_zeros();
                let refuse = |kind| Stop { lane, kind };
                if cx.warp.any_in_flight() {
                    return Err(refuse(FaultKind::ExitInFlight));
                }
                if mask == live {
                    cx.block.exit_warp(cx.warp.index).map_err(refuse)?;
                }
                let columns = cx.block.tensor.allocated();
                if mask.count_ones() == cx.block.live() && columns > 0 {
                    return Err(refuse(FaultKind::LeakedColumns { columns }));
                }
                let phase = cx.cluster.phase();
                let arrived = lanes(mask)
                    .filter(|lane| cx.warp.at_cluster_barrier[*lane].is_some_and(|of| of > phase));
                cx.cluster.withdraw(arrived.count() as u32);
                cx.warp.exit(path, mask);
                cx.block.exit(mask.count_ones());
            }
            Flow::Wait { barrier, phase, reply } => {
                cx.warp.advance(path);
                let event = Event::Barrier { barrier: barrier as usize, phase };
                return Ok((Turn::Waits { event, reply }, executed + 1));
            }
            Flow::Yield => {
                cx.warp.advance(path);
                if !cx.warp.make_way(path.behind()) {
                    return Ok((Turn::Over, executed + 1));
                }
            }
            Flow::Until(_) => {}
        }
    }
    Ok((Turn::Over, turn))
}

/// The lanes that an instruction's guard lets execute it.
fn active(warp: &Warp, instruction: &Instruction, lanes: u32) -> Result<u32, Stop> {
    let Some((predicate, negated)) = instruction.guard else { return Ok(lanes) };
    let value = warp.predicate(predicate, lanes)?;
    Ok(lanes & if negated { !value } else { value })
}
