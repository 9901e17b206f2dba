use std::ops::Range;

use super::shared::warp_of;
use crate::exec::clock::{Agent, Epoch, Knowledge, VectorClock};
use crate::fault::FaultKind;

/// A block's tensor memory: cells of 32 bits in lanes and columns that know whether they have been written,
/// and by which operations they have been used.
///
/// Operations on it are asynchronous: they come in no order but for the pairs that the PTX manual calls
/// pipelined, unless the earlier one is complete. The manual's "Memory Consistency Model for 5th generation of
/// TensorCore operations" has the rules.
///
/// Each block has all 512 columns for itself. On a GPU the blocks of a multiprocessor share them, and an
/// allocation may wait for another block. Here it waits for other warps of its own alone. The highest free
/// columns are given first: a kernel that takes it for granted that its columns start at 0 is caught.
#[derive(Debug)]
pub(crate) struct TensorMemory {
    /// Column after column; nothing before the first allocation.
    cells: Vec<u32>,
    /// Of each column its strips.
    strips: Vec<Vec<Use>>,
    /// For each strip the lanes that have been written.
    written: Vec<u16>,
    allocations: Vec<Range<u32>>,
    /// Those columns that were allocated at any time, a bit for each 32.
    known: u16,
    /// How many columns the last allocation had.
    last: Option<u32>,
    relinquished: bool,
    /// What the block has done together with its peer.
    collective: Vec<Collective>,
    /// The numbers of the block's warps in its cluster.
    warps: Range<u32>,
}

/// 16 lanes of a column: nothing but a single lane is accessed in smaller parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strip {
    pub(crate) column: u32,
    /// Which of the 8 of the column.
    pub(crate) number: u32,
    /// Lanes of it, a bit for each.
    pub(crate) lanes: u16,
}

impl Strip {
    /// Lanes of a strip, and of all strips of a column.
    pub(crate) const LANES: u32 = 16;
    const COUNT: u32 = TensorMemory::LANES / Self::LANES;

    /// All lanes of a strip.
    pub(crate) fn whole(column: u32, number: u32) -> Self {
        Self { column, number, lanes: u16::MAX }
    }

    fn index(self) -> usize {
        (self.column * Self::COUNT + self.number) as usize
    }

    /// The numbers of its cells.
    fn cells(self) -> Range<usize> {
        let first = self.index() * Self::LANES as usize;
        first..first + Self::LANES as usize
    }
}

/// A step that both blocks of a pair take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Collective {
    Allocate { address: u32, columns: u32 },
    Deallocate { address: u32, columns: u32 },
    Relinquish,
}

/// An asynchronous operation on tensor memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) act: Act,
    /// The warp that issues it.
    pub(crate) warp: Agent,
    /// The step after which a fence tells that it has been issued, and that of its completion.
    pub(crate) issued: Epoch,
    pub(crate) done: Epoch,
}

/// What an operation does to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// `tcgen05.ld`
    Load,
    /// `tcgen05.st`
    Store,
    /// `tcgen05.mma`: of D, which it may read first, or of A.
    Accumulate(Accumulator),
    Multiply,
    /// `tcgen05.cp`, and whether its shape is `.4x256b`.
    Copy {
        four: bool,
    },
    /// `tcgen05.shift`
    Shift,
}

/// D as one `tcgen05.mma` has it. Those that have it alike are in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accumulator {
    pub(crate) address: u32,
    pub(crate) rows: u32,
    pub(crate) columns: u32,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Load => "tcgen05.ld",
            Self::Store => "tcgen05.st",
            Self::Accumulate(_) | Self::Multiply => "tcgen05.mma",
            Self::Copy { .. } => "tcgen05.cp",
            Self::Shift => "tcgen05.shift",
        }
    }

    fn writes(self) -> bool {
        !matches!(self, Self::Load | Self::Multiply)
    }

    /// Whether a wait of its warp completes it.
    fn is_waited_for(self) -> bool {
        matches!(self, Self::Load | Self::Store)
    }

    /// Whether it is executed behind another that was issued before: "Pipelined tcgen05 Instructions". That
    /// what reads A is followed by what writes D or by a copy newer manuals say alone; kernels rely on it.
    fn follows(self, earlier: Self) -> bool {
        match (earlier, self) {
            (Self::Accumulate(one), Self::Accumulate(other)) => one == other,
            (Self::Copy { .. } | Self::Shift, Self::Accumulate(_) | Self::Multiply) => true,
            (Self::Shift, Self::Copy { four }) => four,
            (Self::Accumulate(_) | Self::Multiply, Self::Shift) => true,
            (Self::Multiply, Self::Accumulate(_) | Self::Copy { .. }) => true,
            _ => false,
        }
    }
}

/// The use of a strip's lanes by an operation, a bit for each.
#[derive(Clone, Copy, Debug)]
struct Use {
    operation: Operation,
    lanes: u16,
}

/// What a warp's operations come after.
#[derive(Clone, Copy)]
pub(crate) struct Behind<'a> {
    pub(crate) knowledge: &'a Knowledge,
    /// What a `tcgen05.fence::after_thread_sync` has put before all that comes after it.
    pub(crate) fenced: &'a VectorClock,
}

/// What is missing between two operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Completion,
    Fence(&'static str),
}

impl Behind<'_> {
    fn check(&self, earlier: &Operation, now: &Operation) -> Result<(), Missing> {
        let (knowledge, done) = (self.knowledge, earlier.done);
        let is_issued_before =
            || done.agent == now.done.agent || self.fenced.has_seen(earlier.issued);
        let is_own = earlier.act.is_waited_for() && earlier.warp == now.warp;
        if self.fenced.has_seen(done)
            || is_own && knowledge.has_seen(done)
            || now.act.follows(earlier.act) && is_issued_before()
        {
            return Ok(());
        }
        Err(match (knowledge.has_published(done), knowledge.has_seen(done)) {
            (true, _) => Missing::Fence("after_thread_sync"),
            (_, true) => Missing::Fence("before_thread_sync"),
            _ => Missing::Completion,
        })
    }
}

impl TensorMemory {
    pub(crate) const LANES: u32 = 128;
    pub(crate) const COLUMNS: u32 = 512;
    /// So many columns are allocated at a time, at least.
    const UNIT: u32 = 32;

    /// That of a block with these warps of its cluster.
    pub(crate) fn new(warps: Range<u32>) -> Self {
        Self {
            cells: Vec::new(),
            strips: Vec::new(),
            written: Vec::new(),
            allocations: Vec::new(),
            known: 0,
            last: None,
            relinquished: false,
            collective: Vec::new(),
            warps,
        }
    }

    /// Whether so many columns can be allocated at a time.
    pub(crate) fn is_count(columns: u32) -> bool {
        columns.is_power_of_two() && (Self::UNIT..=Self::COLUMNS).contains(&columns)
    }

    /// Allocates columns, and gives the first, unless too few are free.
    pub(crate) fn allocate(&mut self, columns: u32) -> Result<Option<u32>, FaultKind> {
        check_count(columns)?;
        if self.relinquished {
            return Err(FaultKind::RelinquishedPermit);
        }
        if let Some(last) = self.last.filter(|last| columns > *last) {
            let what = format!(
                "{columns} columns of tensor memory after {last}: allocations must not increase"
            );
            return Err(FaultKind::InvalidOperand { what });
        }
        let Some(start) = self.free_columns(columns) else { return Ok(None) };
        if self.cells.is_empty() {
            self.cells = vec![u32::MAX; (Self::LANES * Self::COLUMNS) as usize];
            self.strips = vec![Vec::new(); (Strip::COUNT * Self::COLUMNS) as usize];
            self.written = vec![0; self.strips.len()];
        }
        self.last = Some(columns);
        self.allocations.push(start..start + columns);
        for unit in (start..start + columns).step_by(Self::UNIT as usize) {
            self.known |= 1 << (unit / Self::UNIT);
        }
        Ok(Some(start))
    }

    /// Whether so many columns can be had.
    pub(crate) fn has_room(&self, columns: u32) -> bool {
        self.free_columns(columns).is_some()
    }

    /// How many columns are allocated.
    pub(crate) fn allocated(&self) -> u32 {
        self.allocations.iter().map(|columns| columns.end - columns.start).sum()
    }

    fn free_columns(&self, columns: u32) -> Option<u32> {
        let is_free = |start: &u32| {
            let end = start + columns;
            self.allocations.iter().all(|taken| end <= taken.start || taken.end <= *start)
        };
        (0..Self::COLUMNS / columns).rev().map(|number| number * columns).find(is_free)
    }

    /// Gives columns back: all that has used them must be known to be over.
    pub(crate) fn deallocate(
        &mut self,
        address: u32,
        columns: u32,
        knowledge: &Knowledge,
        fenced: &VectorClock,
    ) -> Result<(), FaultKind> {
        check_count(columns)?;
        let of = address..address.saturating_add(columns);
        let Some(index) = self.allocations.iter().position(|known| *known == of) else {
            self.check_columns(address, 1)?;
            let what =
                format!("no {columns} columns of tensor memory were allocated at {address:#x}");
            return Err(FaultKind::InvalidOperand { what });
        };
        let is_over = |earlier: &Use| {
            let done = earlier.operation.done;
            knowledge.has_seen(done) || fenced.has_seen(done)
        };
        for column in of {
            for number in 0..Strip::COUNT {
                let strip = Strip::whole(column, number);
                let mut uses = self.strips[strip.index()].iter();
                if let Some(other) = uses.find(|other| !is_over(other)) {
                    return Err(self.conflict(strip, other, "deallocation", Missing::Completion));
                }
                self.strips[strip.index()].clear();
                self.written[strip.index()] = 0;
            }
        }
        self.allocations.remove(index);
        Ok(())
    }

    /// Nothing is allocated any more.
    pub(crate) fn relinquish(&mut self) {
        self.relinquished = true;
    }

    /// The block takes a step that its peer takes too. Returns its number.
    pub(crate) fn take_step(&mut self, step: Collective) -> usize {
        self.collective.push(step);
        self.collective.len() - 1
    }

    /// A step that it has taken so.
    pub(crate) fn step(&self, number: usize) -> Option<Collective> {
        self.collective.get(number).copied()
    }

    /// Refuses columns that are not allocated.
    pub(crate) fn check_columns(&self, first: u32, count: u32) -> Result<(), FaultKind> {
        let is_taken = |column: &u32| self.allocations.iter().any(|taken| taken.contains(column));
        match (first..first + count).find(|column| !is_taken(column)) {
            None => Ok(()),
            Some(column) => {
                let was_known =
                    column < Self::COLUMNS && self.known >> (column / Self::UNIT) & 1 != 0;
                Err(FaultKind::UnallocatedColumn { column, freed: was_known })
            }
        }
    }

    /// An operation is about to use some lanes of a strip in an allocated column. Those that it reads must have
    /// been written.
    pub(crate) fn touch(
        &mut self,
        strip: Strip,
        operation: &Operation,
        behind: Behind,
        reads: bool,
    ) -> Result<(), FaultKind> {
        let index = strip.index();
        let missing = strip.lanes & !self.written[index];
        if reads && missing != 0 {
            let lane = lane_of(strip, missing);
            let address = (lane << 16 | strip.column).into();
            return Err(FaultKind::UninitializedMemory { space: "tensor", address });
        }
        let writes = operation.act.writes();
        for other in &self.strips[index] {
            // Reads do not mind each other.
            if other.lanes & strip.lanes == 0 || !(writes || other.operation.act.writes()) {
                continue;
            }
            if let Err(missing) = behind.check(&other.operation, operation) {
                let now = if writes { "write" } else { "read" };
                return Err(self.conflict(strip, other, now, missing));
            }
        }
        let uses = &mut self.strips[index];
        if writes {
            uses.retain(|other| other.lanes & !strip.lanes != 0);
            self.written[index] |= strip.lanes;
        }
        match uses.iter_mut().find(|other| other.operation == *operation) {
            Some(other) => other.lanes |= strip.lanes,
            None => {
                // A warp's later reads are all that need be known of its reads.
                uses.retain(|other| {
                    let (earlier, lanes) = (&other.operation, other.lanes & !strip.lanes);
                    let is_same =
                        earlier.act == operation.act && earlier.done.agent == operation.done.agent;
                    !is_same || lanes != 0
                });
                uses.push(Use { operation: *operation, lanes: strip.lanes });
            }
        }
        Ok(())
    }

    /// What a cell holds.
    pub(crate) fn cell(&self, lane: u32, column: u32) -> u32 {
        self.cells[(column * Self::LANES + lane) as usize]
    }

    pub(crate) fn set_cell(&mut self, lane: u32, column: u32, value: u32) {
        self.cells[(column * Self::LANES + lane) as usize] = value;
    }

    /// What the cells of a strip hold.
    pub(crate) fn strip(&self, strip: Strip) -> &[u32] {
        &self.cells[strip.cells()]
    }

    pub(crate) fn strip_mut(&mut self, strip: Strip) -> &mut [u32] {
        &mut self.cells[strip.cells()]
    }

    fn conflict(&self, strip: Strip, other: &Use, now: &str, missing: Missing) -> FaultKind {
        let lane = lane_of(strip, other.lanes & strip.lanes);
        let Strip { column, .. } = strip;
        let Operation { act, warp, .. } = other.operation;
        let other = format!("{} of {}", act.name(), warp_of(warp, &self.warps));
        match missing {
            Missing::Fence(fence) => FaultKind::MissingTensorFence { lane, column, other, fence },
            Missing::Completion => {
                let before = if act.writes() { "write" } else { "read" };
                let order = format!("{now} after {before}");
                FaultKind::TensorRace { lane, column, other, order }
            }
        }
    }
}

/// The first of some lanes of a strip.
fn lane_of(strip: Strip, lanes: u16) -> u32 {
    strip.number * Strip::LANES + lanes.trailing_zeros()
}

/// Refuses a number of columns that cannot be allocated.
fn check_count(columns: u32) -> Result<(), FaultKind> {
    if TensorMemory::is_count(columns) {
        return Ok(());
    }
    let what =
        format!("{columns} columns of tensor memory, expected a power of two from 32 to 512");
    Err(FaultKind::InvalidOperand { what })
}
