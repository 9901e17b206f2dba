use crate::Error;

/// How a tensor's elements lie in its buffer: extents of the axes, outermost first, and for each the elements
/// between neighbours along it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout<const RANK: usize> {
    pub(crate) shape: [usize; RANK],
    pub(crate) strides: [usize; RANK],
}

impl<const RANK: usize> Layout<RANK> {
    /// That of a dense, row-major tensor.
    pub(crate) fn contiguous(shape: [usize; RANK]) -> Self {
        let mut strides = [1_usize; RANK];
        for axis in (1..RANK).rev() {
            strides[axis - 1] = strides[axis].saturating_mul(shape[axis]);
        }
        Self { shape, strides }
    }

    /// Refuses a strided innermost axis, and a last element past a buffer of `len` elements.
    pub(crate) fn check_extent(&self, operand: &'static str, len: usize) -> Result<(), Error> {
        if self.strides[RANK - 1] != 1 {
            return Err(Error::Stride { operand, got: self.strides[RANK - 1] });
        }
        let needed = self.extent().unwrap_or(usize::MAX);
        if needed > len {
            return Err(Error::BufferTooSmall { operand, needed, got: len });
        }
        Ok(())
    }

    /// Elements from the first to the last, both included; `None` if that overflows.
    fn extent(&self) -> Option<usize> {
        if self.shape.contains(&0) {
            return Some(0);
        }
        self.shape.iter().zip(self.strides).try_fold(1_usize, |extent, (&length, stride)| {
            extent.checked_add((length - 1).checked_mul(stride)?)
        })
    }
}
