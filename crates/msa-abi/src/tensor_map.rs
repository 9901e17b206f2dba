/// What a driver makes of a tensor's description, for copies of boxes of it (`CUtensorMap`). What is in it is its own
/// business.
///
/// A kernel takes it by reference, and is given it by value: the copies need its address.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "bytemuck", derive(bytemuck::NoUninit))]
pub struct TensorMap {
    opaque: [u64; 16],
}

impl TensorMap {
    /// The map with these words, which a driver has made.
    pub const fn from_words(opaque: [u64; 16]) -> Self {
        Self { opaque }
    }
}

const _: () = assert!(size_of::<TensorMap>() == 128 && align_of::<TensorMap>() == 64);
