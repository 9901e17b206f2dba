//! Reading of an instruction's text: its modifiers in order, and its operands by what is expected.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;

use super::availability::Edition;
use super::call::Callee;
use super::convert::{LOCAL_WINDOW, SHARED_WINDOW};
use super::program::{Class, Register, Source, Special};
use crate::error::LoadError;
use crate::ptx::{Address, Operand, Space, Type};

/// What a module's code may use: its variables, and what its version and its target have.
#[derive(Debug)]
pub(crate) struct Symbols {
    pub(crate) edition: Edition,
    /// Variables in global and constant memory, and where they are.
    pub(crate) placed: HashMap<String, u64>,
    /// Static shared variables: name, bytes, alignment.
    pub(crate) shared: Vec<(String, u32, u32)>,
    /// Names of dynamic shared memory, and what each is aligned to.
    pub(crate) dynamic: Vec<(String, u32)>,
}

impl Symbols {
    /// Those of a module without variables.
    pub(crate) fn new(edition: Edition) -> Self {
        let (placed, shared, dynamic) = Default::default();
        Self { edition, placed, shared, dynamic }
    }

    pub(crate) fn shared(&self) -> impl Iterator<Item = (&str, u32, u32)> {
        self.shared.iter().map(|(name, bytes, align)| (name.as_str(), *bytes, *align))
    }

    /// The largest alignment of dynamic shared memory, at least 16.
    pub(crate) fn dynamic_alignment(&self) -> u32 {
        self.dynamic.iter().map(|(_, align)| *align).max().unwrap_or(0).max(16)
    }
}

/// What a name stands for.
#[derive(Clone, Debug)]
pub(crate) enum Binding {
    Register(Register, Type),
    /// A register of 128 bits: two of 64, the lower one first.
    Wide([Register; 2]),
    /// A variable: its address in its space.
    Symbol(u64, Space),
    /// What goes to a function or comes from it.
    Argument(Argument),
}

/// A variable in parameter space, but for a kernel's parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Argument {
    pub(crate) role: Role,
    /// Where it is in local memory.
    pub(crate) address: u64,
    pub(crate) bytes: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What a function was given, which it only reads.
    Parameter,
    /// What it gives, which it only writes.
    Result,
    /// What a caller gives or gets.
    Actual,
}

/// The names that code may use where it stands.
pub(crate) struct Scope<'a> {
    symbols: &'a Symbols,
    /// Innermost last, each with the number of its braces.
    names: Vec<(u32, HashMap<String, Binding>)>,
    /// Braces opened so far.
    opened: u32,
    /// By the number of the braces they stand in.
    labels: HashMap<(u32, String), u32>,
    targets: HashMap<String, Vec<String>>,
    /// The functions that may be called.
    callees: Rc<HashMap<String, Callee>>,
    is_function: bool,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(symbols: &'a Symbols) -> Self {
        let (labels, targets, callees) = Default::default();
        let names = vec![(0, HashMap::new())];
        Self { symbols, names, opened: 0, labels, targets, callees, is_function: false }
    }

    /// The scope of a kernel or a function that may call others.
    pub(crate) fn of_code(
        symbols: &'a Symbols,
        callees: Rc<HashMap<String, Callee>>,
        is_function: bool,
    ) -> Self {
        Self { callees, is_function, ..Self::new(symbols) }
    }

    pub(crate) fn open(&mut self) {
        self.opened += 1;
        self.names.push((self.opened, HashMap::new()));
    }

    pub(crate) fn close(&mut self) {
        self.names.pop();
    }

    pub(crate) fn bind(&mut self, name: &str, binding: Binding) {
        if let Some((_, innermost)) = self.names.last_mut() {
            innermost.insert(name.to_owned(), binding);
        }
    }

    pub(crate) fn bind_targets(&mut self, name: &str, labels: &[String]) {
        self.targets.insert(name.to_owned(), labels.to_vec());
    }

    pub(crate) fn set_labels(&mut self, labels: HashMap<(u32, String), u32>) {
        self.labels = labels;
    }

    /// The register of a name.
    pub(crate) fn register(&self, name: &str) -> Option<Register> {
        match self.find(name)? {
            Binding::Register(register, _) => Some(register),
            _ => None,
        }
    }

    fn find(&self, name: &str) -> Option<Binding> {
        let local = self.names.iter().rev().find_map(|(_, names)| names.get(name).cloned());
        local.or_else(|| Some(Binding::Symbol(*self.symbols.placed.get(name)?, Space::Global)))
    }
}

/// Where an access goes: a register plus an offset, or an offset alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) base: Option<Source>,
    pub(crate) offset: i64,
}

/// An instruction's text while it is decoded. Modifiers are taken from the front; what is left at the
/// end is refused.
pub(crate) struct Text<'a> {
    line: u32,
    opcode: &'a [String],
    operands: &'a [Operand],
    scope: &'a Scope<'a>,
    modifier: Cell<usize>,
}

impl<'a> Text<'a> {
    pub(crate) fn new(
        line: u32,
        opcode: &'a [String],
        operands: &'a [Operand],
        scope: &'a Scope<'a>,
    ) -> Self {
        Self { line, opcode, operands, scope, modifier: Cell::new(1) }
    }

    /// The instruction's parts, as its dots separate them.
    pub(crate) fn opcode(&self) -> &'a [String] {
        self.opcode
    }

    pub(crate) fn operands(&self) -> &'a [Operand] {
        self.operands
    }

    /// Whether it stands in a function, and not in a kernel.
    pub(crate) fn is_in_function(&self) -> bool {
        self.scope.is_function
    }

    /// The function of a name.
    pub(crate) fn callee(&self, name: &str) -> Result<&'a Callee, LoadError> {
        if let Some(Binding::Register(..)) = self.scope.find(name) {
            return Err(self.refuse("indirect calls are not simulated"));
        }
        let missing = || self.refuse(format!("function {name} is not defined in the module"));
        self.scope.callees.get(name).ok_or_else(missing)
    }

    /// The variable of a name that goes to a function or comes from it.
    pub(crate) fn argument(&self, name: &str) -> Option<Argument> {
        match self.scope.find(name)? {
            Binding::Argument(argument) => Some(argument),
            _ => None,
        }
    }

    /// Where an access in a space really goes: but for a kernel's, parameters are in local memory.
    pub(crate) fn space_accessed(&self, index: usize, space: Option<Space>) -> Option<Space> {
        let is_argument = match self.operands.get(index) {
            Some(Operand::Address(Address { base: Some(name), .. })) => {
                self.is_in_function() || self.argument(name).is_some()
            }
            _ => false,
        };
        if space == Some(Space::Param) && is_argument { Some(Space::Local) } else { space }
    }

    /// What the module says of itself.
    pub(crate) fn edition(&self) -> &'a Edition {
        &self.scope.symbols.edition
    }

    pub(crate) fn mnemonic(&self) -> &'a str {
        &self.opcode[0]
    }

    /// The instruction, as it is shown in messages.
    pub(crate) fn shown(&self) -> String {
        let operands: Vec<String> = self.operands.iter().map(|o| o.to_string()).collect();
        format!("{} {};", self.opcode.join("."), operands.join(", "))
    }

    /// The mnemonic, with the space or shape that counters tell apart.
    pub(crate) fn kind(&self) -> String {
        const APART: [&str; 4] = ["ld", "st", "atom", "red"];
        if let ["tcgen05", what, ..] =
            self.opcode.iter().map(String::as_str).collect::<Vec<_>>()[..]
        {
            return format!("tcgen05.{}", what.split("::").next().unwrap_or_default());
        }
        let space = self.opcode.iter().skip(1).find(|part| {
            let space = part.split("::").next().unwrap_or_default();
            matches!(space, "global" | "shared" | "local" | "param" | "const")
        });
        match space {
            Some(space) if APART.contains(&self.mnemonic()) => {
                format!("{}.{}", self.opcode[0], space.split("::").next().unwrap_or_default())
            }
            _ => self.opcode[0].clone(),
        }
    }

    /// Whether the last type named is an integer's or that of bits.
    pub(crate) fn is_integer(&self) -> bool {
        let ty = self.opcode.iter().rev().find_map(|part| Type::from_name(part));
        ty.is_some_and(|ty| !ty.is_float())
    }

    /// Whether it has a modifier, wherever that stands.
    pub(crate) fn has(&self, modifier: &str) -> bool {
        self.opcode.iter().any(|part| part == modifier)
    }

    /// All of its modifiers.
    pub(crate) fn modifiers(&self) -> impl Iterator<Item = &'a str> {
        self.opcode.iter().skip(1).map(String::as_str)
    }

    /// Whether it is of predicates.
    pub(crate) fn is_of_predicates(&self) -> bool {
        self.opcode.last().is_some_and(|part| part == "pred")
    }

    /// An error about this instruction.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> LoadError {
        LoadError::new(self.line, reason, self.shown())
    }

    /// Takes the next modifier if it is this one.
    pub(crate) fn eat(&self, modifier: &str) -> bool {
        let found = self.peek() == Some(modifier);
        self.modifier.set(self.modifier.get() + usize::from(found));
        found
    }

    /// Takes the next modifier if it is one of these, and says which.
    pub(crate) fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        choices.iter().find(|(name, _)| self.eat(name)).map(|(_, value)| *value)
    }

    pub(crate) fn peek(&self) -> Option<&'a str> {
        self.opcode.get(self.modifier.get()).map(String::as_str)
    }

    /// Takes a type.
    pub(crate) fn ty(&self) -> Result<Type, LoadError> {
        let ty = self.peek().and_then(Type::from_name);
        let ty = ty.ok_or_else(|| self.refuse("expected a type"))?;
        self.modifier.set(self.modifier.get() + 1);
        Ok(ty)
    }

    /// Refuses modifiers that nobody took, and another number of operands.
    pub(crate) fn finish(&self, operands: usize) -> Result<(), LoadError> {
        if let Some(modifier) = self.peek() {
            return Err(self.refuse(format!("unknown modifier .{modifier}")));
        }
        if self.operands.len() != operands {
            let got = self.operands.len();
            return Err(self.refuse(format!("{got} operands, expected {operands}")));
        }
        Ok(())
    }

    pub(crate) fn operand_count(&self) -> usize {
        self.operands.len()
    }

    pub(crate) fn operand(&self, index: usize) -> Result<&'a Operand, LoadError> {
        let missing = || self.refuse(format!("operand {} is missing", index + 1));
        self.operands.get(index).ok_or_else(missing)
    }

    /// A destination register that holds values as wide as `ty`.
    pub(crate) fn destination(&self, index: usize, ty: Type) -> Result<Register, LoadError> {
        self.destination_of(self.operand(index)?, ty)
    }

    /// A destination as [`destination`](Self::destination), or `_`.
    pub(crate) fn destination_of(
        &self,
        operand: &Operand,
        ty: Type,
    ) -> Result<Register, LoadError> {
        let (register, declared) = self.register(operand)?;
        if declared.bits() != ty.bits() {
            let (is, wants) = (declared.bits(), ty.bits());
            return Err(self.refuse(format!("a register of {is} bits where {wants} are expected")));
        }
        self.check_kind(declared, ty)?;
        Ok(register)
    }

    /// Refuses a register of one kind of numbers where another is expected; bits are of every kind.
    pub(crate) fn check_kind(&self, declared: Type, ty: Type) -> Result<(), LoadError> {
        let of_bits = |ty| matches!(ty, Type::B8 | Type::B16 | Type::B32 | Type::B64 | Type::B128);
        let are_integers = !declared.is_float() && !ty.is_float();
        if of_bits(declared) || of_bits(ty) || declared == ty || are_integers {
            return Ok(());
        }
        Err(self.refuse(format!("a register of {declared:?} where {ty:?} is expected")))
    }

    /// A register of any width.
    pub(crate) fn register(&self, operand: &Operand) -> Result<(Register, Type), LoadError> {
        match operand {
            Operand::Name(name) => match self.scope.find(name) {
                Some(Binding::Register(register, ty)) => Ok((register, ty)),
                _ => Err(self.refuse(format!("{name} is no register"))),
            },
            _ => Err(self.refuse(format!("{operand} is no register"))),
        }
    }

    /// A register of 128 bits: its halves, the lower one first.
    pub(crate) fn wide(&self, operand: &Operand) -> Result<[Register; 2], LoadError> {
        match operand {
            Operand::Name(name) => match self.scope.find(name) {
                Some(Binding::Wide(halves)) => Ok(halves),
                _ => Err(self.refuse(format!("{name} is no register of 128 bits"))),
            },
            _ => Err(self.refuse(format!("{operand} is no register of 128 bits"))),
        }
    }

    /// A predicate register.
    pub(crate) fn predicate(&self, index: usize) -> Result<Register, LoadError> {
        self.destination(index, Type::Pred)
    }

    /// A predicate that may be negated.
    pub(crate) fn predicate_operand(
        &self,
        operand: &Operand,
    ) -> Result<(Register, bool), LoadError> {
        match operand {
            Operand::Not(name) => Ok((self.predicate_named(name)?, true)),
            operand => Ok((self.destination_of(operand, Type::Pred)?, false)),
        }
    }

    pub(crate) fn predicate_named(&self, name: &str) -> Result<Register, LoadError> {
        self.destination_of(&Operand::Name(name.to_owned()), Type::Pred)
    }

    /// A value as wide as `ty`.
    pub(crate) fn source(&self, index: usize, ty: Type) -> Result<Source, LoadError> {
        self.source_of(self.operand(index)?, ty)
    }

    pub(crate) fn source_of(&self, operand: &Operand, ty: Type) -> Result<Source, LoadError> {
        if matches!(ty, Type::Pred | Type::B128) {
            return Err(self.refuse("not an instruction of this type"));
        }
        let immediate = |value: u64| Ok(Source::Immediate(value & (u64::MAX >> (64 - ty.bits()))));
        let reads_all = matches!(self.mnemonic(), "mov" | "cvt");
        let takes_addresses =
            matches!(self.mnemonic(), "mov" | "cvta" | "mapa" | "getctarank") && !ty.is_float();
        match operand {
            Operand::Integer(value) if !ty.is_float() => immediate(*value as u64),
            Operand::Single(bits) if matches!(ty, Type::F32 | Type::B32) => {
                immediate((*bits).into())
            }
            Operand::Double(bits) if matches!(ty, Type::F64 | Type::B64) => immediate(*bits),
            // A float is converted to what it is used as.
            Operand::Single(bits) if ty == Type::F64 => {
                immediate(f64::from(f32::from_bits(*bits)).to_bits())
            }
            Operand::Double(bits) if ty == Type::F32 => {
                immediate((f64::from_bits(*bits) as f32).to_bits().into())
            }
            Operand::Name(name) => match self.scope.find(name) {
                Some(Binding::Register(register, declared)) => {
                    if declared.bits() == ty.bits() {
                        self.check_kind(declared, ty)?;
                        return Ok(Source::Register(register));
                    }
                    let (is, wants) = (declared.bits(), ty.bits());
                    let reason = format!("{name} has {is} bits where {wants} are expected");
                    Err(self.refuse(reason))
                }
                Some(Binding::Wide(_)) => {
                    let reason = format!("{name} has 128 bits where {} are expected", ty.bits());
                    Err(self.refuse(reason))
                }
                Some(Binding::Symbol(_, Space::Global)) if takes_addresses && ty.bits() < 64 => {
                    Err(self.refuse(format!("the address of {name} has 64 bits")))
                }
                Some(Binding::Symbol(address, _)) if takes_addresses => immediate(address),
                Some(Binding::Symbol(..)) => {
                    Err(self
                        .refuse(format!("the address of {name}, which mov puts into a register")))
                }
                Some(Binding::Argument(argument))
                    if takes_addresses && argument.role != Role::Actual =>
                {
                    immediate(argument.address)
                }
                Some(Binding::Argument(_)) => {
                    Err(self.refuse(format!("{name} has no address that could be taken")))
                }
                None => match Special::from_name(name) {
                    Some(_) if !reads_all => {
                        Err(self.refuse(format!("{name}, which mov puts into a register")))
                    }
                    Some(_) if ty.is_float() || ty.bits() < 16 => {
                        Err(self.refuse(format!("{name} is an integer")))
                    }
                    Some(special)
                        if ty.bits() > special.bits()
                            || ty.bits() == 16 && !special.was_short() =>
                    {
                        Err(self.refuse(format!("{name} has {} bits", special.bits())))
                    }
                    Some(special) => Ok(Source::Special(special)),
                    None if name == "WARP_SZ" && !ty.is_float() => immediate(32),
                    None => Err(self.refuse(format!("{name} is not declared"))),
                },
            },
            Operand::Offset(name, offset) => match self.scope.find(name) {
                Some(Binding::Symbol(address, _)) if takes_addresses => {
                    immediate(address.wrapping_add_signed(*offset))
                }
                _ => Err(self.refuse(format!("{name} is no variable"))),
            },
            _ => Err(self.refuse(format!("{operand} where a value of {ty:?} is expected"))),
        }
    }

    /// The state space of a variable.
    pub(crate) fn space_of(&self, name: &str) -> Option<Space> {
        match self.scope.find(name)? {
            Binding::Symbol(_, space) => Some(space),
            Binding::Argument(_) => Some(Space::Param),
            Binding::Register(..) | Binding::Wide(_) => None,
        }
    }

    /// What stands between brackets: where a tensor map is, and a box's coordinates.
    pub(crate) fn tensor(&self, index: usize) -> Result<(Target, Vec<Source>), LoadError> {
        let Operand::Address(address) = self.operand(index)? else {
            return Err(self.refuse(format!("operand {} is no address", index + 1)));
        };
        let [Operand::Vector(coordinates)] = address.coordinates.as_slice() else {
            return Err(self.refuse("expected coordinates in braces"));
        };
        let coordinates = coordinates.iter().map(|operand| self.source_of(operand, Type::S32));
        Ok((self.target(address, None)?, coordinates.collect::<Result<_, _>>()?))
    }

    /// What stands between brackets: an address in tensor memory, which is in a register.
    pub(crate) fn tensor_memory(&self, index: usize) -> Result<Target, LoadError> {
        let Operand::Address(address) = self.operand(index)? else {
            return Err(self.refuse(format!("operand {} is no address", index + 1)));
        };
        match address {
            Address { base: Some(name), offset, coordinates } if coordinates.is_empty() => {
                let base = self.source_of(&Operand::Name(name.clone()), Type::B32)?;
                Ok(Target { base: Some(base), offset: *offset })
            }
            _ => Err(self.refuse("an address in tensor memory is in a register")),
        }
    }

    /// What stands between brackets: an address in `space`, a generic one where there is none.
    pub(crate) fn address(&self, index: usize, space: Option<Space>) -> Result<Target, LoadError> {
        let Operand::Address(address) = self.operand(index)? else {
            return Err(self.refuse(format!("operand {} is no address", index + 1)));
        };
        if !address.coordinates.is_empty() {
            return Err(self.refuse("coordinates where there is no tensor"));
        }
        self.target(address, space)
    }

    fn target(
        &self,
        Address { base, offset, .. }: &Address,
        space: Option<Space>,
    ) -> Result<Target, LoadError> {
        let Some(name) = base else {
            if space != Some(Space::Local) {
                return Err(self.refuse("a constant address is of local memory alone"));
            }
            return Ok(Target { base: None, offset: *offset });
        };
        match self.scope.find(name) {
            Some(Binding::Register(register, ty)) if register.class != Class::Predicate => {
                if ty.is_float() {
                    return Err(self.refuse(format!("{name} is a float, and no address")));
                }
                if ty.bits() < 64 && matches!(space, None | Some(Space::Global)) {
                    return Err(self.refuse(format!("{name} has too few bits for an address")));
                }
                Ok(Target { base: Some(Source::Register(register)), offset: *offset })
            }
            Some(Binding::Symbol(address, of)) => {
                let window = match (space, of) {
                    (None, Space::Global) => 0,
                    (None, Space::Shared) => SHARED_WINDOW,
                    (None, Space::Local) => LOCAL_WINDOW,
                    (Some(space), of) if space == of => 0,
                    (Some(Space::SharedCluster), Space::Shared) => 0,
                    _ => return Err(self.refuse(format!("{name} is in another state space"))),
                };
                let address = address.wrapping_add(window) as i64;
                Ok(Target { base: None, offset: address.wrapping_add(*offset) })
            }
            Some(Binding::Argument(Argument { role, address, .. })) => {
                let not = if self.mnemonic() == "ld" { Role::Result } else { Role::Parameter };
                if space != Some(Space::Param) {
                    return Err(self.refuse(format!("{name} is in another state space")));
                }
                if role == not {
                    let reason = "a function reads its parameters, and writes its result";
                    return Err(self.refuse(reason));
                }
                Ok(Target { base: None, offset: (address as i64).wrapping_add(*offset) })
            }
            _ => Err(self.refuse(format!("{name} is neither a register nor a variable"))),
        }
    }

    /// Several operands in braces, or one without.
    pub(crate) fn vector(&self, index: usize) -> Result<&'a [Operand], LoadError> {
        match self.operand(index)? {
            Operand::Vector(elements) => Ok(elements),
            operand => Ok(std::slice::from_ref(operand)),
        }
    }

    /// The instruction that a label stands before.
    pub(crate) fn label(&self, index: usize) -> Result<u32, LoadError> {
        match self.operand(index)? {
            Operand::Name(name) => self.label_named(name),
            operand => Err(self.refuse(format!("{operand} is no label"))),
        }
    }

    fn label_named(&self, name: &str) -> Result<u32, LoadError> {
        let unknown = || self.refuse(format!("there is no label {name}"));
        let find = |(braces, _): &(u32, _)| self.scope.labels.get(&(*braces, name.to_owned()));
        self.scope.names.iter().rev().find_map(find).copied().ok_or_else(unknown)
    }

    /// The instructions that the labels of a `.branchtargets` stand before.
    pub(crate) fn targets(&self, index: usize) -> Result<Vec<u32>, LoadError> {
        let Operand::Name(name) = self.operand(index)? else {
            return Err(self.refuse("expected the name of branch targets"));
        };
        let unknown = || self.refuse(format!("there are no branch targets {name}"));
        let labels = self.scope.targets.get(name).ok_or_else(unknown)?;
        labels.iter().map(|label| self.label_named(label)).collect()
    }
}
