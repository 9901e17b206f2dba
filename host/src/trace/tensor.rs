use crate::View;

/// A dense, row-major tensor that owns its elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T, const RANK: usize> {
    shape: [usize; RANK],
    data: Vec<T>,
}

impl<T, const RANK: usize> Tensor<T, RANK> {
    /// The tensor of this shape with these elements.
    ///
    /// # Panics
    /// If there are not as many elements as the shape has.
    pub fn new(shape: [usize; RANK], data: Vec<T>) -> Self {
        let elements = shape.iter().try_fold(1_usize, |product, &axis| product.checked_mul(axis));
        assert_eq!(elements, Some(data.len()), "a tensor of shape {shape:?}");
        Self { shape, data }
    }

    /// The tensor of this shape with one value everywhere.
    ///
    /// # Panics
    /// If the shape's element count overflows.
    pub fn filled(value: T, shape: [usize; RANK]) -> Self
    where
        T: Clone,
    {
        Self::new(shape, vec![value; shape.iter().product()])
    }

    /// Extents of the axes, outermost first.
    pub fn shape(&self) -> [usize; RANK] {
        self.shape
    }

    /// The elements, row-major.
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements, row-major, to be written.
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The tensor as an operand.
    pub fn view(&self) -> View<'_, T, RANK> {
        View::contiguous(&self.data, self.shape)
    }
}
