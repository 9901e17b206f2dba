use cuda_std::prelude::*;

use crate::select::Key;

/// The first `len` keys that a lane has come across, [`Key::LAST`] where it has not come across so many: a heap in
/// shared memory, with the last of them at its root.
///
/// The lanes of a warp have theirs side by side. So each is in banks of its own, wherever the lanes are in their heaps.
#[derive(Clone, Copy)]
pub(super) struct Heap {
    keys: SharedPtr<Key>,
    len: u32,
}

impl Heap {
    /// One lane: a heap of no keys, with its root at this place, and the others every 32 on.
    ///
    /// # Safety
    ///
    /// There is room for `len` keys, and nobody but the lane touches it.
    #[inline(always)]
    pub(super) unsafe fn new(keys: SharedPtr<Key>, len: u32) -> Self {
        let heap = Self { keys, len };
        // SAFETY: the caller promises the room.
        (0..len).for_each(|nth| unsafe { heap.place(nth).write(Key::LAST) });
        heap
    }

    /// One lane: puts a key in the last one's place, and returns what is the last one now.
    ///
    /// # Safety
    ///
    /// Nobody but the lane touches the heap, and it is not sorted yet.
    #[inline(always)]
    pub(super) unsafe fn replace_last(self, key: Key) -> Key {
        // SAFETY: the heap is the lane's.
        unsafe {
            self.sink(0, key, self.len);
            self.place(0).read()
        }
    }

    /// One lane: sorts the keys, by the ids of their blocks alone if `by_id`. The heap is none any more.
    ///
    /// # Safety
    ///
    /// As [`replace_last`](Self::replace_last).
    #[inline(always)]
    pub(super) unsafe fn sort(self, by_id: bool) {
        // SAFETY: the heap is the lane's.
        unsafe {
            if by_id {
                // From the leaves up, each part of the tree becomes a heap by the new order.
                for at in (0..self.len).rev() {
                    let key = self.place(at).read();
                    let key = if key == Key::LAST { key } else { Key::by_id(key.id()) };
                    self.sink(at, key, self.len);
                }
            }
            for end in (1..self.len).rev() {
                let (last, key) = (self.place(0).read(), self.place(end).read());
                self.place(end).write(last);
                self.sink(0, key, end);
            }
        }
    }

    /// One lane: puts a key at a place that is free, or below it, among the first `len` keys.
    ///
    /// # Safety
    ///
    /// The heap is the lane's, and in order below the place.
    #[inline(always)]
    unsafe fn sink(self, mut at: u32, key: Key, len: u32) {
        // SAFETY: the places are below the length.
        unsafe {
            while 2 * at + 1 < len {
                let children = [2 * at + 1, (2 * at + 2).min(len - 1)];
                let [a, b] = children.map(|child| self.place(child).read());
                let (child, its) = if a < b { (children[1], b) } else { (children[0], a) };
                if its <= key {
                    break;
                }
                self.place(at).write(its);
                at = child;
            }
            self.place(at).write(key);
        }
    }

    #[inline(always)]
    const fn place(self, nth: u32) -> SharedPtr<Key> {
        self.keys.add(nth * warp::WARP_SIZE)
    }
}
