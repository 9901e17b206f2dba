use cuda_sim::Function;
use cuda_sim::tensor_map::TensorMap;
use msa::gpu::PlaneMap;
use msa_abi::AttendParams;

/// The bytes of a kernel's parameters, each where the kernel has it: what it is given, and the tensor map that it takes of
/// some planes, if it takes one.
///
/// # Panics
/// If the kernel has other parameters.
pub(crate) fn bytes(function: &Function, params: &[u8], planes: Option<&PlaneMap>) -> Vec<u8> {
    let planes = planes.map(encoded);
    let given = [Some(params), planes.as_deref()].into_iter().flatten();
    let places = function.parameters();
    let mut bytes = vec![0; function.parameter_bytes() as usize];
    assert_eq!(places.len(), given.clone().count(), "parameters of {}", function.name());
    for (&(start, len), given) in places.iter().zip(given) {
        bytes[start as usize..][..len as usize].copy_from_slice(given);
    }
    bytes
}

/// What the simulated driver makes of them.
fn encoded(planes: &PlaneMap) -> Vec<u8> {
    let &PlaneMap { address, extents, strides } = planes;
    let map = TensorMap {
        address,
        data_type: 9,
        rank: extents.len() as u8,
        swizzle: 3,
        extents,
        strides,
        box_extents: AttendParams::PLANE_BOX.map(|extent| extent as u16),
        element_strides: [1; 5],
        ..TensorMap::default()
    };
    map.encode().into_iter().flat_map(u64::to_le_bytes).collect()
}
