//! What is wrong with a PTX that assembles and even gives the right results.
//!
//! [`examine`] reads the text and [`assemble()`] asks ptxas; both report [`Finding`]s, each of them one
//! line of the PTX. They work on any PTX, whoever built it.

mod assemble;
mod rules;

pub use assemble::{Assembled, Resources, assemble, ptxas_version};
pub use rules::{collectives, count_collectives, examine};

use std::fmt;

/// A rule that a kernel breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A thread's registers do not suffice: some live in memory.
    Spill,
    /// A thread has variables in memory.
    Stack,
    /// The PTX uses local memory, which is memory.
    Local,
    /// A function is called that nothing in the PTX defines.
    Unresolved,
    /// A function of `core::panicking` is called.
    Panic,
    /// A load, store or atomic does not say which memory it means, and has to find out at run time.
    Generic,
    /// A collective is not there as often as it should be.
    Collective,
    /// ptxas has something to say.
    Warning,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Rule::Spill => "registers are spilled",
            Rule::Stack => "stack frame",
            Rule::Local => "local memory",
            Rule::Unresolved => "unresolved call",
            Rule::Panic => "call that panics",
            Rule::Generic => "access without a state space",
            Rule::Collective => "collective count",
            Rule::Warning => "warning of ptxas",
        })
    }
}

/// A place where a PTX breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub rule: Rule,
    /// The kernel, or the function that it calls.
    pub kernel: String,
    /// The line of the PTX, counted from 1.
    pub line: usize,
    /// What stands there, or what is wrong with the kernel that begins there.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, kernel, line, text } = self;
        write!(f, "line {line}: kernel `{kernel}`: {rule}: {text}")
    }
}
