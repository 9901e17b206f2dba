//! Calls of device functions, and returns.
//!
//! A function's registers and local memory are there once for each thread: a module in which a function
//! could be called again before it has returned is refused when it is loaded.

use super::Op;
use super::data;
use super::decode::{Argument, Text};
use super::memory::little_endian;
use super::program::{Class, Register, Source};
use crate::error::LoadError;
use crate::exec::{Cx, Flow, Stop, lanes};
use crate::memory::Access;
use crate::ptx::{Operand, Type};

#[derive(Clone, Debug)]
pub(crate) enum Call {
    /// To a function, by its number in the kernel, with what it is given, and where the caller wants
    /// what it gives.
    Enter {
        function: usize,
        arguments: Vec<Transfer>,
        results: Vec<Transfer>,
    },
    Return,
}

/// A parameter or a result of a function, as the function sees it.
#[derive(Clone, Debug)]
pub(crate) struct Formal {
    pub(crate) ty: Type,
    /// More than its type has, of an array.
    pub(crate) bytes: u32,
    pub(crate) place: Place,
}

/// What calls must know of a function.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    pub(crate) function: usize,
    pub(crate) parameters: Vec<Formal>,
    pub(crate) results: Vec<Formal>,
}

/// Where a value is that goes to a function or comes from it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Value(Source),
    /// An address in the thread's local memory.
    Memory(u64),
}

/// From one place to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transfer {
    from: Place,
    to: Place,
    bytes: u32,
}

impl Call {
    pub(super) fn decode(text: &Text) -> Result<Self, LoadError> {
        text.eat("uni");
        text.finish(text.operand_count())?;
        let (results, rest) = match text.operands() {
            [Operand::List(results), rest @ ..] => (results.as_slice(), rest),
            rest => (&[][..], rest),
        };
        let (name, arguments) = match rest {
            [Operand::Name(name)] => (name, &[][..]),
            [Operand::Name(name), Operand::List(arguments)] => (name, arguments.as_slice()),
            [_, _, _] => return Err(text.refuse("indirect calls are not simulated")),
            _ => return Err(text.refuse("expected a function and its arguments")),
        };
        let callee = text.callee(name)?;
        if arguments.len() != callee.parameters.len() || results.len() != callee.results.len() {
            let (parameters, gives) = (callee.parameters.len(), callee.results.len());
            return Err(text.refuse(format!("{name} takes {parameters} and gives {gives}")));
        }
        let given = arguments.iter().zip(&callee.parameters).map(|(operand, formal)| {
            let from = actual(text, operand, formal, |ty| text.source_of(operand, ty))?;
            Ok(Transfer { from, to: formal.place, bytes: formal.bytes })
        });
        let taken = results.iter().zip(&callee.results).map(|(operand, formal)| {
            let to = actual(text, operand, formal, |ty| {
                text.destination_of(operand, ty).map(Source::Register)
            })?;
            Ok(Transfer { from: formal.place, to, bytes: formal.bytes })
        });
        Ok(Self::Enter {
            function: callee.function,
            arguments: given.collect::<Result<_, LoadError>>()?,
            results: taken.collect::<Result<_, LoadError>>()?,
        })
    }

    /// `ret` in a function.
    pub(super) fn decode_return(text: &Text) -> Result<Self, LoadError> {
        text.eat("uni");
        text.finish(0)?;
        Ok(Self::Return)
    }

    pub(super) fn execute(&self, cx: &mut Cx, mask: u32) -> Result<Flow, Stop> {
        match self {
            Self::Enter { function, arguments, .. } => {
                let entry = cx.warp.enter(*function, mask);
                arguments.iter().try_for_each(|argument| argument.execute(cx, mask))?;
                Ok(Flow::Call(entry))
            }
            Self::Return => {
                if let Some(Op::Call(Self::Enter { results, .. })) = cx.warp.caller() {
                    results.iter().try_for_each(|result| result.execute(cx, mask))?;
                }
                Ok(Flow::Return)
            }
        }
    }
}

/// What the caller gives for a parameter, or takes a result into.
fn actual(
    text: &Text,
    operand: &Operand,
    formal: &Formal,
    value: impl Fn(Type) -> Result<Source, LoadError>,
) -> Result<Place, LoadError> {
    if let Operand::Name(name) = operand
        && let Some(Argument { address, bytes, .. }) = text.argument(name)
    {
        if bytes != formal.bytes {
            let reason = format!("{name} has {bytes} bytes, the function's {}", formal.bytes);
            return Err(text.refuse(reason));
        }
        return Ok(Place::Memory(address));
    }
    if formal.bytes != formal.ty.bytes() {
        return Err(text.refuse(format!("{operand} is no array in parameter space")));
    }
    value(formal.ty).map(Place::Value)
}

impl Transfer {
    fn execute(&self, cx: &mut Cx, mask: u32) -> Result<(), Stop> {
        let bytes = self.bytes;
        match (self.from, self.to) {
            (Place::Value(from), Place::Value(Source::Register(to))) => {
                data::copy(cx, to, from, mask)?;
            }
            (Place::Memory(from), Place::Memory(to)) => {
                lanes(mask).for_each(|lane| cx.warp.local.copy(lane, from, to, bytes));
            }
            (Place::Value(from), Place::Memory(address)) => {
                let values = cx.warp.double(from, mask)?;
                for lane in lanes(mask) {
                    let value = &values[lane].to_le_bytes()[..bytes as usize];
                    let written = cx.warp.local.write(lane, Access { address, bytes }, value);
                    written.map_err(|kind| Stop { lane: lane as u32, kind })?;
                }
            }
            (Place::Memory(address), Place::Value(Source::Register(to))) => {
                load(cx, to, Access { address, bytes }, mask)?;
            }
            (_, Place::Value(_)) => unreachable!("a destination is a register or memory"),
        }
        Ok(())
    }
}

/// Loads a scalar from local memory.
fn load(cx: &mut Cx, to: Register, access: Access, mask: u32) -> Result<(), Stop> {
    let mut values = [0; crate::exec::LANES];
    for lane in lanes(mask) {
        let held = cx.warp.local.read(lane, access);
        let held = held.map_err(|kind| Stop { lane: lane as u32, kind })?;
        values[lane] = little_endian(held);
    }
    match to.class {
        Class::Double => cx.warp.set_double(to, &values, mask),
        _ => cx.warp.set_word(to, &values.map(|value| value as u32), mask),
    }
    Ok(())
}
