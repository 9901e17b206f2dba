//! Descriptors for bulk tensor copies: what the driver demands of their arguments.

use std::ffi::c_uint;

use super::abi::{In, Out, TensorMapBytes};
use super::driver;
use super::error::{Code, Result};
use crate::device::Device;
use crate::tensor_map::TensorMap;
use crate::tensor_map::element::Element;

impl Element {
    fn is_spread(self) -> bool {
        matches!(self, Self::Spread4 | Self::Spread6)
    }

    /// What the tensor's innermost dimension is a multiple of.
    fn granularity(self) -> u64 {
        match self {
            Self::Spread4 | Self::Spread6 => 128,
            Self::Packed4 => 2,
            _ => 1,
        }
    }

    /// Bytes of shared memory that a row of elements takes.
    fn row_bytes(self, elements: u64) -> u64 {
        match self {
            Self::Integer(bytes) | Self::Float(bytes) => bytes * elements,
            Self::Tf32 => 4 * elements,
            Self::Packed4 => elements / 2,
            Self::Spread4 | Self::Spread6 => elements,
        }
    }
}

/// Bytes that a swizzle turns around in, by the numbers of `CUtensorMapSwizzle`.
const SPANS: [Option<u64>; 7] =
    [None, Some(32), Some(64), Some(128), Some(128), Some(128), Some(128)];

/// The numbers of swizzles.
const SWIZZLE_32: u8 = 1;
const SWIZZLES_OF_SPREAD_4: [u8; 3] = [0, 3, 4];
const SWIZZLES_OF_SPREAD_6: [u8; 4] = [0, 3, 4, 6];

/// The number of the interleaved layout with 32 bytes, of three.
const INTERLEAVE_32: u8 = 2;

fn require(holds: bool, story: impl FnOnce() -> String) -> Result<()> {
    if holds { Ok(()) } else { Err(Code::InvalidValue.because(story())) }
}

/// Checks a descriptor as the API documents it, and as an H100's driver does where it does not.
fn check(map: &TensorMap, device: &Device) -> Result<()> {
    let TensorMap { data_type, rank, interleave, swizzle, l2_promotion, fill, .. } = *map;
    let Some(element) = Element::of(data_type) else {
        return Err(Code::InvalidValue.because(format!("data type {data_type}")));
    };
    require(interleave <= INTERLEAVE_32, || format!("interleave {interleave}"))?;
    require(usize::from(swizzle) < SPANS.len(), || format!("swizzle {swizzle}"))?;
    require(l2_promotion <= 3, || format!("L2 promotion {l2_promotion}"))?;
    let newer = element == Element::Packed4 || element.is_spread() || swizzle > 3;
    require(device.capability >= (10, 0) || !newer, || {
        format!("data type {data_type} with swizzle {swizzle} needs compute capability 10.0")
    })?;
    let least = if interleave == 0 { 1 } else { 3 };
    require((least..=5).contains(&rank), || format!("rank {rank}, it is {least} to 5"))?;
    check_memory(map, element)?;
    check_box(map, element, device.shared_per_multiprocessor)?;
    if fill > 0 {
        let float = matches!(element, Element::Float(_) | Element::Tf32);
        require(fill == 1 && float, || format!("fill {fill} with data type {data_type}"))?;
    }
    match element {
        Element::Spread4 => require(SWIZZLES_OF_SPREAD_4.contains(&swizzle), || {
            format!("swizzle {swizzle} with data type {data_type}")
        }),
        Element::Spread6 => {
            require(SWIZZLES_OF_SPREAD_6.contains(&swizzle) && interleave == 0, || {
                format!("swizzle {swizzle}, interleave {interleave} with data type {data_type}")
            })
        }
        _ => Ok(()),
    }
}

/// The tensor in global memory.
fn check_memory(map: &TensorMap, element: Element) -> Result<()> {
    let rank = usize::from(map.rank);
    let wide = map.interleave == INTERLEAVE_32 || element.is_spread();
    let alignment = if wide { 32 } else { 16 };
    require(map.address.is_multiple_of(alignment), || {
        format!("the address {:#x} is no multiple of {alignment}", map.address)
    })?;
    for (dimension, extent) in map.extents[..rank].iter().enumerate() {
        require((1..=1 << 32).contains(extent), || {
            format!("{extent} elements in dimension {dimension}")
        })?;
    }
    let granularity = element.granularity();
    require(map.extents[0].is_multiple_of(granularity), || {
        format!("{} elements in dimension 0, a multiple of {granularity} is needed", map.extents[0])
    })?;
    for (dimension, stride) in map.strides[..rank - 1].iter().enumerate() {
        require(stride.is_multiple_of(alignment) && *stride < 1 << 40, || {
            format!("a stride of {stride} bytes in dimension {}", dimension + 1)
        })?;
    }
    Ok(())
}

/// The box in shared memory, of which there are so many bytes.
fn check_box(map: &TensorMap, element: Element, shared: u32) -> Result<()> {
    let rank = usize::from(map.rank);
    for (dimension, extent) in map.box_extents[..rank].iter().enumerate() {
        require((1..=256).contains(extent), || {
            format!("{extent} elements of the box in dimension {dimension}")
        })?;
    }
    // That of dimension 0 is not used without interleaving, but checked all the same.
    for (dimension, step) in map.element_strides[..rank].iter().enumerate() {
        require((1..=8).contains(step), || format!("steps of {step} in dimension {dimension}"))?;
    }
    let inner = u64::from(map.box_extents[0]);
    let row = element.row_bytes(inner);
    require(!element.is_spread() || inner == 128, || {
        format!("{inner} elements of the box in dimension 0, 128 are needed")
    })?;
    require(row.is_multiple_of(16), || {
        format!("a row of the box has {row} bytes, a multiple of 16 is needed")
    })?;
    // Undocumented, like the check of the rows of interleaved boxes. Rows count as wide as they are, also
    // where the swizzle puts them further apart.
    let extents = map.box_extents[1..rank].iter().zip(&map.element_strides[1..rank]);
    let rows: u64 =
        extents.map(|(extent, step)| u64::from(*extent).div_ceil((*step).into())).product();
    require(row * rows <= shared.into(), || {
        format!("the box has {} bytes, there are {shared} of shared memory", row * rows)
    })?;
    if map.interleave == 0 {
        let span = SPANS[usize::from(map.swizzle)];
        require(span.is_none_or(|span| row <= span), || {
            format!("a row of the box has {row} bytes, the swizzle's span is {span:?}")
        })?;
    }
    let narrow = map.interleave != INTERLEAVE_32 || map.swizzle == SWIZZLE_32;
    require(narrow, || format!("swizzle {} with an interleave of 32 bytes", map.swizzle))
}

/// Reads what is given for each dimension. One that has no place in a descriptor is wrong anyway: it is
/// kept as the largest that has.
fn per_dimension<T: Copy, U: TryFrom<T> + Copy + Default, const N: usize>(
    values: In<T>,
    count: usize,
    largest: U,
) -> Result<[U; N]> {
    let mut all = [U::default(); N];
    for (index, slot) in all.iter_mut().enumerate().take(count) {
        *slot = U::try_from(values.at(index)?).unwrap_or(largest);
    }
    Ok(all)
}

fn small(number: c_uint) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

api! {
    fn cuTensorMapEncodeTiled(
        to: Out<TensorMapBytes>, data_type: c_uint, rank: c_uint, address: u64,
        extents: In<u64>, strides: In<u64>, box_extents: In<u32>, element_strides: In<u32>,
        interleave: c_uint, swizzle: c_uint, l2_promotion: c_uint, fill: c_uint,
    ) {
        let driver = driver()?;
        let device = driver.machine.device();
        if device.capability < (9, 0) {
            return Err(Code::NotSupported.because("tensor maps need compute capability 9.0"));
        }
        require(to.address().is_multiple_of(64), || {
            format!("the descriptor's address {:#x} is no multiple of 64", to.address())
        })?;
        require((1..=5).contains(&rank), || format!("rank {rank}, it is 1 to 5"))?;
        let dimensions = rank as usize;
        let map = TensorMap {
            address,
            data_type: small(data_type),
            rank: small(rank),
            interleave: small(interleave),
            swizzle: small(swizzle),
            l2_promotion: small(l2_promotion),
            fill: small(fill),
            extents: per_dimension(extents, dimensions, u64::MAX)?,
            strides: per_dimension(strides, dimensions - 1, u64::MAX)?,
            box_extents: per_dimension(box_extents, dimensions, u16::MAX)?,
            element_strides: per_dimension(element_strides, dimensions, u8::MAX)?,
        };
        check(&map, device)?;
        to.write(TensorMapBytes(map.encode()))
    }
}
