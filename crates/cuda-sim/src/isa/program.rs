use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use super::call::{Callee, Formal, Place};
use super::decode::{Argument, Binding, Role, Scope, Symbols, Text};
use super::{Op, link, registers};
use crate::error::LoadError;
use crate::ptx::{
    Function, Guard, Operand, Parameter, RegisterDecl, Space, Statement, StatementKind, Type,
    Variable,
};

/// A kernel, decoded.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) name: String,
    /// Its own code, then that of the functions that it calls.
    pub(crate) code: Vec<Instruction>,
    pub(crate) activations: Vec<Activation>,
    /// Bytes of its parameters, and where each starts.
    pub(crate) parameter_bytes: u32,
    pub(crate) parameters: Vec<(u32, u32)>,
    /// Bytes of shared memory that it declares; dynamic shared memory follows them.
    pub(crate) static_shared: u32,
    /// Bytes of local memory of each thread.
    pub(crate) local_bytes: u32,
    /// `.maxntid` or `.reqntid`, multiplied out.
    pub(crate) max_threads: Option<u32>,
    pub(crate) required_threads: Option<[u32; 3]>,
    /// `.reqnctapercluster`
    pub(crate) required_cluster: Option<[u32; 3]>,
    /// Whether instructions use registers while a warp goes on.
    pub(crate) holds_registers: bool,
    /// Registers of each thread at the start, if that is settled.
    pub(crate) registers_at_entry: Option<u32>,
    /// Whether it cancels launches of clusters.
    pub(crate) cancels: bool,
    /// What counters tell apart: mnemonics, and some with a space.
    pub(crate) kinds: Vec<String>,
    /// Names by class.
    register_names: [Vec<String>; 3],
}

/// What a thread has of a function that it is in.
#[derive(Debug)]
pub(crate) struct Activation {
    /// The function's first instruction.
    pub(crate) entry: u32,
    /// By class.
    pub(crate) registers: [Range<usize>; 3],
    /// Bytes of local memory.
    pub(crate) local: Range<u32>,
}

/// An instruction and where it stands in the text.
#[derive(Debug)]
pub(crate) struct Instruction {
    pub(crate) op: Op,
    /// A predicate, and whether it is negated.
    pub(crate) guard: Option<(Register, bool)>,
    pub(crate) line: u32,
    pub(crate) text: String,
    /// The number of its kind.
    pub(crate) kind: u16,
}

/// What a register holds. One of 128 bits is two of 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    Predicate,
    /// Up to 32 bits.
    Word,
    /// 64 bits.
    Double,
}

impl Class {
    pub(crate) fn of(ty: Type) -> Option<Self> {
        match ty.bits() {
            0 => Some(Self::Predicate),
            8..=32 => Some(Self::Word),
            64 => Some(Self::Double),
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Register {
    pub(crate) class: Class,
    pub(crate) index: u16,
}

/// Where an operand's value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    Register(Register),
    Immediate(u64),
    Special(Special),
}

/// A special register: the same through a thread's life, unless it is a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Special {
    TidX,
    TidY,
    TidZ,
    NtidX,
    NtidY,
    NtidZ,
    CtaidX,
    CtaidY,
    CtaidZ,
    NctaidX,
    NctaidY,
    NctaidZ,
    ClusterCtaidX,
    ClusterCtaidY,
    ClusterCtaidZ,
    ClusterNctaidX,
    ClusterNctaidY,
    ClusterNctaidZ,
    ClusteridX,
    ClusteridY,
    ClusteridZ,
    NclusteridX,
    NclusteridY,
    NclusteridZ,
    ClusterCtarank,
    ClusterNctarank,
    Laneid,
    Warpid,
    Nwarpid,
    LanemaskEq,
    LanemaskLt,
    LanemaskLe,
    LanemaskGt,
    LanemaskGe,
    DynamicSmemSize,
    TotalSmemSize,
    Smid,
    Nsmid,
    Gridid,
    Clock,
    ClockHigh,
}

impl Special {
    pub(crate) const COUNT: usize = Self::ClockHigh as usize + 1;

    /// How many bits it has at most: of 64 the lower ones may be asked for alone.
    pub(crate) fn bits(self) -> u32 {
        if matches!(self, Self::Gridid | Self::Clock) { 64 } else { 32 }
    }

    /// Whether it had 16 bits in PTX 1.x, and may still be read so.
    pub(crate) fn was_short(self) -> bool {
        (self as usize) <= Self::NctaidZ as usize
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "%tid.x" => Self::TidX,
            "%tid.y" => Self::TidY,
            "%tid.z" => Self::TidZ,
            "%ntid.x" => Self::NtidX,
            "%ntid.y" => Self::NtidY,
            "%ntid.z" => Self::NtidZ,
            "%ctaid.x" => Self::CtaidX,
            "%ctaid.y" => Self::CtaidY,
            "%ctaid.z" => Self::CtaidZ,
            "%nctaid.x" => Self::NctaidX,
            "%nctaid.y" => Self::NctaidY,
            "%nctaid.z" => Self::NctaidZ,
            "%cluster_ctaid.x" => Self::ClusterCtaidX,
            "%cluster_ctaid.y" => Self::ClusterCtaidY,
            "%cluster_ctaid.z" => Self::ClusterCtaidZ,
            "%cluster_nctaid.x" => Self::ClusterNctaidX,
            "%cluster_nctaid.y" => Self::ClusterNctaidY,
            "%cluster_nctaid.z" => Self::ClusterNctaidZ,
            "%clusterid.x" => Self::ClusteridX,
            "%clusterid.y" => Self::ClusteridY,
            "%clusterid.z" => Self::ClusteridZ,
            "%nclusterid.x" => Self::NclusteridX,
            "%nclusterid.y" => Self::NclusteridY,
            "%nclusterid.z" => Self::NclusteridZ,
            "%cluster_ctarank" => Self::ClusterCtarank,
            "%cluster_nctarank" => Self::ClusterNctarank,
            "%laneid" => Self::Laneid,
            "%warpid" => Self::Warpid,
            "%nwarpid" => Self::Nwarpid,
            "%lanemask_eq" => Self::LanemaskEq,
            "%lanemask_lt" => Self::LanemaskLt,
            "%lanemask_le" => Self::LanemaskLe,
            "%lanemask_gt" => Self::LanemaskGt,
            "%lanemask_ge" => Self::LanemaskGe,
            "%dynamic_smem_size" => Self::DynamicSmemSize,
            "%total_smem_size" => Self::TotalSmemSize,
            "%smid" => Self::Smid,
            "%nsmid" => Self::Nsmid,
            "%gridid" => Self::Gridid,
            "%clock" | "%clock64" | "%globaltimer" | "%globaltimer_lo" => Self::Clock,
            "%clock_hi" | "%globaltimer_hi" => Self::ClockHigh,
            _ => return None,
        })
    }
}

impl Kernel {
    /// How many predicates, words and doubles it has.
    pub(crate) fn registers(&self) -> [usize; 3] {
        [0, 1, 2].map(|class| self.register_names[class].len())
    }

    pub(crate) fn register_name(&self, register: Register) -> &str {
        &self.register_names[register.class as usize][usize::from(register.index)]
    }
}

/// Decodes a kernel and the functions that it calls. `symbols` are the module's variables, with their
/// addresses, and `functions` all that it has.
pub(crate) fn kernel(
    kernel: &Function,
    functions: &[Function],
    symbols: &Symbols,
) -> Result<Kernel, LoadError> {
    let called = link::called(kernel, functions)?;
    let mut decoder = Decoder {
        scope: Scope::new(symbols),
        register_names: Default::default(),
        static_shared: 0,
        local_bytes: 0,
        kinds: Vec::new(),
    };
    // Module-scope shared variables come first, then what bodies declare, then dynamic shared memory.
    let mut shared: Vec<(&str, u32)> = Vec::new();
    for (name, bytes, align) in symbols.shared() {
        shared.push((name, decoder.place_shared(bytes, align)));
    }
    let declared = decoder.static_shared;
    for statement in called.iter().chain([&kernel]).flat_map(|code| code.body.iter().flatten()) {
        if let StatementKind::Variable(variable) = &statement.kind {
            decoder.place(variable)?;
        }
    }
    let static_shared = decoder.static_shared.next_multiple_of(symbols.dynamic_alignment());
    shared.extend(symbols.dynamic.iter().map(|(name, _)| (name.as_str(), static_shared)));
    (decoder.static_shared, decoder.local_bytes) = (declared, 0);

    // The kernel's code is first, but each function is decoded after those that it calls.
    let mut callees = Rc::new(HashMap::new());
    let mut activations = Vec::new();
    let mut code = Vec::new();
    let mut entry = instructions_of(kernel);
    for (index, function) in called.iter().enumerate() {
        decoder.scope = Scope::of_code(symbols, callees.clone(), true);
        decoder.bind_shared(&shared);
        let (registers, local) = (decoder.registers(), decoder.local_bytes);
        let callee = Callee {
            function: index,
            parameters: decoder.formals(&function.parameters, Role::Parameter)?,
            results: decoder.formals(&function.results, Role::Result)?,
        };
        decoder.body(function, entry, &mut code)?;
        let ends = decoder.registers();
        activations.push(Activation {
            entry,
            registers: std::array::from_fn(|class| registers[class]..ends[class]),
            local: local..decoder.local_bytes,
        });
        entry += instructions_of(function);
        Rc::make_mut(&mut callees).insert(function.name.clone(), callee);
    }
    decoder.scope = Scope::of_code(symbols, callees, false);
    let (mut parameters, mut parameter_bytes) = (Vec::new(), 0_u32);
    for parameter in &kernel.parameters {
        let start = parameter_bytes.next_multiple_of(parameter.align.max(1));
        let bytes = parameter.ty.bytes() * parameter.count;
        decoder.scope.bind(&parameter.name, Binding::Symbol(start.into(), Space::Param));
        parameters.push((start, bytes));
        parameter_bytes = start + bytes;
    }
    decoder.bind_shared(&shared);
    let mut own_code = Vec::new();
    decoder.body(kernel, 0, &mut own_code)?;
    own_code.append(&mut code);

    let registers_at_entry = registers::at_entry(kernel);
    let sets = |instruction: &&Instruction| matches!(instruction.op, Op::SetMaxRegisters(_));
    if let Some(Instruction { line, text, .. }) =
        own_code.iter().find(sets).filter(|_| registers_at_entry.is_none())
    {
        let reason = "ptxas ignores it in a kernel that has neither .maxnreg nor .minnctapersm with \
                      .maxntid or .reqntid";
        return Err(LoadError::new(*line, reason, text));
    }
    check_groups(&own_code)?;
    let required_threads = kernel.required_threads;
    let max_threads = required_threads.or(kernel.max_threads).map(|axes| axes.iter().product());
    let Decoder { register_names, local_bytes, kinds, .. } = decoder;
    Ok(Kernel {
        name: kernel.name.clone(),
        holds_registers: own_code.iter().any(|instruction| match &instruction.op {
            Op::Wgmma(_) => true,
            Op::Tcgen05(op) => op.loads_registers(),
            _ => false,
        }),
        registers_at_entry,
        cancels: own_code.iter().any(|instruction| instruction.op.cancels()),
        code: own_code,
        activations,
        parameter_bytes,
        parameters,
        static_shared,
        local_bytes,
        max_threads,
        required_threads,
        required_cluster: kernel.cluster,
        kinds,
        register_names,
    })
}

/// Refuses code of which one `tcgen05` instruction is of one block's tensor memory and another of two blocks'.
fn check_groups(code: &[Instruction]) -> Result<(), LoadError> {
    let mut known = None;
    for Instruction { op, line, text, .. } in code {
        let Op::Tcgen05(op) = op else { continue };
        let Some(group) = op.group() else { continue };
        if *known.get_or_insert(group) != group {
            let reason = "all tcgen05 instructions of a kernel have the same .cta_group";
            return Err(LoadError::new(*line, reason, text));
        }
    }
    Ok(())
}

/// How many instructions a kernel's or a function's code has, with the return at its end.
fn instructions_of(function: &Function) -> u32 {
    let body = function.body.as_deref().unwrap_or_default();
    let instructions =
        body.iter().filter(|statement| matches!(statement.kind, StatementKind::Instruction { .. }));
    instructions.count() as u32 + 1
}

/// The instructions that labels stand before, of which the first is `first`. A label is local to its
/// braces, which are told apart by their number.
fn labels(body: &[Statement], first: u32) -> Result<HashMap<(u32, String), u32>, LoadError> {
    let mut labels = HashMap::new();
    let mut instruction = first;
    let (mut open, mut opened) = (vec![0], 0);
    for Statement { line, kind } in body {
        match kind {
            StatementKind::Open => {
                opened += 1;
                open.push(opened);
            }
            StatementKind::Close => drop(open.pop()),
            StatementKind::Label(name) => {
                let braces = open.last().copied().unwrap_or(0);
                if labels.insert((braces, name.clone()), instruction).is_some() {
                    return Err(LoadError::new(*line, "a label stands twice", name));
                }
            }
            StatementKind::Instruction { .. } => instruction += 1,
            _ => {}
        }
    }
    Ok(labels)
}

/// What accumulates while the statements of a kernel and its functions are read.
struct Decoder<'a> {
    scope: Scope<'a>,
    register_names: [Vec<String>; 3],
    static_shared: u32,
    local_bytes: u32,
    kinds: Vec<String>,
}

impl Decoder<'_> {
    /// Decodes a body, whose first instruction has this number, and a return at its end.
    fn body(
        &mut self,
        function: &Function,
        first: u32,
        code: &mut Vec<Instruction>,
    ) -> Result<(), LoadError> {
        let body = function.body.as_deref().unwrap_or_default();
        // Code may name labels before they stand.
        self.scope.set_labels(labels(body, first)?);
        for statement in body {
            let line = statement.line;
            match &statement.kind {
                StatementKind::Open => self.scope.open(),
                StatementKind::Close => self.scope.close(),
                StatementKind::Label(_) => {}
                StatementKind::BranchTargets(name, labels) => self.scope.bind_targets(name, labels),
                StatementKind::Registers(declarations) => {
                    for declaration in declarations {
                        self.declare(declaration, line)?;
                    }
                }
                StatementKind::Variable(variable) => self.place(variable)?,
                StatementKind::Instruction { guard, opcode, operands } => {
                    code.push(self.instruction(line, guard.as_ref(), opcode, operands)?);
                }
            }
        }
        let line = body.last().map_or(0, |statement| statement.line);
        code.push(self.instruction(line, None, &["ret".to_owned()], &[])?);
        Ok(())
    }

    fn instruction(
        &mut self,
        line: u32,
        guard: Option<&Guard>,
        opcode: &[String],
        operands: &[Operand],
    ) -> Result<Instruction, LoadError> {
        let text = Text::new(line, opcode, operands, &self.scope);
        let guard = match guard {
            Some(guard) => Some((text.predicate_named(&guard.predicate)?, guard.negated)),
            None => None,
        };
        let op = Op::decode(&text)?;
        let (name, text) = (text.kind(), text.shown());
        let kind = self.kinds.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.kinds.push(name);
            self.kinds.len() - 1
        }) as u16;
        Ok(Instruction { op, guard, line, text, kind })
    }

    /// Places a function's parameters or results.
    fn formals(&mut self, parameters: &[Parameter], role: Role) -> Result<Vec<Formal>, LoadError> {
        let mut formals = Vec::new();
        for Parameter { name, ty, align, count, is_register, line } in parameters {
            let bytes = ty.bytes() * count;
            let place = if *is_register {
                let (name, ty) = (name.clone(), *ty);
                self.declare(&RegisterDecl { name: name.clone(), ty, count: None }, *line)?;
                match self.scope.register(&name) {
                    Some(register) if register.class != Class::Predicate => {
                        Place::Value(Source::Register(register))
                    }
                    _ => {
                        let reason = "a predicate or 128 bits as a parameter";
                        return Err(LoadError::new(*line, reason, name));
                    }
                }
            } else {
                let address = self.place_local(bytes, *align).into();
                self.scope.bind(name, Binding::Argument(Argument { role, address, bytes }));
                Place::Memory(address)
            };
            formals.push(Formal { ty: *ty, bytes, place });
        }
        Ok(formals)
    }

    fn bind_shared(&mut self, shared: &[(&str, u32)]) {
        for (name, address) in shared {
            self.scope.bind(name, Binding::Symbol((*address).into(), Space::Shared));
        }
    }

    /// How many registers there are of each class.
    fn registers(&self) -> [usize; 3] {
        [0, 1, 2].map(|class| self.register_names[class].len())
    }

    fn declare(&mut self, declaration: &RegisterDecl, line: u32) -> Result<(), LoadError> {
        let RegisterDecl { name, ty, count } = declaration;
        let names: Vec<String> = match count {
            None => vec![name.clone()],
            Some(count) => (0..*count).map(|index| format!("{name}{index}")).collect(),
        };
        for name in names {
            let binding = match Class::of(*ty) {
                Some(class) => Binding::Register(self.new_register(class, &name, line)?, *ty),
                None => {
                    let low = self.new_register(Class::Double, &name, line)?;
                    Binding::Wide([low, self.new_register(Class::Double, &name, line)?])
                }
            };
            self.scope.bind(&name, binding);
        }
        Ok(())
    }

    fn new_register(&mut self, class: Class, name: &str, line: u32) -> Result<Register, LoadError> {
        let known = &mut self.register_names[class as usize];
        let index = u16::try_from(known.len())
            .map_err(|_| LoadError::new(line, "too many registers", name))?;
        known.push(name.to_owned());
        Ok(Register { class, index })
    }

    fn place(&mut self, variable: &Variable) -> Result<(), LoadError> {
        let bytes = u32::try_from(variable.count * u64::from(variable.ty.bytes()))
            .map_err(|_| LoadError::new(variable.line, "too large", &variable.name))?;
        let address = match variable.space {
            Space::Shared => self.place_shared(bytes, variable.align),
            Space::Local => self.place_local(bytes, variable.align),
            Space::Param => {
                let address = self.place_local(bytes, variable.align);
                let argument = Argument { role: Role::Actual, address: address.into(), bytes };
                self.scope.bind(&variable.name, Binding::Argument(argument));
                return Ok(());
            }
            Space::Global | Space::SharedCluster => {
                let reason = "a variable of this space stands outside of functions";
                return Err(LoadError::new(variable.line, reason, &variable.name));
            }
        };
        self.scope.bind(&variable.name, Binding::Symbol(address.into(), variable.space));
        Ok(())
    }

    fn place_local(&mut self, bytes: u32, align: u32) -> u32 {
        let start = self.local_bytes.next_multiple_of(align.max(1));
        self.local_bytes = start + bytes;
        start
    }

    fn place_shared(&mut self, bytes: u32, align: u32) -> u32 {
        let start = self.static_shared.next_multiple_of(align.max(1));
        self.static_shared = start + bytes;
        start
    }
}
