use std::sync::Arc;

use super::clock::{Agent, Epoch, Knowledge, Lanewise, VectorClock};
use super::stream::BlockSteps;
use super::warpgroup::{Step, WARPS, Warpgroup};
use super::{LANES, Place, Reduction, Reply, Warp};
use crate::counters::Tally;
use crate::fault::FaultKind;
use crate::memory::{Allocation, Behind, SharedMemory, TensorMemory, Visitor};

/// Barriers that a block has.
const BARRIERS: usize = 16;

/// What the warps of a block share.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) place: Place,
    pub(crate) shared: SharedMemory,
    pub(crate) tensor: TensorMemory,
    pub(crate) tally: Tally,
    /// The allocation that was accessed last: most often the next access is to it too.
    pub(crate) nearest: Option<Arc<Allocation>>,
    /// The number of its first warp among those of its cluster.
    first_warp: u32,
    /// What each warp knows of the others' time, and each of its lanes of the others'.
    knowledge: Vec<Knowledge>,
    lanewise: Vec<Lanewise>,
    /// What each warp has released by a fence, which its relaxed arrivals tell of, and what it has seen by
    /// relaxed tests, which it knows of once it acquires by a fence.
    offered: Vec<Knowledge>,
    heard: Vec<Knowledge>,
    /// What each warp's fences have put before its operations on tensor memory.
    behind: Vec<VectorClock>,
    /// What all releases so far have told who acquires.
    released: Knowledge,
    /// The launch's time when a thread of the block last acquired.
    pub(crate) acquired: u32,
    /// Whether a thread has acquired what other blocks or launches may have released.
    pub(crate) has_acquired: bool,
    /// What it has done about the launches before and after.
    pub(crate) steps: BlockSteps,
    /// Whether something has changed that another thread may wait for.
    pub(crate) progress: bool,
    barriers: [BarrierState; BARRIERS],
    warpgroups: Vec<Warpgroup>,
    /// Registers of each thread that warps have given up and no other has taken.
    pub(crate) spare_registers: u32,
    /// Threads that the block started with, and those of them that have exited.
    threads: u32,
    exited: u32,
}

/// One barrier between two of its phases.
#[derive(Clone, Debug, Default)]
pub(super) struct BarrierState {
    /// Threads that have arrived.
    pub(super) arrived: u32,
    /// Threads that it waits for; 0 for all that have not exited.
    pub(super) expected: u32,
    /// Phases completed.
    pub(super) phase: u64,
    /// What all that have arrived at this phase know, and what those of the last one knew.
    arriving: Option<Knowledge>,
    known: Option<Knowledge>,
    /// Threads that have come to this phase with a predicate, those with one that held, and the same
    /// of the last phase.
    voting: (u32, u32),
    outcome: (u32, u32),
}

impl BarrierState {
    /// Some threads arrive that know this. Returns the number of phases after whose completion they may
    /// go on.
    pub(super) fn arrive(&mut self, threads: u32, knowing: &Knowledge) -> u64 {
        self.arrived += threads;
        match &mut self.arriving {
            Some(known) => known.join(knowing),
            none => *none = Some(knowing.clone()),
        }
        self.phase + 1
    }

    /// Completes the phase if all expected threads have arrived, of which `live` have not exited.
    pub(super) fn complete(&mut self, live: u32) {
        let expected = if self.expected == 0 { live } else { self.expected };
        if self.arrived > 0 && self.arrived >= expected {
            self.phase += 1;
            self.arrived = 0;
            self.known = self.arriving.take();
            self.outcome = std::mem::take(&mut self.voting);
        }
    }

    /// What all who came to the last completed phase knew.
    pub(super) fn known(&self) -> Option<&Knowledge> {
        self.known.as_ref()
    }
}

impl Block {
    /// The block of a rank in its cluster, whose warps are numbered from `first_warp` on there.
    pub(crate) fn new(place: Place, threads: u32, first_warp: u32, kinds: usize) -> Self {
        let warps = threads.div_ceil(32);
        let numbers = first_warp..first_warp + warps;
        let agents = numbers.clone().map(Agent);
        Self {
            place,
            shared: SharedMemory::new(place.total_shared as usize, numbers.clone()),
            tensor: TensorMemory::new(numbers),
            tally: Tally::new(kinds),
            nearest: None,
            first_warp,
            knowledge: agents.map(Knowledge::start).collect(),
            lanewise: vec![Lanewise::start(); warps as usize],
            offered: vec![Knowledge::default(); warps as usize],
            heard: vec![Knowledge::default(); warps as usize],
            behind: vec![VectorClock::default(); warps as usize],
            released: Knowledge::default(),
            acquired: 0,
            has_acquired: false,
            steps: BlockSteps::default(),
            progress: false,
            barriers: Default::default(),
            warpgroups: Warpgroup::of_block(warps as usize),
            spare_registers: 0,
            threads,
            exited: 0,
        }
    }

    /// A warp as one whose steps are counted.
    pub(crate) fn agent(&self, warp: usize) -> Agent {
        Agent(self.first_warp + warp as u32)
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
        state.expected = expected;
        let phase = state.arrive(count, &self.knowledge[warp]);
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
        let agent = self.agent(warp);
        self.lanewise[warp].synchronize(lanes, self.knowledge[warp].epoch(agent).time);
        self.knowledge[warp].tick(agent);
    }

    /// What a warp knows now. What it does next can be told from what it has done.
    pub(crate) fn tell(&mut self, warp: usize) -> Knowledge {
        let agent = self.agent(warp);
        let told = self.knowledge[warp].clone();
        self.knowledge[warp].tick(agent);
        told
    }

    /// Some lanes of a warp learn what somebody has told. What they are told of their own warp they know of
    /// its other lanes.
    pub(crate) fn learn(&mut self, warp: usize, lanes: u32, told: &Knowledge) {
        let of_own = told.epoch(self.agent(warp)).time;
        self.lanewise[warp].learn(lanes, of_own);
        self.knowledge[warp].join(told);
    }

    /// What a warp has released by fences: relaxed arrivals tell of it.
    pub(crate) fn offered(&self, warp: usize) -> Knowledge {
        self.offered[warp].clone()
    }

    /// A warp's fence releases all that it knows.
    pub(crate) fn offer(&mut self, warp: usize) {
        self.offered[warp].join(&self.knowledge[warp]);
    }

    /// A warp's fence releases one thing alone.
    pub(crate) fn offer_only(&mut self, warp: usize, epoch: Epoch) {
        self.offered[warp].learn(epoch);
    }

    /// A warp sees something without acquiring it.
    pub(crate) fn hear(&mut self, warp: usize, told: &Knowledge) {
        self.heard[warp].join(told);
    }

    /// A fence of some lanes of a warp acquires what it has seen.
    pub(crate) fn heed(&mut self, warp: usize, lanes: u32) {
        let heard = std::mem::take(&mut self.heard[warp]);
        self.learn(warp, lanes, &heard);
    }

    /// A warp learns that something asynchronous, and what its agent did before it, has happened.
    pub(crate) fn learn_of(&mut self, warp: usize, epoch: Epoch) {
        self.knowledge[warp].learn(epoch);
    }

    /// A warp's `tcgen05.fence::before_thread_sync`: others may rely on these steps of its operations on tensor
    /// memory, whether it tells them by arrivals that release or by relaxed ones.
    pub(crate) fn fence_tensor_before(&mut self, warp: usize, steps: &[Epoch]) {
        for step in steps {
            self.knowledge[warp].publish(*step);
            self.offered[warp].publish(*step);
        }
    }

    /// A warp's `tcgen05.fence::after_thread_sync`.
    pub(crate) fn fence_tensor_after(&mut self, warp: usize) {
        self.behind[warp].join(self.knowledge[warp].published());
        self.behind[warp].join(self.heard[warp].published());
    }

    /// What a warp's operations on tensor memory come after.
    pub(crate) fn behind(&self, warp: usize) -> Behind<'_> {
        Behind { knowledge: &self.knowledge[warp], fenced: &self.behind[warp] }
    }

    /// Tensor memory, and what a warp's operations on it come after.
    pub(crate) fn tensor_by(&mut self, warp: usize) -> (&mut TensorMemory, Behind<'_>) {
        let behind = Behind { knowledge: &self.knowledge[warp], fenced: &self.behind[warp] };
        (&mut self.tensor, behind)
    }

    /// A warp gives columns of tensor memory back.
    pub(crate) fn deallocate(
        &mut self,
        warp: usize,
        address: u32,
        columns: u32,
    ) -> Result<(), FaultKind> {
        self.tensor.deallocate(address, columns, &self.knowledge[warp], &self.behind[warp])
    }

    /// What the completion of a warp's asynchronous operations tells: that step, and what they knew.
    pub(crate) fn tell_completion(&self, warp: usize, step: Epoch) -> Knowledge {
        let mut told = self.knowledge[warp].of_operation(self.agent(warp));
        told.publish(step);
        told
    }

    /// A warp executes what its warpgroup executes together.
    pub(super) fn step(&mut self, warp: usize, step: Step) -> Result<(), FaultKind> {
        self.warpgroups[warp / WARPS].execute(warp, step)
    }

    /// A warp gives up registers or takes some.
    pub(crate) fn set_registers(&mut self, warp: usize) -> Result<(), FaultKind> {
        let (agent, knowledge) = (self.agent(warp), &self.knowledge[warp]);
        self.progress = true;
        self.warpgroups[warp / WARPS].set_registers(warp, agent, knowledge)
    }

    /// All threads of a warp are about to exit.
    pub(super) fn exit_warp(&mut self, warp: usize) -> Result<(), FaultKind> {
        self.warpgroups[warp / WARPS].exit(warp)
    }

    /// A warp's `fence.proxy.async`.
    pub(crate) fn fence_proxies(&mut self, warp: usize) {
        let agent = self.agent(warp);
        self.knowledge[warp].fence();
        // What the warp writes from now on no fence has come after.
        self.knowledge[warp].tick(agent);
    }

    /// A warp learns what was released before. `now` is the launch's time.
    pub(crate) fn acquire(&mut self, warp: usize, now: u32) {
        self.knowledge[warp].join(&self.released);
        self.acquired = self.acquired.max(now);
    }

    /// What somebody of the cluster knows is told to all who acquire later.
    pub(crate) fn release(&mut self, told: &Knowledge) {
        self.released.join(told);
    }

    /// Whether a warp knows that something has happened.
    pub(crate) fn knows(&self, warp: usize, epoch: Epoch) -> bool {
        self.knowledge[warp].has_seen(epoch)
    }

    /// Whether any of its warps knows that something has happened.
    pub(super) fn any_knows(&self, epoch: Epoch) -> bool {
        self.knowledge.iter().any(|known| known.has_seen(epoch))
    }

    /// Whether a warp knows of anything that another block of its cluster has done.
    pub(crate) fn knows_of(&self, warp: usize, other: &Self) -> bool {
        let warps = other.knowledge.len() as u32;
        self.knowledge[warp].knows_any(other.first_warp..other.first_warp + warps)
    }

    /// A lane as one who accesses shared memory.
    pub(crate) fn visitor(&self, warp: usize, lane: usize) -> Visitor<'_> {
        let (knowledge, lanewise) = (&self.knowledge[warp], &self.lanewise[warp]);
        Visitor { agent: self.agent(warp), lane, knowledge, lanewise }
    }

    /// Shared memory, and a lane as one who accesses it.
    pub(crate) fn shared_by(
        &mut self,
        warp: usize,
        lane: usize,
    ) -> (&mut SharedMemory, Visitor<'_>) {
        let agent = self.agent(warp);
        let (knowledge, lanewise) = (&self.knowledge[warp], &self.lanewise[warp]);
        (&mut self.shared, Visitor { agent, lane, knowledge, lanewise })
    }

    /// Completes the barriers at which all expected threads have arrived.
    pub(super) fn complete_barriers(&mut self) {
        let live = self.live();
        self.barriers.iter_mut().for_each(|barrier| barrier.complete(live));
    }

    /// Threads that have not exited.
    pub(crate) fn live(&self) -> u32 {
        self.threads - self.exited
    }

    pub(super) fn exit(&mut self, threads: u32) {
        self.exited += threads;
    }

    pub(super) fn barrier(&self, barrier: usize) -> &BarrierState {
        &self.barriers[barrier]
    }

    /// A warp goes on from a completed barrier, and knows what all who came to it knew.
    pub(super) fn leave(&mut self, barrier: usize, reply: Option<Reply>, warp: &mut Warp) {
        let barrier = &self.barriers[barrier];
        if let Some(known) = &barrier.known {
            self.knowledge[warp.index].join(known);
        }
        let Some(Reply { to, function, lanes }) = reply else { return };
        let (threads, holding) = barrier.outcome;
        let all = |holds: bool| if holds { u32::MAX } else { 0 };
        match function {
            Reduction::Count => warp.set_word(to, &[holding; LANES], lanes),
            Reduction::All => warp.set_predicate(to, all(holding == threads), lanes),
            Reduction::Any => warp.set_predicate(to, all(holding > 0), lanes),
        }
    }
}
