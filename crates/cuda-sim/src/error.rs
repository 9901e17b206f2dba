//! What can go wrong before a kernel runs. What goes wrong while it runs is a
//! [`Fault`](crate::fault::Fault).

/// Why a module cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("PTX line {line}: {reason}: `{text}`")]
pub struct LoadError {
    /// The line, counted from 1.
    pub line: u32,
    /// What is wrong.
    pub reason: String,
    /// The statement, or the part of it, that is.
    pub text: String,
}

impl LoadError {
    pub(crate) fn new(line: u32, reason: impl Into<String>, text: impl Into<String>) -> Self {
        Self { line, reason: reason.into(), text: text.into() }
    }
}
