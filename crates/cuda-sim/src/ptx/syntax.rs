use std::fmt;

/// A PTX module.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    /// `.version`, major and minor.
    pub(crate) version: (u32, u32),
    /// As in `.target sm_90a`, and the line that says so.
    pub(crate) target: String,
    pub(crate) target_line: u32,
    /// Module-scope variables.
    pub(crate) variables: Vec<Variable>,
    pub(crate) functions: Vec<Function>,
}

/// A kernel or a function.
#[derive(Clone, Debug)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) is_kernel: bool,
    /// A kernel's parameters, or a function's.
    pub(crate) parameters: Vec<Parameter>,
    /// What a function returns.
    pub(crate) results: Vec<Parameter>,
    /// `.maxntid`, all ones where absent.
    pub(crate) max_threads: Option<[u32; 3]>,
    /// `.minnctapersm`
    pub(crate) min_blocks: Option<u32>,
    /// `.reqntid`
    pub(crate) required_threads: Option<[u32; 3]>,
    /// `.reqnctapercluster`
    pub(crate) cluster: Option<[u32; 3]>,
    /// `.maxnreg`
    pub(crate) max_registers: Option<u32>,
    /// `None` for a declaration of something that stands elsewhere.
    pub(crate) body: Option<Vec<Statement>>,
}

/// One parameter, and the bytes it takes.
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) ty: Type,
    pub(crate) align: u32,
    /// Elements, 1 for a scalar.
    pub(crate) count: u32,
    /// Whether it is a function's register, and not in parameter space.
    pub(crate) is_register: bool,
    pub(crate) line: u32,
}

/// A variable in some state space.
#[derive(Clone, Debug)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) space: Space,
    pub(crate) align: u32,
    pub(crate) ty: Type,
    /// Elements; 0 for `.extern .shared name[]`.
    pub(crate) count: u64,
    pub(crate) is_extern: bool,
    pub(crate) initializer: Option<Vec<Initializer>>,
}

/// One element of a variable's initial value.
#[derive(Clone, Debug)]
pub(crate) enum Initializer {
    /// An integer or the bits of a float.
    Bits(u64),
    /// The address of another variable, plus an offset.
    Symbol(String, i64),
}

/// A statement of a function's body.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    pub(crate) line: u32,
    pub(crate) kind: StatementKind,
}

#[derive(Clone, Debug)]
pub(crate) enum StatementKind {
    /// `{`: names declared up to the matching `}` are local to it.
    Open,
    /// `}`
    Close,
    Label(String),
    Registers(Vec<RegisterDecl>),
    Variable(Variable),
    /// `.branchtargets` and `.calltargets`: the labels under a name.
    BranchTargets(String, Vec<String>),
    Instruction {
        guard: Option<Guard>,
        /// The mnemonic split at its dots: `["ld", "global", "v4", "b32"]`. A part may hold `::`.
        opcode: Vec<String>,
        operands: Vec<Operand>,
    },
}

/// `.reg .b32 %r<12>` or `.reg .pred p`.
#[derive(Clone, Debug)]
pub(crate) struct RegisterDecl {
    pub(crate) name: String,
    pub(crate) ty: Type,
    /// As many registers as `<n>` says, named `name0` to `name(n - 1)`; `None` for a plain name.
    pub(crate) count: Option<u32>,
}

/// `@p` or `@!p`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Guard {
    pub(crate) predicate: String,
    pub(crate) negated: bool,
}

/// An operand as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operand {
    /// A register, variable, label, parameter or special register; `%tid.x` with its dot.
    Name(String),
    /// `!p`
    Not(String),
    /// An integer, sign-extended to 64 bits.
    Integer(i64),
    /// `0f3F800000`
    Single(u32),
    /// `0d3FF0000000000000`
    Double(u64),
    /// `_`
    Sink,
    /// `{a, b}`
    Vector(Vec<Operand>),
    /// `[a + 8]`, and for tensors `[a, {x, y}]`.
    Address(Address),
    /// `p|q`: a pair of destinations.
    Pair(Box<[Operand; 2]>),
    /// `(a, b)`: a call's results or arguments.
    List(Vec<Operand>),
    /// A variable's address plus an offset, outside of brackets.
    Offset(String, i64),
}

/// What stands between brackets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    /// A register or a variable; `None` for an immediate address.
    pub(crate) base: Option<String>,
    pub(crate) offset: i64,
    /// What follows a comma: coordinates of a tensor.
    pub(crate) coordinates: Vec<Operand>,
}

/// A state space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Space {
    Global,
    Shared,
    /// Shared memory of the blocks of a cluster. Variables are in that of their block.
    SharedCluster,
    Local,
    Param,
}

/// A fundamental type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    Pred,
    B8,
    B16,
    B32,
    B64,
    B128,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    F16x2,
    BF16,
    BF16x2,
    F32,
    F64,
}

impl Type {
    /// The type that a name without its dot stands for.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "pred" => Self::Pred,
            "b8" => Self::B8,
            "b16" => Self::B16,
            "b32" => Self::B32,
            "b64" => Self::B64,
            "b128" => Self::B128,
            "u8" => Self::U8,
            "u16" => Self::U16,
            "u32" => Self::U32,
            "u64" => Self::U64,
            "s8" => Self::S8,
            "s16" => Self::S16,
            "s32" => Self::S32,
            "s64" => Self::S64,
            "f16" => Self::F16,
            "f16x2" => Self::F16x2,
            "bf16" => Self::BF16,
            "bf16x2" => Self::BF16x2,
            "f32" => Self::F32,
            "f64" => Self::F64,
            _ => return None,
        })
    }

    /// Its size in bytes; a predicate has none.
    pub(crate) fn bytes(self) -> u32 {
        match self {
            Self::Pred => 0,
            Self::B8 | Self::U8 | Self::S8 => 1,
            Self::B16 | Self::U16 | Self::S16 | Self::F16 | Self::BF16 => 2,
            Self::B32 | Self::U32 | Self::S32 | Self::F16x2 | Self::BF16x2 | Self::F32 => 4,
            Self::B64 | Self::U64 | Self::S64 | Self::F64 => 8,
            Self::B128 => 16,
        }
    }

    /// Its size in bits.
    pub(crate) fn bits(self) -> u32 {
        8 * self.bytes()
    }

    pub(crate) fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    pub(crate) fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::F16x2 | Self::BF16 | Self::BF16x2 | Self::F32 | Self::F64)
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, operands: &[Self]| {
            for (index, operand) in operands.iter().enumerate() {
                write!(f, "{}{operand}", if index > 0 { ", " } else { "" })?;
            }
            Ok(())
        };
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Not(name) => write!(f, "!{name}"),
            Self::Integer(value) => write!(f, "{value}"),
            Self::Single(bits) => write!(f, "0f{bits:08X}"),
            Self::Double(bits) => write!(f, "0d{bits:016X}"),
            Self::Sink => f.write_str("_"),
            Self::Vector(operands) => {
                f.write_str("{")?;
                list(f, operands)?;
                f.write_str("}")
            }
            Self::List(operands) => {
                f.write_str("(")?;
                list(f, operands)?;
                f.write_str(")")
            }
            Self::Pair(pair) => write!(f, "{}|{}", pair[0], pair[1]),
            Self::Offset(name, offset) => write!(f, "{name}{offset:+}"),
            Self::Address(Address { base, offset, coordinates }) => {
                f.write_str("[")?;
                match (base, offset) {
                    (Some(base), 0) => f.write_str(base)?,
                    (Some(base), offset) => write!(f, "{base}{offset:+}")?,
                    (None, offset) => write!(f, "{offset}")?,
                }
                for coordinate in coordinates {
                    write!(f, ", {coordinate}")?;
                }
                f.write_str("]")
            }
        }
    }
}
