//! Handles: numbers that stand for objects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::error::{Code, Error, Result};
use super::lock;

/// A `CUcontext`, `CUstream` and so on, as C sees it.
pub(super) type Handle = u64;

/// The objects of one kind. A handle is never issued twice, and is no address that a program could
/// follow: its upper bits are those of no x86-64 or AArch64 user address.
pub(super) struct Table<T> {
    kind: u64,
    objects: Mutex<Objects<T>>,
}

struct Objects<T> {
    issued: u64,
    live: HashMap<Handle, Arc<T>>,
}

impl<T> Table<T> {
    /// A table whose handles no table of another kind takes for its own.
    pub(super) fn new(kind: u64) -> Self {
        let objects = Objects { issued: 0, live: HashMap::new() };
        Self { kind, objects: Mutex::new(objects) }
    }

    /// Keeps an object, made with the handle that will stand for it.
    pub(super) fn insert(&self, make: impl FnOnce(Handle) -> T) -> Arc<T> {
        let mut objects = lock(&self.objects);
        objects.issued += 1;
        // Multiples of 16, as tagged pointers may expect of handles.
        let handle = 0xc5 << 56 | self.kind << 48 | objects.issued << 4;
        let object = Arc::new(make(handle));
        objects.live.insert(handle, object.clone());
        object
    }

    /// The object that a handle stands for.
    pub(super) fn get(&self, handle: Handle) -> Result<Arc<T>> {
        lock(&self.objects).live.get(&handle).cloned().ok_or_else(|| unknown(handle))
    }

    /// Forgets an object.
    pub(super) fn remove(&self, handle: Handle) -> Result<Arc<T>> {
        lock(&self.objects).live.remove(&handle).ok_or_else(|| unknown(handle))
    }

    /// Forgets the objects that `keep` does not hold for.
    pub(super) fn retain(&self, keep: impl Fn(&T) -> bool) {
        lock(&self.objects).live.retain(|_, object| keep(object));
    }
}

fn unknown(handle: Handle) -> Error {
    Code::InvalidHandle.because(format!("{handle:#x} stands for nothing, or no more"))
}
