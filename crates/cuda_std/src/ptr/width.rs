use core::mem::transmute_copy;

/// A `T` read by the one of three loads that has its width. The choice is made at compile time.
///
/// # Safety
///
/// What that load returns are the bits of a `T`.
#[inline(always)]
pub(super) unsafe fn load<T: Copy>(
    b32: impl FnOnce() -> u32,
    b64: impl FnOnce() -> u64,
    b128: impl FnOnce() -> [u32; 4],
) -> T {
    assert_moves_as_one::<T>();
    // SAFETY: the sizes are equal, and the caller promises that the bits are those of a `T`.
    unsafe {
        match size_of::<T>() {
            4 => transmute_copy(&b32()),
            8 => transmute_copy(&b64()),
            _ => transmute_copy(&b128()),
        }
    }
}

/// Writes a `T` by the one of three stores that has its width. The choice is made at compile time.
#[inline(always)]
pub(super) fn store<T: Copy>(
    value: T,
    b32: impl FnOnce(u32),
    b64: impl FnOnce(u64),
    b128: impl FnOnce([u32; 4]),
) {
    assert_moves_as_one::<T>();
    // SAFETY: the sizes are equal, and integers may have any bits.
    unsafe {
        match size_of::<T>() {
            4 => b32(transmute_copy(&value)),
            8 => b64(transmute_copy(&value)),
            _ => b128(transmute_copy(&value)),
        }
    }
}

#[inline(always)]
const fn assert_moves_as_one<T>() {
    const {
        assert!(matches!(size_of::<T>(), 4 | 8 | 16), "a value of 4, 8 or 16 bytes moves as one");
    }
}
