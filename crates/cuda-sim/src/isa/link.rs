//! Which functions a kernel needs.

use crate::error::LoadError;
use crate::ptx::{Function, Operand, StatementKind};

/// The functions that a kernel calls and those that they call, each after those that it calls itself.
///
/// # Errors
/// If one could be called before it has returned.
pub(super) fn called<'a>(
    kernel: &'a Function,
    functions: &'a [Function],
) -> Result<Vec<&'a Function>, LoadError> {
    let mut search = Search { functions, order: Vec::new(), open: Vec::new() };
    search.visit(kernel)?;
    search.order.pop(); // the kernel itself
    Ok(search.order)
}

struct Search<'a> {
    functions: &'a [Function],
    order: Vec<&'a Function>,
    /// Those that are on the way from the kernel to here.
    open: Vec<&'a str>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, function: &'a Function) -> Result<(), LoadError> {
        self.open.push(&function.name);
        for statement in function.body.iter().flatten() {
            let StatementKind::Instruction { opcode, operands, .. } = &statement.kind else {
                continue;
            };
            let name = operands.iter().find_map(|operand| match operand {
                Operand::Name(name) => Some(name.as_str()),
                _ => None,
            });
            let Some(name) = name.filter(|_| opcode[0] == "call") else { continue };
            if self.open.contains(&name) {
                let reason = "recursion is not simulated: the function has not returned yet";
                return Err(LoadError::new(statement.line, reason, name));
            }
            let is_known = self.order.iter().any(|known| known.name == name);
            // What is not there is refused with the call, when that is decoded.
            let callee = self.functions.iter().find(|f| f.name == name && f.body.is_some());
            if let Some(callee) = callee.filter(|_| !is_known) {
                self.visit(callee)?;
            }
        }
        self.open.pop();
        self.order.push(function);
        Ok(())
    }
}
