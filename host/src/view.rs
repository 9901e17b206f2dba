use crate::Error;
use crate::layout::Layout;

/// A borrowed tensor in host memory: a buffer, a shape, and a stride for each axis, in elements.
///
/// The innermost axis is contiguous. Outer strides are free, so that `q` may be a slice of a fused
/// projection's output and a page may be longer than the layers that this cache keeps in it. A view
/// is plain data; the operator that takes it checks it, and reports the operand by name.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T, const RANK: usize> {
    data: &'a [T],
    layout: Layout<RANK>,
}

impl<'a, T, const RANK: usize> View<'a, T, RANK> {
    /// A dense, row-major tensor.
    pub fn contiguous(data: &'a [T], shape: [usize; RANK]) -> Self {
        Self { data, layout: Layout::contiguous(shape) }
    }

    /// The same tensor with another distance, in elements, between neighbours along `axis`.
    ///
    /// # Panics
    /// If there is no such axis.
    #[must_use]
    pub fn with_stride(mut self, axis: usize, stride: usize) -> Self {
        self.layout.strides[axis] = stride;
        self
    }

    /// Extents of the axes, outermost first.
    pub fn shape(&self) -> [usize; RANK] {
        self.layout.shape
    }

    /// Elements between neighbours along each axis, outermost first.
    pub fn strides(&self) -> [usize; RANK] {
        self.layout.strides
    }

    /// The whole buffer.
    #[cfg(feature = "cuda")]
    pub(crate) fn data(&self) -> &'a [T] {
        self.data
    }

    /// The run of contiguous elements along the innermost axis at `index` (its last entry must be 0).
    pub(crate) fn run(&self, index: [usize; RANK]) -> &'a [T] {
        let start: usize =
            index.iter().zip(self.layout.strides).map(|(i, stride)| i * stride).sum();
        &self.data[start..start + self.layout.shape[RANK - 1]]
    }

    /// The buffer from `index` on, with no end: for callers that walk it by [`View::strides`].
    pub(crate) fn tail(&self, index: [usize; RANK]) -> &'a [T] {
        let start: usize =
            index.iter().zip(self.layout.strides).map(|(i, stride)| i * stride).sum();
        &self.data[start..]
    }

    /// Refuses a view whose innermost axis is strided or whose last element lies past the buffer.
    pub(crate) fn check_extent(&self, operand: &'static str) -> Result<(), Error> {
        self.layout.check_extent(operand, self.data.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_found_through_outer_strides() {
        let data: Vec<u32> = (0..40).collect();
        let view = View::contiguous(&data, [2, 3, 4]).with_stride(0, 20);
        assert_eq!(view.check_extent("x"), Ok(()));
        assert_eq!(view.run([1, 2, 0]), &[28, 29, 30, 31]);
    }

    #[test]
    fn a_view_past_its_buffer_is_refused() {
        let data = [0_u32; 31];
        let view = View::contiguous(&data, [2, 3, 4]).with_stride(0, 20);
        let error = Error::BufferTooSmall { operand: "x", needed: 32, got: 31 };
        assert_eq!(view.check_extent("x"), Err(error));
    }

    #[test]
    fn an_extent_that_overflows_is_refused() {
        let view = View::contiguous(&[0_u8; 4], [usize::MAX, usize::MAX, 2]);
        assert!(matches!(view.check_extent("x"), Err(Error::BufferTooSmall { .. })));
    }

    #[test]
    fn an_empty_view_needs_no_buffer() {
        assert_eq!(View::<u8, 3>::contiguous(&[], [0, 4, 128]).check_extent("x"), Ok(()));
    }

    #[test]
    fn a_strided_innermost_axis_is_refused() {
        let view = View::contiguous(&[0_u8; 8], [2, 2]).with_stride(1, 2);
        assert_eq!(view.check_extent("x"), Err(Error::Stride { operand: "x", got: 2 }));
    }
}
