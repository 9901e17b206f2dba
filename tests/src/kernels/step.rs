use cuda_sim::counters::Counters;
use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Machine, Module, Order, Stream};
use half::bf16;
use msa::BLOCK;
use msa::gpu::PlaneMap;
use msa::trace::{Tensor, Trace};
use msa_abi::{BatchParams, CacheParams, DevicePtr};

use crate::{oracle, parameters};

/// A step's operands on a simulated device that has the kernels of one file of `host/ptx`.
pub(super) struct Step {
    machine: Machine,
    module: Module,
    stream: Stream,
    pub(super) batch: BatchParams,
    /// bf16 `[rows, heads, 128]`: the operator's queries
    pub(super) q: DevicePtr<u16>,
    /// The operator's own cache.
    pub(super) cache: CacheParams,
    /// The same, for kernels that take its tensor map.
    planes: PlaneMap,
}

impl Step {
    /// The operands of attention, with `padding` rows more than the step has.
    pub(super) fn attention(target: (&str, &str), trace: &Trace, padding: u32) -> Self {
        Self::new(target, trace, padding, &trace.q, &trace.kv_pages, &trace.kv_page_table)
    }

    /// The operands of the indexer, with `padding` rows more than the step has.
    ///
    /// # Panics
    /// If the trace has none.
    pub(super) fn indexer(target: (&str, &str), trace: &Trace, padding: u32) -> Self {
        let inputs = oracle::indexer_inputs(trace);
        let (pages, table) = (&inputs.index_k_pages, &inputs.index_page_table);
        Self::new(target, trace, padding, &inputs.index_q, pages, table)
    }

    fn new(
        (file, device): (&str, &str),
        trace: &Trace,
        padding: u32,
        q: &Tensor<bf16, 3>,
        pages: &Tensor<bf16, 6>,
        table: &Tensor<u32, 2>,
    ) -> Self {
        let (machine, module) = super::load_module(file, device);
        let batch = BatchParams {
            row_offsets: upload(&machine, &trace.row_offsets),
            cache_lengths: upload(&machine, &trace.cache_lengths),
            batch: trace.cache_lengths.len() as u32,
            rows: q.shape()[0] as u32 + padding,
        };
        let cache = cache(&machine, pages, table, trace.layer_idx);
        let planes = planes(&cache, pages.shape());
        let q = upload_bf16(&machine, q.data());
        Self { machine, module, stream: Stream::default(), batch, q, cache, planes }
    }

    /// Some values on the device.
    pub(super) fn upload<T: bytemuck::NoUninit>(&self, values: &[T]) -> DevicePtr<T> {
        upload(&self.machine, values)
    }

    /// Room for some values, which nothing has written.
    pub(super) fn allocate<T>(&self, len: usize) -> DevicePtr<T> {
        DevicePtr::from_address(self.machine.allocate((len * size_of::<T>()) as u64))
    }

    /// Values from the device.
    pub(super) fn download<T: bytemuck::AnyBitPattern>(
        &self,
        from: DevicePtr<T>,
        len: usize,
    ) -> Vec<T> {
        let mut bytes = vec![0; len * size_of::<T>()];
        self.machine.read(from.address(), &mut bytes).expect("it is allocated");
        bytes.chunks(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect()
    }

    /// Runs a kernel, after those that were run before.
    ///
    /// # Panics
    /// If there is no such kernel, or the device has not so much shared memory for a block.
    pub(super) fn launch<P: bytemuck::NoUninit>(
        &mut self,
        kernel: &str,
        launch: &Launch,
        order: Order,
        params: &P,
    ) -> Result<Counters, Fault> {
        let function = self.module.function(kernel).unwrap_or_else(|| panic!("no {kernel}"));
        let shared = function.static_shared() + launch.dynamic_shared;
        let available = self.machine.device().shared_per_block_optin;
        assert!(shared <= available, "{kernel}: {shared} bytes of shared memory of {available}");
        let planes = (function.parameters().len() > 1).then_some(&self.planes);
        let params = parameters::bytes(&function, bytemuck::bytes_of(params), planes);
        self.machine.launch_in(&mut self.stream, &function, launch, order, &params)
    }
}

fn upload<T: bytemuck::NoUninit>(machine: &Machine, values: &[T]) -> DevicePtr<T> {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let address = machine.allocate(bytes.len() as u64);
    machine.write(address, bytes).expect("it was just allocated");
    DevicePtr::from_address(address)
}

fn upload_bf16(machine: &Machine, values: &[bf16]) -> DevicePtr<u16> {
    DevicePtr::from_address(upload(machine, values).address())
}

/// A layer of a cache, dense.
fn cache(
    machine: &Machine,
    pages: &Tensor<bf16, 6>,
    table: &Tensor<u32, 2>,
    layer: u32,
) -> CacheParams {
    let [_, planes, layers, _, heads, dim] = pages.shape().map(|extent| extent as u64);
    let token_stride = heads * dim;
    let layer_stride = BLOCK as u64 * token_stride;
    let base = upload_bf16(machine, pages.data()).address();
    CacheParams {
        pages: DevicePtr::from_address(
            base + u64::from(layer) * layer_stride * size_of::<bf16>() as u64,
        ),
        page_stride: planes * layers * layer_stride,
        plane_stride: layers * layer_stride,
        token_stride,
        head_stride: dim,
        table: upload(machine, table.data()),
        table_stride: table.shape()[1] as u64,
        table_width: table.shape()[1] as u32,
        padding: 0,
    }
}

/// The planes of a dense cache.
fn planes(cache: &CacheParams, shape: [usize; 6]) -> PlaneMap {
    let [pages, planes, _, tokens, heads, dim] = shape.map(|extent| extent as u64);
    let strides = [cache.token_stride, cache.head_stride, cache.plane_stride, cache.page_stride];
    PlaneMap {
        address: cache.pages.address(),
        extents: [dim, tokens, heads, planes, pages],
        strides: strides.map(|stride| stride * size_of::<bf16>() as u64),
    }
}
