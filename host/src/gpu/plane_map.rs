use half::bf16;
use msa_abi::CacheParams;

use crate::Error;

/// The planes K and V of a cache's layer, as the driver is told of them to make the tensor map that a kernel takes
/// (`cuTensorMapEncodeTiled`): a tensor of bf16, and boxes of
/// [`AttendParams::PLANE_BOX`](msa_abi::AttendParams::PLANE_BOX) in the swizzle of 128 bytes.
///
/// Its dimensions are the elements of a head, tokens, KV heads, planes, and pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaneMap {
    /// The address of the first element.
    pub address: u64,
    /// Elements along each dimension.
    pub extents: [u64; 5],
    /// Bytes from one element to the next along each but the first, where they are successive.
    pub strides: [u64; 4],
}

impl PlaneMap {
    /// Strides are below so many bytes, as the driver asks: more than any device has.
    const STRIDE_BYTES: u64 = 1 << 40;

    /// What the address is a multiple of, and every stride: as kernels ask, too.
    const ALIGNMENT: u64 = 16;

    /// Of a layer of pages of this shape, bf16 `[pages, 2, layers, 128, kv_heads, 128]`.
    ///
    /// # Errors
    /// If a page has more bytes than any device.
    pub(super) fn new(
        operand: &'static str,
        shape: [usize; 6],
        cache: &CacheParams,
    ) -> Result<Self, Error> {
        let [pages, planes, _, tokens, heads, dim] = shape;
        let stride = |axis: usize, stride: u64| {
            // Of one there is no next, and whatever was given says nothing.
            let elements = if shape[axis] > 1 { stride } else { dim as u64 };
            match elements.checked_mul(size_of::<bf16>() as u64) {
                Some(bytes) if bytes < Self::STRIDE_BYTES => Ok(bytes),
                _ => Err(Error::OuterStride {
                    operand,
                    axis,
                    expected: "fewer than 2^39",
                    got: elements as usize,
                }),
            }
        };
        Ok(Self {
            // Where there are no pages this is any number, and nothing is copied.
            address: cache.pages.address() / Self::ALIGNMENT * Self::ALIGNMENT,
            extents: [dim, tokens, heads, planes, pages.max(1)].map(|extent| extent as u64),
            strides: [
                stride(3, cache.token_stride)?,
                stride(4, cache.head_stride)?,
                stride(1, cache.plane_stride)?,
                stride(0, cache.page_stride)?,
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use half::bf16;

    use super::PlaneMap;
    use crate::Error;
    use crate::gpu::{DeviceTensor, cache};
    use crate::problem::CacheNames;

    fn map(pages: DeviceTensor<bf16, 6>, layer: u32) -> Result<PlaneMap, Error> {
        let names = CacheNames { pages: "kv_pages", table: "kv_page_table" };
        let table = DeviceTensor::contiguous(1 << 20, 9, [1, 9]);
        let heads = pages.shape()[4];
        let cache = cache::check(names, &pages, &table, layer, [2, heads], 1)?;
        PlaneMap::new(names.pages, pages.shape(), &cache)
    }

    #[test]
    fn dimensions_are_those_of_a_page_s_layer_from_within() {
        let shape = [9, 2, 3, 128, 4, 128];
        let pages = DeviceTensor::contiguous(4096, shape.iter().product(), shape);
        let token = 4 * 256;
        let expected = PlaneMap {
            address: 4096 + 2 * 128 * token,
            extents: [128, 128, 4, 2, 9],
            strides: [token, 256, 3 * 128 * token, 2 * 3 * 128 * token],
        };
        assert_eq!(map(pages, 2), Ok(expected));
        // Heads before tokens: what comes next is not always further away.
        let pages = pages.with_stride(3, 128).with_stride(4, 128 * 128);
        let expected = PlaneMap {
            strides: [256, 128 * 256, expected.strides[2], expected.strides[3]],
            ..expected
        };
        assert_eq!(map(pages, 2), Ok(PlaneMap { address: expected.address, ..expected }));
    }

    #[test]
    fn what_says_nothing_is_not_told() {
        let pages = DeviceTensor::contiguous(4096, 1 << 20, [1, 2, 1, 128, 1, 128]);
        let pages = pages.with_stride(0, 7).with_stride(4, usize::MAX);
        let one = map(pages, 0).expect("a sound cache");
        assert_eq!(one.strides, [256, 256, 128 * 256, 256]);
        let none = DeviceTensor::contiguous(4099, 0, [0, 2, 1, 128, 1, 128]);
        let none = map(none, 0).expect("a cache without pages");
        assert_eq!((none.address, none.extents), (4096, [128, 128, 1, 2, 1]));
    }

    #[test]
    fn a_page_larger_than_every_device_is_refused() {
        let pages = DeviceTensor::contiguous(4096, usize::MAX, [2, 2, 1, 128, 1, 128]);
        assert!(map(pages.with_stride(0, (1 << 39) - 8), 0).is_ok());
        let refused = map(pages.with_stride(0, 1 << 39), 0).expect_err("it is refused");
        assert_eq!(
            refused.to_string(),
            "kv_pages: the stride of axis 0 is 549755813888, expected fewer than 2^39"
        );
    }
}
