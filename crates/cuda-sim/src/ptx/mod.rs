//! PTX text, parsed: directives and statements as they are written, with nothing yet known of what an
//! instruction means. That is for [`isa`](crate::isa) to say.
//!
//! The grammar is small and regular, and what is not in it is refused with its line; a parser that knew
//! every instruction's form would only repeat what decoding checks anyway.

mod lex;
mod parse;
mod syntax;

pub(crate) use syntax::{
    Address, Function, Guard, Initializer, Module, Operand, Parameter, RegisterDecl, Space,
    Statement, StatementKind, Type, Variable,
};

use crate::error::LoadError;

/// Parses a PTX module.
pub(crate) fn parse(source: &str) -> Result<Module, LoadError> {
    parse::Parser::new(source)?.module()
}
