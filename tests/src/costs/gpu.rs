use cuda_sim::device::Device;
use cuda_sim::{Launch, Machine, Module, Order};
use msa::gpu::{self, Batch, DeviceTensor, Plan, Ptx, Workspace};
use msa::trace::{Tensor, Trace};

use super::{Cost, CostError, Least};
use crate::parameters;

/// A simulated device with the kernels that the library gives it.
pub(super) struct Gpu {
    machine: Machine,
    module: Module,
    ptx: Ptx,
}

impl Gpu {
    pub(super) fn new(device: &Device) -> Self {
        let machine = Machine::new(device.clone());
        let ptx = Ptx::for_device(machine.device().capability).expect("it is from 8.0 on");
        let module = machine.load(ptx.text());
        let module = module.unwrap_or_else(|error| panic!("{}: {error}", ptx.name()));
        Self { machine, module, ptx }
    }

    /// A tensor, on the device.
    pub(super) fn upload<T: bytemuck::NoUninit, const RANK: usize>(
        &self,
        tensor: &Tensor<T, RANK>,
    ) -> DeviceTensor<T, RANK> {
        let uploaded = self.allocate(tensor.shape());
        let bytes = bytemuck::cast_slice(tensor.data());
        self.machine.write(uploaded.address(), bytes).expect("it was just allocated");
        uploaded
    }

    /// Room for a dense tensor, which nothing has written.
    pub(super) fn allocate<T, const RANK: usize>(
        &self,
        shape: [usize; RANK],
    ) -> DeviceTensor<T, RANK> {
        let len = shape.iter().product();
        let address = self.machine.allocate((len * size_of::<T>()) as u64);
        DeviceTensor::contiguous(address, len, shape)
    }

    /// The lengths of a step's requests, on the device.
    pub(super) fn batch(&self, trace: &Trace) -> Batch {
        let numbers = |numbers: &[u32]| {
            self.upload(&Tensor::<u32, 1>::new([numbers.len()], numbers.to_vec()))
        };
        Batch {
            row_offsets: numbers(&trace.row_offsets),
            cache_lengths: numbers(&trace.cache_lengths),
            rows: trace.q.shape()[0],
            max_seq_length: trace.batch().max_seq_length(),
        }
    }

    /// Runs the launches of a plan, and tells of each what it cost and what it needs.
    pub(super) fn run(
        &self,
        plan: impl Fn(&gpu::Device, Workspace) -> Result<Plan, msa::Error>,
        least: impl Fn(&gpu::Launch) -> Least,
    ) -> Result<Vec<Cost>, CostError> {
        let device = self.device();
        // Memory without end tells what the plan uses of it.
        let address = Workspace::ALIGNMENT;
        let bytes = plan(&device, Workspace { address, bytes: usize::MAX })?.workspace_bytes();
        let address = self.machine.allocate(bytes as u64);
        let plan = plan(&device, Workspace { address, bytes })?;
        let costs = plan.launches().map(|planned| {
            let kernel = planned.kernel.name();
            let function = self.module.function(kernel).expect("the PTX has every kernel");
            let launch = Launch {
                grid: planned.grid,
                cluster: [1, 1, planned.cluster],
                block: [planned.threads, 1, 1],
                dynamic_shared: planned.dynamic_shared,
                ..Launch::default()
            };
            let params = planned.params.as_bytes();
            let params = parameters::bytes(&function, params, planned.planes.as_ref());
            let counters = self.machine.launch(&function, &launch, Order::InTurn, &params)?;
            Ok(Cost { launch: *planned, counters, least: least(planned) })
        });
        costs.collect()
    }

    fn device(&self) -> gpu::Device {
        let device = self.machine.device();
        gpu::Device {
            capability: device.capability,
            ptx: self.ptx,
            multiprocessors: device.multiprocessors,
            shared_per_block_optin: device.shared_per_block_optin,
            shared_per_multiprocessor: device.shared_per_multiprocessor,
            max_cluster: 16,
        }
    }
}
