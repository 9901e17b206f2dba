//! Where the story behind a code is told.

use std::fmt::Display;
use std::fs::File;
use std::io::Write;
use std::sync::{Mutex, OnceLock};

use super::lock;

static FILE: OnceLock<Mutex<File>> = OnceLock::new();

/// From now on, to this file rather than to standard error.
pub(super) fn to_file(file: File) {
    // `cuInit` does this once; a second time changes nothing.
    let _ = FILE.set(Mutex::new(file));
}

/// Tells. That a log cannot be written must not stop a program.
pub(super) fn tell(what: impl Display) {
    let line = format!("cuda-sim: {what}\n");
    let _ = match FILE.get() {
        Some(file) => lock(file).write_all(line.as_bytes()),
        None => std::io::stderr().write_all(line.as_bytes()),
    };
}
