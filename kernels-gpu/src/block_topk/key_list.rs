use cuda_std::prelude::*;

use super::key::Key;

/// Some keys in the block's shared memory, in any order. Unused places hold [`Key::LAST`].
#[derive(Clone, Copy)]
pub(super) struct KeyList(SharedPtr<Key>);

impl KeyList {
    /// Keys that are compared together; a list has room for a multiple of them.
    pub(super) const AT_ONCE: u32 = 8;

    /// The list at this place.
    ///
    /// # Safety
    ///
    /// It is aligned to 16 bytes, all of it is filled with [`Key::LAST`], and nothing else is there.
    pub(super) const unsafe fn at(keys: SharedPtr<Key>) -> Self {
        Self(keys)
    }

    /// One thread: puts a key in its place.
    ///
    /// # Safety
    ///
    /// The place is in the list, and the thread's own until the next barrier.
    #[inline(always)]
    pub(super) unsafe fn put(self, place: u32, key: Key) {
        // SAFETY: the caller promises the place.
        unsafe { self.0.add(place).write(key) }
    }

    /// One thread: the key in a place.
    ///
    /// # Safety
    ///
    /// The place is in the list, and a barrier lies between this and every [`put`](Self::put).
    #[inline(always)]
    pub(super) unsafe fn get(self, place: u32) -> Key {
        // SAFETY: the caller promises the place.
        unsafe { self.0.add(place).read() }
    }

    /// One thread: how many of the list's first `len` keys come before this one. That is its place in the
    /// sorted list, since no two are equal.
    ///
    /// # Safety
    ///
    /// The list has `len` keys, and a barrier lies between this and every [`put`](Self::put).
    #[inline]
    pub(super) unsafe fn place_of(self, key: Key, len: u32) -> u32 {
        let mut place = 0;
        let mut next = 0;
        while next < len {
            let pairs = self.0.add(next).cast::<[Key; 2]>();
            // SAFETY: the list's room is a multiple of `AT_ONCE`.
            let keys: [[Key; 2]; Self::AT_ONCE as usize / 2] =
                core::array::from_fn(|nth| unsafe { pairs.add(nth as u32).read() });
            for other in keys.as_flattened() {
                place += u32::from(*other < key);
            }
            next += Self::AT_ONCE;
        }
        place
    }
}
