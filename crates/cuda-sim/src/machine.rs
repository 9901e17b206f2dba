//! A device with its memory, and modules loaded on it.

use std::sync::Arc;

use crate::counters::Counters;
use crate::device::Device;
use crate::error::LoadError;
use crate::exec::{self, Launch, Order, Stream};
use crate::fault::Fault;
use crate::isa::{self, Edition, Kernel, Symbols};
use crate::memory::{GlobalMemory, MemoryError};
use crate::ptx::{self, Initializer, Space};

/// A simulated GPU.
#[derive(Debug)]
pub struct Machine {
    device: Device,
    memory: GlobalMemory,
}

/// A module loaded on a [`Machine`].
#[derive(Debug)]
pub struct Module {
    kernels: Vec<Arc<Kernel>>,
    /// Its variables in global memory: name, address, bytes.
    globals: Vec<(String, u64, u64)>,
}

/// A kernel of a loaded module.
#[derive(Clone, Debug)]
pub struct Function {
    kernel: Arc<Kernel>,
}

impl Function {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.kernel.name
    }

    /// Where each parameter starts among its parameters' bytes, and its length.
    pub fn parameters(&self) -> &[(u32, u32)] {
        &self.kernel.parameters
    }

    /// Bytes of all parameters, as laid out by their alignment.
    pub fn parameter_bytes(&self) -> u32 {
        self.kernel.parameter_bytes
    }

    /// Bytes of static shared memory.
    pub fn static_shared(&self) -> u32 {
        self.kernel.static_shared
    }

    /// Bytes of local memory of a thread.
    pub fn local_bytes(&self) -> u32 {
        self.kernel.local_bytes
    }

    /// The most threads that a block may have, by its launch bounds; 1024 where it has none.
    pub fn max_threads(&self) -> u32 {
        self.kernel.max_threads.unwrap_or(1024)
    }

    /// The blocks of a cluster along each axis that every launch must have, if the kernel says so.
    pub fn required_cluster(&self) -> Option<[u32; 3]> {
        self.kernel.required_cluster
    }

    /// The block that every launch must have, if the kernel says so.
    pub fn required_threads(&self) -> Option<[u32; 3]> {
        self.kernel.required_threads
    }
}

impl Module {
    /// The kernel of a name.
    pub fn function(&self, name: &str) -> Option<Function> {
        let kernel = self.kernels.iter().find(|kernel| kernel.name == name)?;
        Some(Function { kernel: kernel.clone() })
    }

    /// The address and the bytes of a global variable.
    pub fn global(&self, name: &str) -> Option<(u64, u64)> {
        let (_, address, bytes) = self.globals.iter().find(|(known, ..)| known == name)?;
        Some((*address, *bytes))
    }
}

impl Machine {
    /// A machine of this kind, with nothing in its memory.
    pub fn new(device: Device) -> Self {
        Self { device, memory: GlobalMemory::default() }
    }

    /// What it is.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Allocates `bytes` of global memory, poisoned: nothing has written them.
    pub fn allocate(&self, bytes: u64) -> u64 {
        self.memory.allocate(bytes)
    }

    /// Frees the allocation that starts at `address`.
    ///
    /// # Errors
    /// If none does, or it has been freed before.
    pub fn free(&self, address: u64) -> Result<(), MemoryError> {
        self.memory.free(address)
    }

    /// Makes an allocation at an address of the caller's choice, a multiple of 16: memory of the host
    /// that kernels access. The caller copies its bytes to and fro.
    ///
    /// # Errors
    /// If an allocation is there already.
    pub fn map(&self, address: u64, bytes: u64) -> Result<(), MemoryError> {
        self.memory.map(address, bytes)
    }

    /// Takes back what [`map`](Self::map) did.
    ///
    /// # Errors
    /// If nothing was mapped there.
    pub fn unmap(&self, address: u64) -> Result<(), MemoryError> {
        self.memory.unmap(address)
    }

    /// Bytes in allocations that have not been freed.
    pub fn allocated(&self) -> u64 {
        self.memory.live_bytes()
    }

    /// The start and the length of the allocation around an address.
    ///
    /// # Errors
    /// If there is none.
    pub fn range_around(&self, address: u64) -> Result<(u64, u64), MemoryError> {
        self.memory.range_around(address)
    }

    /// Copies from the host to the device.
    ///
    /// # Errors
    /// If that is not within one allocation.
    pub fn write(&self, address: u64, from: &[u8]) -> Result<(), MemoryError> {
        self.memory.write(address, from)
    }

    /// Copies from the device to the host; 0xff where nothing has been written.
    ///
    /// # Errors
    /// If that is not within one allocation.
    pub fn read(&self, address: u64, to: &mut [u8]) -> Result<(), MemoryError> {
        self.memory.read(address, to)
    }

    /// Copies within the device. What has not been written stays so.
    ///
    /// # Errors
    /// If either end is not within one allocation.
    pub fn copy(&self, to: u64, from: u64, bytes: u64) -> Result<(), MemoryError> {
        self.memory.copy(to, from, bytes)
    }

    /// Loads a module from PTX.
    ///
    /// # Errors
    /// If the PTX is for another device, or has something in it that is not known.
    pub fn load(&self, ptx: &str) -> Result<Module, LoadError> {
        let module = ptx::parse(ptx)?;
        if !self.device.runs(&module.target) {
            let (major, minor) = self.device.capability;
            let reason =
                format!("the device has compute capability {major}.{minor}, the PTX is for");
            return Err(LoadError::new(module.target_line, reason, module.target));
        }
        let edition = Edition { version: module.version, target: module.target };
        edition.check(module.target_line)?;
        let mut symbols = Symbols::new(edition);
        let mut globals = Vec::new();
        for variable in &module.variables {
            let bytes = variable.count * u64::from(variable.ty.bytes());
            let name = variable.name.clone();
            match variable.space {
                Space::Shared if variable.is_extern => symbols.dynamic.push((name, variable.align)),
                Space::Shared => {
                    let bytes = u32::try_from(bytes).map_err(|_| {
                        LoadError::new(variable.line, "more shared memory than there is", &name)
                    })?;
                    symbols.shared.push((name, bytes, variable.align));
                }
                Space::Global => {
                    let address = self.memory.allocate(bytes);
                    symbols.placed.insert(name.clone(), address);
                    globals.push((name, address, bytes));
                }
                _ => {
                    let reason = "a variable of this space stands within a function";
                    return Err(LoadError::new(variable.line, reason, name));
                }
            }
        }
        for variable in &module.variables {
            if let Some(address) = symbols.placed.get(&variable.name) {
                self.initialize(variable, *address, &symbols)?;
            }
        }
        let kernels = module.functions.iter().filter(|function| function.is_kernel);
        let kernels = kernels
            .map(|function| isa::kernel(function, &module.functions, &symbols).map(Arc::new));
        Ok(Module { kernels: kernels.collect::<Result<_, _>>()?, globals })
    }

    /// Unloads a module: frees its variables.
    pub fn unload(&self, module: &Module) {
        for (_, address, _) in &module.globals {
            // Loading allocated each, and nothing else may free it. Unloaded twice, it stays freed.
            let _ = self.memory.free(*address);
        }
    }

    /// Global variables start as written, those without a value as zero.
    fn initialize(
        &self,
        variable: &ptx::Variable,
        address: u64,
        symbols: &Symbols,
    ) -> Result<(), LoadError> {
        let element = variable.ty.bytes() as usize;
        let mut bytes = vec![0; element * variable.count as usize];
        let values = variable.initializer.iter().flatten();
        for (slot, value) in bytes.chunks_mut(element.max(1)).zip(values) {
            let value = match value {
                Initializer::Bits(bits) => *bits,
                Initializer::Symbol(name, offset) => {
                    let address = symbols.placed.get(name).ok_or_else(|| {
                        LoadError::new(variable.line, "the address of an unknown variable", name)
                    })?;
                    address.wrapping_add_signed(*offset)
                }
            };
            slot.copy_from_slice(&value.to_le_bytes()[..element]);
        }
        let written = self.memory.write(address, &bytes);
        written.map_err(|error| LoadError::new(variable.line, error.to_string(), &variable.name))
    }

    /// Runs a kernel to its end. `parameters` are its parameters' bytes, each where
    /// [`Function::parameters`] says.
    ///
    /// # Errors
    /// At the first thing that the kernel must not do.
    pub fn launch(
        &self,
        function: &Function,
        launch: &Launch,
        order: Order,
        parameters: &[u8],
    ) -> Result<Counters, Fault> {
        self.launch_in(&mut Stream::default(), function, launch, order, parameters)
    }

    /// Runs a kernel as [`launch`](Self::launch) does, after what `stream` has been given before: if it is
    /// [early](Launch::early), it is checked not to rely on the end of that.
    ///
    /// # Errors
    /// At the first thing that the kernel must not do.
    pub fn launch_in(
        &self,
        stream: &mut Stream,
        function: &Function,
        launch: &Launch,
        order: Order,
        parameters: &[u8],
    ) -> Result<Counters, Fault> {
        let (kernel, device) = (&function.kernel, &self.device);
        exec::launch(kernel, device, &self.memory, launch, order, parameters, stream)
    }
}
