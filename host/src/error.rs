/// Why an operator refused its operands, or a GPU's driver to run it. Nothing has been written when operands are
/// refused.
///
/// Every variant names the operand as the contract does, or the kernel, what was expected and what came.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An axis has the wrong extent, or two operands disagree about one.
    #[error("{operand}: axis `{axis}` is {got}, expected {expected}")]
    Shape {
        /// The operand.
        operand: &'static str,
        /// The axis, by its name in the contract.
        axis: &'static str,
        /// The extent that the contract or the other operands ask for.
        expected: usize,
        /// The extent that came.
        got: usize,
    },
    /// The innermost axis of a view is not contiguous.
    #[error("{operand}: the innermost stride is {got}, expected 1")]
    Stride {
        /// The operand.
        operand: &'static str,
        /// The innermost stride that came, in elements.
        got: usize,
    },
    /// A value lies outside its domain.
    #[error("{operand} is {got}, expected {expected}")]
    Value {
        /// The operand.
        operand: &'static str,
        /// The domain, in words.
        expected: &'static str,
        /// The value that came.
        got: String,
    },
    /// A buffer holds fewer elements than its shape and strides reach.
    #[error("{operand}: the buffer holds {got} elements, expected at least {needed}")]
    BufferTooSmall {
        /// The operand.
        operand: &'static str,
        /// Elements that the operator reaches; `usize::MAX` where the count overflows.
        needed: usize,
        /// Elements in the buffer.
        got: usize,
    },
    /// The ragged row offsets do not describe the batch.
    #[error("row_offsets[{index}] is {got}, expected {expected} {bound}")]
    RowOffsets {
        /// Which offset.
        index: usize,
        /// Whether `bound` is the value, its lower or its upper limit: "exactly", "at least" or "at most".
        expected: &'static str,
        /// The value asked for.
        bound: u32,
        /// The value that came.
        got: u32,
    },
    /// A page table's rows are too narrow for a request.
    #[error("{operand}: {got} entries a request, expected at least {needed} for request {request}")]
    PageTableTooNarrow {
        /// The operand.
        operand: &'static str,
        /// The request: on the host the one that has the most blocks, on the device the first that has too many.
        request: usize,
        /// Its blocks.
        needed: usize,
        /// The table's width.
        got: usize,
    },
    /// A page-table entry that the operator would follow names no page.
    #[error("{operand}: request {request}, block {block} is on page {got}, expected below {pages}")]
    NoSuchPage {
        /// The page table.
        operand: &'static str,
        /// The request.
        request: usize,
        /// The logical block.
        block: usize,
        /// The entry.
        got: u32,
        /// Pages in the cache.
        pages: usize,
    },
    /// A tensor in device memory starts at an address that kernels cannot read from.
    #[error("{operand}: the address {address:#x} is no multiple of {expected} bytes")]
    Misaligned {
        /// The operand.
        operand: &'static str,
        /// The alignment that kernels need, in bytes.
        expected: u64,
        /// The address that came.
        address: u64,
    },
    /// An outer stride of a tensor in device memory is not one that kernels can follow.
    #[error("{operand}: the stride of axis {axis} is {got}, expected {expected}")]
    OuterStride {
        /// The operand.
        operand: &'static str,
        /// The axis, counted from the outermost, which is 0.
        axis: usize,
        /// What kernels can follow, in words.
        expected: &'static str,
        /// The stride that came, in elements.
        got: usize,
    },
    /// A step needs more blocks of threads than a grid may have.
    #[error("{kernel}: the grid has {got} blocks along axis {axis}, expected at most {most}")]
    Grid {
        /// The kernel.
        kernel: &'static str,
        /// The axis: x is 0.
        axis: usize,
        /// Most blocks along it.
        most: u32,
        /// Blocks that the step needs; `u32::MAX` stands for more than that, too.
        got: u32,
    },
    /// A kernel needs more shared memory than a block of the device may have.
    #[error("{kernel}: a block needs {needed} bytes of shared memory, and may have {available}")]
    SharedMemory {
        /// The kernel.
        kernel: &'static str,
        /// Bytes that it needs.
        needed: u32,
        /// Bytes that the device has for a block.
        available: u32,
    },
    /// A GPU is too old for the kernels.
    #[error("a device of compute capability {major}.{minor} does not run {ptx}")]
    UnsupportedDevice {
        /// The device's major compute capability.
        major: u32,
        /// The device's minor compute capability.
        minor: u32,
        /// What it does not run.
        ptx: &'static str,
    },
    /// The driver refused a call. It may be the fault of work that was launched before it.
    #[error("{call}: {subject}: {name} ({code})")]
    Driver {
        /// The call.
        call: &'static str,
        /// The kernel or operand that it was for, or what else it was about.
        subject: &'static str,
        /// The driver's number of the error.
        code: u32,
        /// The driver's name of the error.
        name: String,
    },
    /// The driver could not compile the kernels for its device.
    #[error("cannot load {ptx}: {name} ({code}): {log}")]
    Load {
        /// The file.
        ptx: &'static str,
        /// The driver's number of the error.
        code: u32,
        /// The driver's name of the error.
        name: String,
        /// What its compiler said.
        log: String,
    },
    /// The file that was loaded is of another version of the interface to the kernels than the library.
    #[error("{ptx} has version {got} of the interface to its kernels, expected {expected}")]
    AbiVersion {
        /// The file.
        ptx: &'static str,
        /// The library's version.
        expected: u32,
        /// The file's version.
        got: u32,
    },
    /// The file that was loaded has no such kernel.
    #[error("{ptx} has no kernel {kernel}")]
    NoKernel {
        /// The file.
        ptx: &'static str,
        /// The kernel.
        kernel: &'static str,
    },
}
