//! Finding functions by name and version.

use std::ffi::{c_int, c_uint};

use super::abi::{Out, Text};
use super::device::VERSION;
use super::error::{Code, Result};

/// Every exported function, by the file that has it.
const EXPORTS: &[&[(&str, *const ())]] = &[
    super::capture::ENTRIES,
    super::context::ENTRIES,
    super::device::ENTRIES,
    super::error::ENTRIES,
    super::event::ENTRIES,
    super::function::ENTRIES,
    super::graph::ENTRIES,
    super::launch::ENTRIES,
    super::memory::ENTRIES,
    super::module::ENTRIES,
    super::occupancy::ENTRIES,
    ENTRIES,
    super::stream::ENTRIES,
    super::tensor_map::ENTRIES,
];

/// Since which version of the API a plain name means a function that is exported under another. Those not
/// listed came with version 3.2, or have had one form only.
const SINCE: &[(&str, c_int)] = &[
    ("cuCtxCreate_v3", 11040),
    ("cuCtxCreate_v4", 12050),
    ("cuCtxDestroy_v2", 4000),
    ("cuCtxPopCurrent_v2", 4000),
    ("cuCtxPushCurrent_v2", 4000),
    ("cuDeviceGetUuid_v2", 11040),
    ("cuDevicePrimaryCtxRelease_v2", 11000),
    ("cuDevicePrimaryCtxReset_v2", 11000),
    ("cuDevicePrimaryCtxSetFlags_v2", 11000),
    ("cuEventDestroy_v2", 4000),
    ("cuEventElapsedTime_v2", 12080),
    ("cuGetProcAddress_v2", 12000),
    ("cuGraphAddKernelNode_v2", 12000),
    ("cuGraphGetEdges_v2", 12030),
    ("cuGraphInstantiate_v2", 11000),
    ("cuGraphKernelNodeGetParams_v2", 12000),
    ("cuMemAdvise_v2", 12020),
    ("cuMemHostRegister_v2", 6050),
    ("cuMemPrefetchAsync_v2", 12020),
    ("cuStreamBeginCapture_v2", 10010),
    ("cuStreamDestroy_v2", 4000),
    ("cuStreamGetCaptureInfo_v2", 11030),
    ("cuStreamGetCaptureInfo_v3", 12030),
    ("cuStreamGetCtx_v2", 12050),
];

/// A form of a function: since when the plain name means it, and where it is.
fn form(symbol: &str, name: &str, address: *const ()) -> Option<(c_int, *const ())> {
    // The one that was renamed rather than numbered.
    if symbol == "cuGraphInstantiate" && name == "cuGraphInstantiateWithFlags" {
        return Some((12000, address));
    }
    let rest = name.strip_prefix(symbol)?;
    let is_version = rest.strip_prefix("_v").is_some_and(|number| number.parse::<u32>().is_ok());
    let since = SINCE.iter().find(|(known, _)| *known == name).map(|(_, since)| *since);
    match rest {
        "" => Some((0, address)),
        _ if is_version => Some((since.unwrap_or(3020), address)),
        _ => None,
    }
}

/// `CUdriverProcAddressQueryResult`.
const FOUND: c_uint = 0;
const UNKNOWN: c_uint = 1;
const TOO_NEW: c_uint = 2;

/// The newest form of a function that a version of the API has, and what came of looking for it.
fn find(symbol: &str, version: c_int, flags: u64) -> Result<(*const (), c_uint)> {
    // By default, and as legacy: the default stream is the legacy one.
    if flags > 1 {
        let story = "forms of functions for per-thread default streams are not simulated";
        return Err(Code::NotSupported.because(story));
    }
    if version > VERSION {
        let story = format!("version {version} is asked for, this is {VERSION}");
        return Err(Code::InvalidValue.because(story));
    }
    let all = EXPORTS.iter().copied().flatten();
    let forms: Vec<_> = all.filter_map(|(name, address)| form(symbol, name, *address)).collect();
    let newest =
        forms.iter().filter(|(since, _)| *since <= version).max_by_key(|(since, _)| *since);
    Ok(match newest {
        Some((_, address)) => (*address, FOUND),
        None if forms.is_empty() => (std::ptr::null(), UNKNOWN),
        None => (std::ptr::null(), TOO_NEW),
    })
}

api! {
    fn cuGetProcAddress(symbol: Text, address: Out<*const ()>, version: c_int, flags: u64) {
        let symbol = symbol.read()?;
        let (found, outcome) = find(symbol, version, flags)?;
        address.write(found)?;
        match outcome {
            FOUND => Ok(()),
            _ => Err(Code::NotFound.because(format!("{symbol} is not simulated"))),
        }
    }

    fn cuGetProcAddress_v2(
        symbol: Text, address: Out<*const ()>, version: c_int, flags: u64, outcome: Out<c_uint>,
    ) {
        let symbol = symbol.read()?;
        let (found, result) = find(symbol, version, flags)?;
        address.write(found)?;
        // Not to find it is no error, as long as the caller looks.
        outcome.write_if_wanted(result);
        Ok(())
    }
}
