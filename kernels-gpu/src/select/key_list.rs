use cuda_std::prelude::*;

use super::key::Key;
use crate::share_out::share_out;

/// Some keys in the block's shared memory, in any order. Unused places hold [`Key::LAST`].
#[derive(Clone, Copy)]
pub(crate) struct KeyList {
    len: SharedPtr<u32>,
    keys: SharedPtr<Key>,
}

impl KeyList {
    /// Keys that a thread compares together; a list has room for a multiple of them.
    pub(crate) const AT_ONCE: u32 = 8;

    /// The list whose length and keys are at these places.
    ///
    /// # Safety
    ///
    /// Nothing else is there. At the next barrier the length is 0 and all keys are [`Key::LAST`]; they
    /// start at a multiple of 16 bytes.
    pub(crate) const unsafe fn at(len: SharedPtr<u32>, keys: SharedPtr<Key>) -> Self {
        Self { len, keys }
    }

    /// One thread: appends a key.
    ///
    /// # Safety
    ///
    /// The list has room, no other key of it is equal, and a barrier lies before this and between this
    /// and any reading.
    #[inline(always)]
    pub(crate) unsafe fn push(self, key: Key) {
        // SAFETY: the place is in the list, and no other thread gets it.
        unsafe { self.keys.add(self.len.atomic_add(1)).write(key) }
    }

    /// One thread: the number of keys.
    ///
    /// # Safety
    ///
    /// A barrier lies between this and every [`push`](Self::push).
    #[inline(always)]
    pub(crate) unsafe fn len(self) -> u32 {
        // SAFETY: nobody changes it any more.
        unsafe { self.len.read() }
    }

    /// All threads of the block: calls `visit` with each key and its place in the sorted list, a thread
    /// for each key.
    ///
    /// # Safety
    ///
    /// A barrier lies between this and every [`push`](Self::push).
    #[inline(always)]
    pub(crate) unsafe fn for_each_sorted(self, visit: impl Fn(u32, Key)) {
        // SAFETY: the keys below the length are there, and nobody changes them any more.
        unsafe {
            let len = self.len();
            share_out(len, |nth| {
                let key = self.keys.add(nth).read();
                visit(self.count_before(key, len), key);
            });
        }
    }

    /// One thread: how many of the first `len` keys come before this one. No two are equal, so that is
    /// its place among them.
    ///
    /// # Safety
    ///
    /// As [`for_each_sorted`](Self::for_each_sorted).
    #[inline(always)]
    unsafe fn count_before(self, key: Key, len: u32) -> u32 {
        let mut before = 0;
        let mut next = 0;
        while next < len {
            let pairs = self.keys.add(next).cast::<[Key; 2]>();
            // SAFETY: the list has room for a multiple of `AT_ONCE`; past its end is `Key::LAST`.
            let keys: [[Key; 2]; Self::AT_ONCE as usize / 2] =
                core::array::from_fn(|nth| unsafe { pairs.add(nth as u32).read() });
            for other in keys.as_flattened() {
                before += u32::from(*other < key);
            }
            next += Self::AT_ONCE;
        }
        before
    }
}
