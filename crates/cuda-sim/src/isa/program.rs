use std::collections::HashMap;

use super::decode::{Binding, Scope, Symbols, Text};
use super::{Op, registers};
use crate::error::LoadError;
use crate::ptx::{Function, RegisterDecl, Space, Statement, StatementKind, Type, Variable};

/// A kernel, decoded.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) name: String,
    pub(crate) code: Vec<Instruction>,
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
    pub(crate) has_wgmma: bool,
    /// Registers of each thread at the start, if that is settled.
    pub(crate) registers_at_entry: Option<u32>,
    /// What counters tell apart: mnemonics, and some with a space.
    pub(crate) kinds: Vec<String>,
    /// Names by class.
    register_names: [Vec<String>; 3],
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

/// What a register holds.
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

/// Decodes a kernel. `symbols` are the module's variables, with their addresses.
pub(crate) fn kernel(function: &Function, symbols: &Symbols) -> Result<Kernel, LoadError> {
    let mut decoder = Decoder {
        scope: Scope::new(symbols),
        register_names: Default::default(),
        static_shared: 0,
        local_bytes: 0,
    };
    let mut parameters = Vec::new();
    let mut parameter_bytes = 0_u32;
    for parameter in &function.parameters {
        let start = parameter_bytes.next_multiple_of(parameter.align.max(1));
        let bytes = parameter.ty.bytes() * parameter.count;
        decoder.scope.bind(&parameter.name, Binding::Symbol(start.into(), Space::Param));
        parameters.push((start, bytes));
        parameter_bytes = start + bytes;
    }
    for (name, bytes, align) in symbols.shared() {
        let start = decoder.place_shared(bytes, align);
        decoder.scope.bind(name, Binding::Symbol(start.into(), Space::Shared));
    }
    let body = function.body.as_deref().unwrap_or_default();

    // Dynamic shared memory follows all that the body declares.
    let declared = decoder.static_shared;
    for statement in body {
        if let StatementKind::Variable(variable) = &statement.kind {
            decoder.place(variable)?;
        }
    }
    let static_shared = decoder.static_shared.next_multiple_of(symbols.dynamic_alignment());
    for (name, _) in &symbols.dynamic {
        decoder.scope.bind(name, Binding::Symbol(static_shared.into(), Space::Shared));
    }
    (decoder.static_shared, decoder.local_bytes) = (declared, 0);

    // Labels are numbered first, since code may name them before they stand. A label is local to its
    // braces, which are told apart by their number.
    let mut labels = HashMap::new();
    let mut instructions = 0_u32;
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
                if labels.insert((braces, name.clone()), instructions).is_some() {
                    return Err(LoadError::new(*line, "a label stands twice", name));
                }
            }
            StatementKind::Instruction { .. } => instructions += 1,
            _ => {}
        }
    }
    decoder.scope.set_labels(labels);

    let mut kinds: Vec<String> = Vec::new();
    let mut code = Vec::with_capacity(instructions as usize);
    for statement in body {
        let line = statement.line;
        match &statement.kind {
            StatementKind::Open => decoder.scope.open(),
            StatementKind::Close => decoder.scope.close(),
            StatementKind::Label(_) => {}
            StatementKind::BranchTargets(name, labels) => decoder.scope.bind_targets(name, labels),
            StatementKind::Registers(declarations) => {
                for declaration in declarations {
                    decoder.declare(declaration, line)?;
                }
            }
            StatementKind::Variable(variable) => decoder.place(variable)?,
            StatementKind::Instruction { guard, opcode, operands } => {
                let text = Text::new(line, opcode, operands, &decoder.scope);
                let guard = match guard {
                    Some(guard) => Some((text.predicate_named(&guard.predicate)?, guard.negated)),
                    None => None,
                };
                let op = Op::decode(&text)?;
                let name = text.kind();
                let kind = kinds.iter().position(|known| *known == name).unwrap_or_else(|| {
                    kinds.push(name);
                    kinds.len() - 1
                }) as u16;
                code.push(Instruction { op, guard, line, text: text.shown(), kind });
            }
        }
    }
    let registers_at_entry = registers::at_entry(function);
    let sets = |instruction: &&Instruction| matches!(instruction.op, Op::SetMaxRegisters(_));
    if let Some(Instruction { line, text, .. }) =
        code.iter().find(sets).filter(|_| registers_at_entry.is_none())
    {
        let reason = "ptxas ignores it in a kernel that has neither .maxnreg nor .minnctapersm with \
                      .maxntid or .reqntid";
        return Err(LoadError::new(*line, reason, text));
    }
    let required_threads = function.required_threads;
    let max_threads = required_threads.or(function.max_threads).map(|axes| axes.iter().product());
    let Decoder { register_names, local_bytes, .. } = decoder;
    Ok(Kernel {
        name: function.name.clone(),
        has_wgmma: code.iter().any(|instruction| matches!(instruction.op, Op::Wgmma(_))),
        registers_at_entry,
        code,
        parameter_bytes,
        parameters,
        static_shared,
        local_bytes,
        max_threads,
        required_threads,
        required_cluster: function.cluster,
        kinds,
        register_names,
    })
}

/// What accumulates while a kernel's statements are read.
struct Decoder<'a> {
    scope: Scope<'a>,
    register_names: [Vec<String>; 3],
    static_shared: u32,
    local_bytes: u32,
}

impl Decoder<'_> {
    fn declare(&mut self, declaration: &RegisterDecl, line: u32) -> Result<(), LoadError> {
        let RegisterDecl { name, ty, count } = declaration;
        let class = Class::of(*ty)
            .ok_or_else(|| LoadError::new(line, "registers of 128 bits are not simulated", name))?;
        let names: Vec<String> = match count {
            None => vec![name.clone()],
            Some(count) => (0..*count).map(|index| format!("{name}{index}")).collect(),
        };
        for name in names {
            let known = &mut self.register_names[class as usize];
            let index = u16::try_from(known.len())
                .map_err(|_| LoadError::new(line, "too many registers", &name))?;
            known.push(name.clone());
            self.scope.bind(&name, Binding::Register(Register { class, index }, *ty));
        }
        Ok(())
    }

    fn place(&mut self, variable: &Variable) -> Result<(), LoadError> {
        let bytes = u32::try_from(variable.count * u64::from(variable.ty.bytes()))
            .map_err(|_| LoadError::new(variable.line, "too large", &variable.name))?;
        let address = match variable.space {
            Space::Shared => self.place_shared(bytes, variable.align),
            Space::Local => {
                let start = self.local_bytes.next_multiple_of(variable.align.max(1));
                self.local_bytes = start + bytes;
                start
            }
            Space::Param => {
                let reason = "an argument of a call: calls of device functions are not simulated";
                return Err(LoadError::new(variable.line, reason, &variable.name));
            }
            Space::Global | Space::SharedCluster => {
                let reason = "a variable of this space stands outside of functions";
                return Err(LoadError::new(variable.line, reason, &variable.name));
            }
        };
        self.scope.bind(&variable.name, Binding::Symbol(address.into(), variable.space));
        Ok(())
    }

    fn place_shared(&mut self, bytes: u32, align: u32) -> u32 {
        let start = self.static_shared.next_multiple_of(align.max(1));
        self.static_shared = start + bytes;
        start
    }
}
