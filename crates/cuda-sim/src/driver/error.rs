//! The driver's codes, and how an error reaches the caller and the log.

use std::borrow::Cow;
use std::ffi::{CStr, c_int};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::abi::Out;
use super::log;
use crate::fault::FaultKind;
use crate::memory::MemoryError;

pub(super) type Result<T> = std::result::Result<T, Error>;

/// A code, and the story behind it, if that has not been told.
#[derive(Debug)]
pub(super) struct Error {
    code: Code,
    story: Option<Cow<'static, str>>,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.story {
            Some(story) => write!(f, "{:?}: {story}", self.code),
            None => write!(f, "{:?}", self.code),
        }
    }
}

impl Error {
    /// The same story under another code.
    pub(super) fn with_code(self, code: Code) -> Self {
        Self { code, ..self }
    }
}

/// A code that tells enough.
impl From<Code> for Error {
    fn from(code: Code) -> Self {
        let meaning = look_up(code as c_int).map(|(.., meaning)| meaning.to_string_lossy());
        Self { code, story: meaning.ok() }
    }
}

impl From<MemoryError> for Error {
    fn from(error: MemoryError) -> Self {
        Code::InvalidValue.because(error.to_string())
    }
}

macro_rules! codes {
    ($($variant:ident = $number:literal $name:literal $meaning:literal;)*) => {
        /// An error of the driver API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Code {
            $($variant = $number,)*
        }

        /// Each code's number, name and meaning.
        const CODES: &[(c_int, &CStr, &CStr)] = &[
            (0, c"CUDA_SUCCESS", c"no error"),
            $(($number, $name, $meaning),)*
        ];
    };
}

codes! {
    InvalidValue = 1 c"CUDA_ERROR_INVALID_VALUE" c"invalid argument";
    OutOfMemory = 2 c"CUDA_ERROR_OUT_OF_MEMORY" c"out of memory";
    NotInitialized = 3 c"CUDA_ERROR_NOT_INITIALIZED" c"cuInit has not been called, or failed";
    InvalidDevice = 101 c"CUDA_ERROR_INVALID_DEVICE" c"no such device";
    InvalidImage = 200 c"CUDA_ERROR_INVALID_IMAGE" c"the module image is invalid";
    InvalidContext = 201 c"CUDA_ERROR_INVALID_CONTEXT" c"no context is current, or it is invalid";
    NoBinaryForGpu = 209 c"CUDA_ERROR_NO_BINARY_FOR_GPU" c"the image has no code for this device";
    UnsupportedLimit = 215 c"CUDA_ERROR_UNSUPPORTED_LIMIT" c"the device has no such limit";
    InvalidPtx = 218 c"CUDA_ERROR_INVALID_PTX" c"the PTX cannot be loaded";
    FileNotFound = 301 c"CUDA_ERROR_FILE_NOT_FOUND" c"no such file";
    OperatingSystem = 304 c"CUDA_ERROR_OPERATING_SYSTEM" c"the operating system refused";
    InvalidHandle = 400 c"CUDA_ERROR_INVALID_HANDLE" c"the handle stands for nothing";
    IllegalState = 401 c"CUDA_ERROR_ILLEGAL_STATE" c"not possible in this state";
    NotFound = 500 c"CUDA_ERROR_NOT_FOUND" c"the name was not found";
    IllegalAddress = 700 c"CUDA_ERROR_ILLEGAL_ADDRESS" c"a kernel accessed an illegal address";
    LaunchTimeout = 702 c"CUDA_ERROR_LAUNCH_TIMEOUT" c"a kernel cannot come to its end";
    ContextIsDestroyed = 709 c"CUDA_ERROR_CONTEXT_IS_DESTROYED" c"the context has been destroyed";
    HostMemoryAlreadyRegistered = 712 c"CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED"
        c"the host memory is registered already";
    HostMemoryNotRegistered = 713 c"CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED"
        c"the host memory is not registered";
    MisalignedAddress = 716 c"CUDA_ERROR_MISALIGNED_ADDRESS" c"a kernel accessed a misaligned address";
    LaunchFailed = 719 c"CUDA_ERROR_LAUNCH_FAILED" c"a kernel failed";
    CooperativeLaunchTooLarge = 720 c"CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE"
        c"more blocks than the device runs at a time";
    NotSupported = 801 c"CUDA_ERROR_NOT_SUPPORTED" c"not supported";
    StreamCaptureUnsupported = 900 c"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"
        c"not permitted while a stream is capturing";
    StreamCaptureInvalidated = 901 c"CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"
        c"an earlier error invalidated the capture";
    StreamCaptureMerge = 902 c"CUDA_ERROR_STREAM_CAPTURE_MERGE" c"two captures would merge";
    StreamCaptureUnmatched = 903 c"CUDA_ERROR_STREAM_CAPTURE_UNMATCHED"
        c"the capture did not begin in this stream";
    StreamCaptureUnjoined = 904 c"CUDA_ERROR_STREAM_CAPTURE_UNJOINED"
        c"a stream of the capture was not joined to its origin";
    StreamCaptureIsolation = 905 c"CUDA_ERROR_STREAM_CAPTURE_ISOLATION"
        c"a captured stream would wait for work outside of the capture";
    StreamCaptureImplicit = 906 c"CUDA_ERROR_STREAM_CAPTURE_IMPLICIT"
        c"the legacy stream would wait for a capturing stream";
    CapturedEvent = 907 c"CUDA_ERROR_CAPTURED_EVENT" c"the event was recorded in a capturing stream";
    StreamCaptureWrongThread = 908 c"CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD"
        c"the capture began in another thread";
    InvalidClusterSize = 912 c"CUDA_ERROR_INVALID_CLUSTER_SIZE" c"no such cluster can run";
    Unknown = 999 c"CUDA_ERROR_UNKNOWN" c"the simulator failed: its log says more";
}

impl Code {
    /// This code, with the story behind it for the log.
    pub(super) fn because(self, story: impl Into<Cow<'static, str>>) -> Error {
        Error { code: self, story: Some(story.into()) }
    }

    /// This code again, for what the log has told before.
    pub(super) fn again(self) -> Error {
        Error { code: self, story: None }
    }

    /// What a kernel's fault looks like from the host.
    pub(super) fn of_fault(fault: &FaultKind) -> Self {
        match fault {
            FaultKind::OutOfBounds { .. } | FaultKind::UseAfterFree { .. } => Self::IllegalAddress,
            FaultKind::Misaligned { .. } => Self::MisalignedAddress,
            FaultKind::Deadlock
            | FaultKind::BarrierNotReached { .. }
            | FaultKind::RegistersNotReleased { .. }
            | FaultKind::ColumnsNotReleased { .. }
            | FaultKind::PeerMissing { .. } => Self::LaunchTimeout,
            _ => Self::LaunchFailed,
        }
    }
}

/// Runs the body of the function `name`. Neither an error nor a panic crosses to C but as a code.
pub(super) fn guard(name: &str, body: impl FnOnce() -> Result<()>) -> c_int {
    let outcome = catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Code::Unknown.because(format!("a panic: {}", message.unwrap_or("no message"))))
    });
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            if error.story.is_some() {
                log::tell(format_args!("{name}: {error}"));
            }
            error.code as c_int
        }
    }
}

fn look_up(number: c_int) -> Result<&'static (c_int, &'static CStr, &'static CStr)> {
    CODES
        .iter()
        .find(|(known, ..)| *known == number)
        .ok_or_else(|| Code::InvalidValue.because(format!("{number} is the code of no error")))
}

api! {
    fn cuGetErrorName(error: c_int, name: Out<*const std::ffi::c_char>) {
        let found = look_up(error);
        name.write(found.as_ref().map_or(std::ptr::null(), |(_, name, _)| name.as_ptr()))?;
        found.map(drop)
    }

    fn cuGetErrorString(error: c_int, meaning: Out<*const std::ffi::c_char>) {
        let found = look_up(error);
        meaning.write(found.as_ref().map_or(std::ptr::null(), |(.., text)| text.as_ptr()))?;
        found.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::{Code, guard};

    #[test]
    fn neither_an_error_nor_a_panic_leaves_a_function() {
        assert_eq!(guard("cuTest", || Ok(())), 0);
        assert_eq!(guard("cuTest", || Err(Code::NotFound.into())), 500);
        assert_eq!(guard("cuTest", || panic!("a defect of the simulator")), 999);
    }
}
