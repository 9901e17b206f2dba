//! Functions that programs link against and this driver does not have: arrays, textures, linking, memory
//! from elsewhere. Each says so when it is called, and `cuGetProcAddress` does not find it.

use std::ffi::c_int;

use super::error::{Code, guard};

macro_rules! unsupported {
    ($($name:ident)*) => {
        $(
            // By the C ABI, arguments that a function does not name may be left where they are.
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> c_int {
                guard(stringify!($name), || Err(Code::NotSupported.because("not simulated")))
            }
        )*
    };
}

unsupported! {
    cuArray3DCreate_v2
    cuArray3DGetDescriptor_v2
    cuArrayDestroy
    cuDestroyExternalMemory
    cuExternalMemoryGetMappedBuffer
    cuGraphDebugDotPrint
    cuImportExternalMemory
    cuLinkAddData_v2
    cuLinkComplete
    cuLinkCreate_v2
    cuLinkDestroy
    cuMemcpy2D_v2
    cuMemcpyAtoH_v2
    cuMemcpyHtoA_v2
    cuSurfObjectCreate
    cuSurfObjectDestroy
    cuSurfObjectGetResourceDesc
    cuTexObjectCreate
    cuTexObjectDestroy
    cuTexObjectGetResourceDesc
    cuTexObjectGetResourceViewDesc
}
