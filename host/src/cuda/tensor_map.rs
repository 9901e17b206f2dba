use std::ffi::c_int;
use std::ptr;

use msa_abi::{AttendParams, TensorMap};

use super::driver::{check, cuTensorMapEncodeTiled};
use crate::Error;
use crate::gpu::PlaneMap;

/// `CU_TENSOR_MAP_DATA_TYPE_BFLOAT16`
const BFLOAT16: c_int = 9;

/// `CU_TENSOR_MAP_INTERLEAVE_NONE`
const NOT_INTERLEAVED: c_int = 0;

/// `CU_TENSOR_MAP_SWIZZLE_128B`
const SWIZZLE_128: c_int = 3;

/// `CU_TENSOR_MAP_L2_PROMOTION_L2_128B`: what comes to the second-level cache at a time, a row of a box.
const PROMOTION_128: c_int = 2;

/// `CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE`: zeros, where a box would reach out of the tensor. None does.
const ZEROS: c_int = 0;

/// The tensor map that a kernel takes. It is arithmetic of the driver's, and nothing is allocated.
pub(super) fn of_planes(planes: &PlaneMap) -> Result<TensorMap, Error> {
    let rank = planes.extents.len();
    let steps = [1; AttendParams::PLANE_BOX.len()];
    let mut map = TensorMap::from_words([0; 16]);
    // SAFETY: the out-pointer is valid and aligned to 64; there are as many extents, boxes and steps as dimensions, and a
    // stride less. The address is taken as a number.
    let encoded = unsafe {
        cuTensorMapEncodeTiled(
            &mut map,
            BFLOAT16,
            rank as u32,
            ptr::without_provenance_mut(planes.address as usize),
            planes.extents.as_ptr(),
            planes.strides.as_ptr(),
            AttendParams::PLANE_BOX.as_ptr(),
            steps.as_ptr(),
            NOT_INTERLEAVED,
            SWIZZLE_128,
            PROMOTION_128,
            ZEROS,
        )
    };
    check("cuTensorMapEncodeTiled", "kv_pages", encoded)?;
    Ok(map)
}
