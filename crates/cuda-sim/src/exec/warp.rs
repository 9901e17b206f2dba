//! A warp: 32 lanes of registers, and where each lane stands.

use super::holds::{Holds, Role};
use crate::exec::{PhaseOf, Stop};
use crate::fault::FaultKind;
use crate::isa::{
    Activation, Class, Copies, Groups, Kernel, Op, Register, Source, Special, TensorSteps,
    WgmmaGroups,
};
use crate::memory::LocalMemory;

pub(crate) const LANES: usize = 32;

/// A value for each lane.
pub(crate) type Lanes<T> = [T; LANES];

/// The lanes of a mask, ascending.
pub(crate) fn lanes(mask: u32) -> impl Iterator<Item = usize> {
    let mut left = mask;
    std::iter::from_fn(move || {
        let lane = left.trailing_zeros();
        left &= left.wrapping_sub(1);
        (lane < 32).then_some(lane as usize)
    })
}

/// Some lanes that stand at the same instruction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    pub(crate) pc: u32,
    /// By which calls they came there.
    frame: Frame,
    pub(crate) lanes: u32,
    /// Whether they wait there for other lanes of the warp, and if they let them go first for once.
    pub(crate) parked: bool,
    pub(crate) makes_way: bool,
}

/// A chain of calls: how many, and which of the warp's chains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Frame {
    depth: u32,
    chain: usize,
}

impl Path {
    fn at(pc: u32, frame: Frame, lanes: u32) -> Self {
        Self { pc, frame, lanes, parked: false, makes_way: false }
    }

    /// The same at the next instruction.
    pub(crate) fn behind(self) -> Self {
        Self { pc: self.pc + 1, ..self }
    }

    /// What paths are in the order of. Those in a function come first, so that they return to those
    /// that they left; lanes that came by different calls are never one path.
    fn order(&self) -> (u32, u32, usize) {
        (u32::MAX - self.frame.depth, self.pc, self.frame.chain)
    }
}

/// A warp's registers and position.
#[derive(Debug)]
pub(crate) struct Warp<'a> {
    kernel: &'a Kernel,
    /// Its place in the block.
    pub(crate) index: usize,
    /// Where its lanes that have not exited stand, in their order.
    paths: Vec<Path>,
    /// The chains of calls that there have been, but for that of none: of each the last call's
    /// instruction, and the chain before that.
    calls: Vec<(u32, Frame)>,
    predicates: Vec<u32>,
    words: Vec<Lanes<u32>>,
    doubles: Vec<Lanes<u64>>,
    /// For each register of each class, the lanes that have written it.
    written: [Vec<u32>; 3],
    /// The carry of each lane, and the lanes that have one.
    carry: u32,
    carry_written: u32,
    specials: Vec<Lanes<u32>>,
    /// Each lane's local memory, one after the other.
    pub(crate) local: LocalMemory,
    /// Asynchronous copies that have not been waited for.
    pub(crate) copies: Copies,
    /// Each lane's groups of bulk copies.
    pub(crate) groups: Groups,
    /// Its operations on tensor memory.
    pub(crate) tensor: TensorSteps,
    /// Groups of `wgmma`, and what registers they or loads from tensor memory hold, if the kernel has any.
    pub(crate) wgmma: WgmmaGroups,
    holds: Option<Box<Holds>>,
    /// Registers of each thread, by `setmaxnreg`.
    pub(crate) registers: u32,
    /// The phase of the cluster's barrier that each lane has arrived at and not waited for.
    pub(crate) at_cluster_barrier: Lanes<Option<u64>>,
    /// The phase of an mbarrier that was last looked for in vain.
    pub(crate) looked_for: Option<PhaseOf>,
    /// Instructions that it has executed: its clock.
    pub(crate) executed: u64,
}

impl<'a> Warp<'a> {
    /// A warp at its kernel's start, with these lanes and what their special registers hold.
    pub(crate) fn new(
        kernel: &'a Kernel,
        index: usize,
        lanes: u32,
        specials: Vec<Lanes<u32>>,
    ) -> Self {
        let [predicates, words, doubles] = kernel.registers();
        Self {
            kernel,
            index,
            paths: vec![Path::at(0, Frame::default(), lanes)],
            calls: Vec::new(),
            predicates: vec![0; predicates],
            words: vec![[0xffff_ffff; LANES]; words],
            doubles: vec![[u64::MAX; LANES]; doubles],
            written: [vec![0; predicates], vec![0; words], vec![0; doubles]],
            carry: 0,
            carry_written: 0,
            specials,
            local: LocalMemory::new(kernel.local_bytes),
            copies: Copies::default(),
            groups: Groups::default(),
            tensor: TensorSteps::default(),
            wgmma: WgmmaGroups::default(),
            holds: kernel.holds_registers.then(|| Box::new(Holds::new(words))),
            registers: kernel.registers_at_entry.unwrap_or(0),
            at_cluster_barrier: [None; LANES],
            looked_for: None,
            executed: 0,
        }
    }

    /// The lanes that have not exited.
    pub(crate) fn live(&self) -> u32 {
        self.paths.iter().fold(0, |live, path| live | path.lanes)
    }

    /// The path whose turn it is: of those that do not wait, the one at the lowest instruction. If all
    /// wait, the first, which waits in vain.
    pub(crate) fn path(&self) -> Option<Path> {
        let goes = |path: &&Path| !(path.parked || path.makes_way);
        let waits = |path: &&Path| !path.parked;
        let paths = || self.paths.iter();
        paths().find(goes).or(paths().find(waits)).or(self.paths.first()).copied()
    }

    /// Lets the warp's other lanes go before those of a path, until all have made way for each
    /// other. Returns whether some are left to go now.
    pub(crate) fn make_way(&mut self, path: Path) -> bool {
        for known in &mut self.paths {
            known.makes_way |= known.order() == path.order();
        }
        let goes = self.paths.iter().any(|path| !(path.parked || path.makes_way));
        if !goes {
            self.paths.iter_mut().for_each(|path| path.makes_way = false);
        }
        goes
    }

    /// Lets a path wait for the warp's other lanes, if any are on their way.
    pub(crate) fn park(&mut self, path: Path) -> bool {
        match self.paths.iter_mut().find(|known| known.order() == path.order()) {
            Some(known) if !known.parked => {
                known.parked = true;
                self.paths.iter().any(|path| !path.parked)
            }
            _ => false,
        }
    }

    /// A path goes to the next instruction, where others may stand already.
    pub(crate) fn advance(&mut self, path: Path) {
        if let [only] = self.paths.as_mut_slice() {
            only.pc += 1;
            return;
        }
        self.split(path, 0);
    }

    /// Some lanes of a path go elsewhere, the others to the next instruction.
    pub(crate) fn jump(&mut self, path: Path, lanes: u32, target: u32) {
        self.split(path, lanes);
        self.put(target, path.frame, lanes);
    }

    /// Some lanes of a path go into a function, the others to the next instruction.
    pub(crate) fn call(&mut self, path: Path, lanes: u32, entry: u32) {
        self.split(path, lanes);
        let link = (path.pc, path.frame);
        let chain = self.calls.iter().position(|known| *known == link).unwrap_or_else(|| {
            self.calls.push(link);
            self.calls.len() - 1
        });
        let frame = Frame { depth: path.frame.depth + 1, chain: chain + 1 };
        self.put(entry, frame, lanes);
    }

    /// Some lanes of a path go behind the call that they came by, the others to the next instruction.
    pub(crate) fn leave(&mut self, path: Path, lanes: u32) {
        self.split(path, lanes);
        if let Some((call, frame)) = self.last_call(path) {
            self.put(call + 1, frame, lanes);
        }
    }

    /// The call that the path came by whose turn it is.
    pub(crate) fn caller(&self) -> Option<&'a Op> {
        let (call, _) = self.last_call(self.path()?)?;
        Some(&self.kernel.code[call as usize].op)
    }

    fn last_call(&self, path: Path) -> Option<(u32, Frame)> {
        self.calls.get(path.frame.chain.checked_sub(1)?).copied()
    }

    /// Makes a function's registers and memory of some lanes as if nothing had written them. Returns the
    /// function's first instruction.
    pub(crate) fn enter(&mut self, function: usize, mask: u32) -> u32 {
        let Activation { entry, registers, local } = &self.kernel.activations[function];
        for (written, own) in self.written.iter_mut().zip(registers) {
            written[own.clone()].iter_mut().for_each(|written| *written &= !mask);
        }
        lanes(mask).for_each(|lane| self.local.forget(lane, local.clone()));
        *entry
    }

    /// Some lanes of a path go to an instruction each, the others to the next one.
    pub(crate) fn scatter(&mut self, path: Path, jumps: &[(u32, u32)]) {
        self.split(path, jumps.iter().fold(0, |all, (_, lanes)| all | lanes));
        jumps.iter().for_each(|(target, lanes)| self.put(*target, path.frame, *lanes));
    }

    /// Some lanes of a path are done, the others go to the next instruction.
    pub(crate) fn exit(&mut self, path: Path, lanes: u32) {
        self.split(path, lanes);
        // Nobody needs to wait for them any longer.
        self.paths.iter_mut().for_each(|path| path.parked = false);
    }

    /// Removes a path; those of its lanes that do not leave go to the next instruction.
    fn split(&mut self, path: Path, leaving: u32) {
        self.paths.retain(|known| known.order() != path.order());
        if path.lanes & !leaving != 0 {
            self.put(path.pc + 1, path.frame, path.lanes & !leaving);
        }
    }

    fn put(&mut self, pc: u32, frame: Frame, lanes: u32) {
        let path = Path::at(pc, frame, lanes);
        match self.paths.binary_search_by_key(&path.order(), Path::order) {
            Ok(index) => {
                let known = &mut self.paths[index];
                *known = Path { lanes: known.lanes | lanes, ..path };
            }
            Err(index) => self.paths.insert(index, path),
        }
    }

    /// The number and the line of the instruction whose turn it is.
    pub(super) fn position(&self) -> (u32, u32) {
        let instruction = self.path().map_or(0, |path| path.pc);
        (instruction, self.kernel.code[instruction as usize].line)
    }

    /// A predicate, a bit for each lane.
    pub(crate) fn predicate(&self, register: Register, mask: u32) -> Result<u32, Stop> {
        self.check_written(register, mask)?;
        Ok(self.predicates[usize::from(register.index)])
    }

    /// A value of up to 32 bits for each lane.
    pub(crate) fn word(&self, source: Source, mask: u32) -> Result<Lanes<u32>, Stop> {
        Ok(match source {
            Source::Immediate(value) => [value as u32; LANES],
            Source::Special(Special::Clock) => [self.executed as u32; LANES],
            Source::Special(Special::ClockHigh) => [(self.executed >> 32) as u32; LANES],
            Source::Special(special) => self.specials[special as usize],
            Source::Register(register) => {
                self.check_written(register, mask)?;
                let index = usize::from(register.index);
                match register.class {
                    Class::Word => self.words[index],
                    Class::Double => self.doubles[index].map(|value| value as u32),
                    Class::Predicate => {
                        unreachable!("decoding lets no predicate stand for a value")
                    }
                }
            }
        })
    }

    /// A value of 64 bits for each lane; narrower ones are zero-extended.
    pub(crate) fn double(&self, source: Source, mask: u32) -> Result<Lanes<u64>, Stop> {
        Ok(match source {
            Source::Immediate(value) => [value; LANES],
            Source::Special(Special::Clock) => [self.executed; LANES],
            Source::Register(Register { class: Class::Double, .. }) => {
                let Source::Register(register) = source else { unreachable!() };
                self.check_written(register, mask)?;
                self.doubles[usize::from(register.index)]
            }
            _ => self.word(source, mask)?.map(u64::from),
        })
    }

    pub(crate) fn set_predicate(&mut self, register: Register, value: u32, mask: u32) {
        let predicate = &mut self.predicates[usize::from(register.index)];
        *predicate = *predicate & !mask | value & mask;
        self.mark_written(register, mask);
    }

    pub(crate) fn set_word(&mut self, register: Register, value: &Lanes<u32>, mask: u32) {
        match register.class {
            Class::Word => blend(&mut self.words[usize::from(register.index)], value, mask),
            Class::Double => {
                let wide = value.map(u64::from);
                blend(&mut self.doubles[usize::from(register.index)], &wide, mask);
            }
            Class::Predicate => unreachable!("decoding lets no predicate stand for a value"),
        }
        self.mark_written(register, mask);
    }

    pub(crate) fn set_double(&mut self, register: Register, value: &Lanes<u64>, mask: u32) {
        blend(&mut self.doubles[usize::from(register.index)], value, mask);
        self.mark_written(register, mask);
    }

    /// What an instruction with `.cc` has left, a bit for each lane.
    pub(crate) fn carry(&self, mask: u32) -> Result<u32, Stop> {
        match mask & !self.carry_written {
            0 => Ok(self.carry),
            missing => {
                let kind = FaultKind::UninitializedRegister { register: "CC.CF".to_owned() };
                Err(Stop { lane: missing.trailing_zeros(), kind })
            }
        }
    }

    pub(crate) fn set_carry(&mut self, carry: u32, mask: u32) {
        self.carry = self.carry & !mask | carry & mask;
        self.carry_written |= mask;
    }

    /// The lanes for which something has been written where a value comes from. What is in flight counts as
    /// written: it must not even be moved.
    pub(crate) fn known(&self, source: Source) -> u32 {
        match source {
            Source::Register(register) if self.is_in_flight(register) => u32::MAX,
            Source::Register(Register { class, index }) => {
                self.written[class as usize][usize::from(index)]
            }
            Source::Immediate(_) | Source::Special(_) => u32::MAX,
        }
    }

    /// Makes a register of some lanes as if nothing had written it.
    pub(crate) fn forget(&mut self, register: Register, mask: u32) {
        self.written[register.class as usize][usize::from(register.index)] &= !mask;
    }

    /// `wgmma.fence`: what has been written to registers so far is there for products.
    pub(crate) fn fence_registers(&mut self) {
        if let Some(holds) = &mut self.holds {
            holds.fence();
        }
    }

    /// A product of a group is about to use a register of 32 bits, which can be read until it [takes
    /// off](Self::take_off).
    pub(crate) fn claim(&mut self, register: Register, role: Role, group: u32) -> Result<(), Stop> {
        let index = usize::from(register.index);
        let Some(holds) = &mut self.holds else { return Ok(()) };
        match holds.claim(index, role, group) {
            Ok(false) => {}
            Ok(true) => self.written[Class::Word as usize][index] = u32::MAX,
            Err(refusal) => {
                let kind = refusal.of(self.kernel.register_name(register).to_owned());
                return Err(Stop { lane: 0, kind });
            }
        }
        Ok(())
    }

    /// A register that a product has claimed is in flight: nobody may touch it.
    pub(crate) fn take_off(&mut self, register: Register) {
        if let Some(holds) = &mut self.holds {
            holds.take_off(usize::from(register.index));
        }
        self.forget(register, u32::MAX);
    }

    /// Lets a product leave what it gives in a register that it has claimed.
    pub(crate) fn set_in_flight(&mut self, register: Register, value: &Lanes<u32>) {
        self.words[usize::from(register.index)] = *value;
        self.take_off(register);
    }

    /// Lets a load leave in a register what it gives once its group is there.
    pub(crate) fn load_in_flight(
        &mut self,
        register: Register,
        value: &Lanes<u32>,
        group: u32,
    ) -> Result<(), Stop> {
        if self.is_in_flight(register) {
            let register = self.kernel.register_name(register).to_owned();
            return Err(Stop { lane: 0, kind: FaultKind::InFlightRegister { register } });
        }
        if let Some(holds) = &mut self.holds {
            holds.load(usize::from(register.index), group);
        }
        self.set_in_flight(register, value);
        Ok(())
    }

    /// The registers of all groups of products, or of loads, up to one are there.
    pub(crate) fn land(&mut self, group: u32) {
        for index in self.holds.iter_mut().flat_map(|holds| holds.complete(group)) {
            self.written[Class::Word as usize][index] = u32::MAX;
        }
    }

    /// Whether a product that nobody has waited for uses any register.
    pub(super) fn any_in_flight(&self) -> bool {
        self.holds.as_ref().is_some_and(|holds| holds.any_in_flight())
    }

    /// Refuses that the last instruction has written to a register in flight.
    pub(super) fn meddled(&mut self) -> Result<(), Stop> {
        match &mut self.holds {
            None => Ok(()),
            Some(holds) => holds.meddled.take().map_or(Ok(()), Err),
        }
    }

    fn is_in_flight(&self, register: Register) -> bool {
        let is = |holds: &Holds| holds.is_in_flight(usize::from(register.index));
        register.class == Class::Word && self.holds.as_deref().is_some_and(is)
    }

    fn check_written(&self, register: Register, mask: u32) -> Result<(), Stop> {
        let missing = mask & !self.written[register.class as usize][usize::from(register.index)];
        if missing == 0 {
            return Ok(());
        }
        let name = self.kernel.register_name(register).to_owned();
        Err(Stop {
            lane: missing.trailing_zeros(),
            kind: match self.is_in_flight(register) {
                true => FaultKind::InFlightRegister { register: name },
                false => FaultKind::UninitializedRegister { register: name },
            },
        })
    }

    fn mark_written(&mut self, register: Register, mask: u32) {
        let index = usize::from(register.index);
        self.written[register.class as usize][index] |= mask;
        if let Some(holds) = &mut self.holds
            && register.class == Class::Word
            && holds.write(index)
        {
            let register = self.kernel.register_name(register).to_owned();
            let kind = FaultKind::InFlightRegister { register };
            holds.meddled = Some(Stop { lane: mask.trailing_zeros(), kind });
        }
    }
}

/// Replaces the values of some lanes.
fn blend<T: Copy>(to: &mut Lanes<T>, from: &Lanes<T>, mask: u32) {
    if mask == u32::MAX {
        *to = *from;
    } else {
        for (lane, (to, from)) in to.iter_mut().zip(from).enumerate() {
            *to = if mask >> lane & 1 != 0 { *from } else { *to };
        }
    }
}

/// What the special registers of a warp's lanes hold, indexed by [`Special`].
pub(crate) fn specials(
    place: &crate::exec::Place,
    warp: usize,
    threads: [u32; 3],
) -> Vec<Lanes<u32>> {
    use Special::*;
    let mut values = vec![[0; LANES]; Special::COUNT];
    let in_cluster = std::array::from_fn(|axis| place.block[axis] % place.cluster[axis]);
    let cluster = std::array::from_fn(|axis| place.block[axis] / place.cluster[axis]);
    let clusters = std::array::from_fn(|axis| place.grid[axis] / place.cluster[axis]);
    for lane in lanes(u32::MAX) {
        let thread = crate::exec::unflatten((warp * LANES + lane) as u32, threads);
        let bit = 1_u32 << lane;
        let vectors = [
            ([TidX, TidY, TidZ], thread),
            ([NtidX, NtidY, NtidZ], threads),
            ([CtaidX, CtaidY, CtaidZ], place.block),
            ([NctaidX, NctaidY, NctaidZ], place.grid),
            ([ClusterCtaidX, ClusterCtaidY, ClusterCtaidZ], in_cluster),
            ([ClusterNctaidX, ClusterNctaidY, ClusterNctaidZ], place.cluster),
            ([ClusteridX, ClusteridY, ClusteridZ], cluster),
            ([NclusteridX, NclusteridY, NclusteridZ], clusters),
        ];
        for (axes, vector) in vectors {
            for (special, value) in axes.into_iter().zip(vector) {
                values[special as usize][lane] = value;
            }
        }
        let scalars = [
            (Laneid, lane as u32),
            (Warpid, warp as u32),
            (Nwarpid, (threads.iter().product::<u32>()).div_ceil(32)),
            (LanemaskEq, bit),
            (LanemaskLt, bit - 1),
            (LanemaskLe, (bit - 1) | bit),
            (LanemaskGt, !((bit - 1) | bit)),
            (LanemaskGe, !(bit - 1)),
            (ClusterCtarank, place.rank),
            (ClusterNctarank, place.cluster.iter().product()),
            (DynamicSmemSize, place.dynamic_shared),
            (TotalSmemSize, place.total_shared),
            (Smid, place.index % place.multiprocessors),
            (Nsmid, place.multiprocessors),
            (Gridid, place.launch),
        ];
        for (special, value) in scalars {
            values[special as usize][lane] = value;
        }
    }
    values
}
