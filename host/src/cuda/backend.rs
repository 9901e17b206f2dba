use std::sync::Arc;

use bytemuck::Pod;
use cust::context::{Context, CurrentContext};
use cust::device::Device;
use cust::error::CudaResult;
use cust::memory::{CopyDestination, DeviceBuffer};
use cust::stream::{Stream, StreamFlags};
use half::bf16;

use super::Kernels;
use crate::gpu::{self, DeviceTensor, Workspace};
use crate::{
    AttentionOperands, AttentionResult, Batch, Error, HEAD_DIM, IndexerOperands,
    MergeStatesOperands, View,
};

/// The first GPU, for slices on the host: each call copies its operands there and its results back, and waits.
#[derive(Clone, Debug)]
pub struct Cuda {
    gpu: Arc<Gpu>,
}

#[derive(Debug)]
struct Gpu {
    // Dropped in this order.
    kernels: Kernels,
    stream: Stream,
    context: Context,
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // What comes after needs it, on whatever thread this is; without it the driver refuses to free, and that is all.
        let _: CudaResult<()> = CurrentContext::set_current(&self.context);
    }
}

impl Cuda {
    /// Loads the newest kernels that the first GPU runs, in its primary context.
    ///
    /// # Errors
    /// If there is no GPU, or [`Kernels::load`] fails.
    pub fn new() -> Result<Self, Error> {
        Self::with(Kernels::load)
    }

    /// Loads these kernels on the first GPU, whatever else it runs.
    ///
    /// # Errors
    /// If there is no GPU, or [`Kernels::load_ptx`] fails.
    pub fn with_ptx(ptx: gpu::Ptx) -> Result<Self, Error> {
        Self::with(|| Kernels::load_ptx(ptx))
    }

    fn with(load: impl FnOnce() -> Result<Kernels, Error>) -> Result<Self, Error> {
        let context = driver("cuDevicePrimaryCtxRetain", "the first GPU", || {
            cust::init(cust::CudaFlags::empty())?;
            Context::new(Device::get_device(0)?)
        })?;
        let stream = driver("cuStreamCreateWithPriority", "the first GPU", || {
            Stream::new(StreamFlags::NON_BLOCKING, None)
        })?;
        Ok(Self { gpu: Arc::new(Gpu { kernels: load()?, stream, context }) })
    }

    /// What it launches.
    pub fn kernels(&self) -> &Kernels {
        &self.gpu.kernels
    }

    /// Runs the indexer on operands that were checked.
    pub(crate) fn indexer(
        &self,
        operands: &IndexerOperands,
        block_ids: &mut [i32],
    ) -> Result<(), Error> {
        self.make_current()?;
        let [rows, heads, _] = operands.index_q.shape();
        let batch = UploadedBatch::new(&operands.batch, rows)?;
        let index_q = Uploaded::of_view("index_q", &operands.index_q)?;
        let index_k_pages = Uploaded::of_view("index_k_pages", &operands.index_k_pages)?;
        let table = Uploaded::of_view("index_page_table", &operands.index_page_table)?;
        let on_device = gpu::IndexerOperands {
            batch: batch.batch(),
            index_q: index_q.tensor,
            index_k_pages: index_k_pages.tensor,
            index_page_table: table.tensor,
            layer_idx: operands.layer_idx,
            selection: operands.selection,
            scale: operands.scale,
        };
        let ids = Uploaded::of_view(
            "block_ids",
            &View::contiguous(block_ids, [heads, rows, operands.selection.topk]),
        )?;
        let plan = on_device.plan(&ids.tensor, self.kernels().device(), UNBOUNDED)?;
        let workspace = Room::new(plan.workspace_bytes())?;
        let stream = self.gpu.stream.as_inner();
        // SAFETY: the context is current, all is in memory that lives until the stream has been waited for, and the
        // operands on the host were checked: lengths, offsets, tables.
        unsafe {
            self.kernels().enqueue_indexer(
                &on_device,
                &ids.tensor,
                Workspace::from(&workspace.0),
                stream,
            )?
        };
        self.wait()?;
        ids.download("block_ids", block_ids)
    }

    /// Runs attention on operands that were checked.
    pub(crate) fn attention(
        &self,
        operands: &AttentionOperands,
        result: AttentionResult,
    ) -> Result<(), Error> {
        self.make_current()?;
        let [rows, heads, _] = operands.q.shape();
        let batch = UploadedBatch::new(&operands.batch, rows)?;
        let q = Uploaded::of_view("q", &operands.q)?;
        let kv_pages = Uploaded::of_view("kv_pages", &operands.kv_pages)?;
        let table = Uploaded::of_view("kv_page_table", &operands.kv_page_table)?;
        let block_ids = Uploaded::of_view("block_ids", &operands.block_ids)?;
        let on_device = gpu::AttentionOperands {
            batch: batch.batch(),
            q: q.tensor,
            kv_pages: kv_pages.tensor,
            kv_page_table: table.tensor,
            layer_idx: operands.layer_idx,
            block_ids: block_ids.tensor,
            scale: operands.scale,
        };
        let uploaded = UploadedResult::new(&result, [rows, heads])?;
        let to = uploaded.result();
        let plan = on_device.plan(&to, self.kernels().device(), UNBOUNDED)?;
        let workspace = Room::new(plan.workspace_bytes())?;
        let stream = self.gpu.stream.as_inner();
        // SAFETY: the context is current, all is in memory that lives until the stream has been waited for, and the
        // operands on the host were checked: lengths, offsets, tables.
        unsafe {
            self.kernels().enqueue_attention(
                &on_device,
                &to,
                Workspace::from(&workspace.0),
                stream,
            )?
        };
        self.wait()?;
        uploaded.download(result)
    }

    /// Merges what shards have given, from operands that were checked.
    pub(crate) fn merge_states(
        &self,
        operands: &MergeStatesOperands,
        result: AttentionResult,
    ) -> Result<(), Error> {
        self.make_current()?;
        let [_, rows, heads, _] = operands.partial_output.shape();
        let partial_output = Uploaded::of_view("partial_output", &operands.partial_output)?;
        let partial_lse = Uploaded::of_view("partial_lse", &operands.partial_lse)?;
        let on_device = gpu::MergeStatesOperands {
            partial_output: partial_output.tensor,
            partial_lse: partial_lse.tensor,
        };
        let uploaded = UploadedResult::new(&result, [rows, heads])?;
        let (to, stream) = (uploaded.result(), self.gpu.stream.as_inner());
        // SAFETY: the context is current, and all is in memory of its own that lives until the stream has been waited for.
        unsafe { self.kernels().enqueue_merge_states(&on_device, &to, stream)? };
        self.wait()?;
        uploaded.download(result)
    }

    fn make_current(&self) -> Result<(), Error> {
        let context = &self.gpu.context;
        driver("cuCtxSetCurrent", "the first GPU", || CurrentContext::set_current(context))
    }

    fn wait(&self) -> Result<(), Error> {
        driver("cuStreamSynchronize", "the launches", || self.gpu.stream.synchronize())
    }
}

/// Memory without end, to see what a plan uses of it.
const UNBOUNDED: Workspace = Workspace { address: Workspace::ALIGNMENT, bytes: usize::MAX };

/// Memory on the device for a call.
#[derive(Debug)]
struct Room(DeviceBuffer<u8>);

impl Room {
    fn new(bytes: usize) -> Result<Self, Error> {
        // SAFETY: launches write what they read of it.
        let buffer =
            driver("cuMemAlloc", "workspace", || unsafe { DeviceBuffer::uninitialized(bytes) })?;
        Ok(Self(buffer))
    }
}

/// A copy of a tensor on the device, of the whole buffer and with its strides.
#[derive(Debug)]
struct Uploaded<T, const RANK: usize> {
    buffer: DeviceBuffer<u8>,
    tensor: DeviceTensor<T, RANK>,
}

impl<T: Pod, const RANK: usize> Uploaded<T, RANK> {
    fn of_view(operand: &'static str, view: &View<T, RANK>) -> Result<Self, Error> {
        let bytes: &[u8] = bytemuck::cast_slice(view.data());
        let buffer = driver("cuMemcpyHtoD", operand, || DeviceBuffer::from_slice(bytes))?;
        let address = buffer.as_device_ptr().as_raw();
        let dense = DeviceTensor::contiguous(address, view.data().len(), view.shape());
        let strides = view.strides().into_iter().enumerate();
        let tensor = strides.fold(dense, |tensor, (axis, stride)| tensor.with_stride(axis, stride));
        Ok(Self { buffer, tensor })
    }

    /// The whole buffer.
    fn download(&self, operand: &'static str, to: &mut [T]) -> Result<(), Error> {
        let to: &mut [u8] = bytemuck::cast_slice_mut(to);
        driver("cuMemcpyDtoH", operand, || self.buffer.copy_to(to))
    }
}

/// Room on the device for what attention gives, or a merge; what no launch writes stays as it was.
#[derive(Debug)]
struct UploadedResult {
    output: Uploaded<bf16, 3>,
    lse: Option<Uploaded<f32, 2>>,
}

impl UploadedResult {
    fn new(result: &AttentionResult, [rows, heads]: [usize; 2]) -> Result<Self, Error> {
        let output = View::contiguous(&*result.output, [rows, heads, HEAD_DIM]);
        let lse = result.lse.as_deref().map(|lse| View::contiguous(lse, [rows, heads]));
        Ok(Self {
            output: Uploaded::of_view("output", &output)?,
            lse: lse.map(|lse| Uploaded::of_view("lse", &lse)).transpose()?,
        })
    }

    fn result(&self) -> gpu::AttentionResult {
        gpu::AttentionResult {
            output: self.output.tensor,
            lse: self.lse.as_ref().map(|lse| lse.tensor),
        }
    }

    fn download(&self, to: AttentionResult) -> Result<(), Error> {
        self.output.download("output", to.output)?;
        match (&self.lse, to.lse) {
            (Some(from), Some(to)) => from.download("lse", to),
            _ => Ok(()),
        }
    }
}

/// A batch's lengths on the device.
#[derive(Debug)]
struct UploadedBatch {
    row_offsets: Uploaded<u32, 1>,
    cache_lengths: Uploaded<u32, 1>,
    rows: usize,
    max_seq_length: usize,
}

impl UploadedBatch {
    fn new(batch: &Batch, rows: usize) -> Result<Self, Error> {
        let of = |operand, values: &[u32]| {
            Uploaded::of_view(operand, &View::contiguous(values, [values.len()]))
        };
        Ok(Self {
            row_offsets: of("row_offsets", batch.row_offsets)?,
            cache_lengths: of("cache_lengths", batch.cache_lengths)?,
            rows,
            max_seq_length: batch.max_seq_length(),
        })
    }

    fn batch(&self) -> gpu::Batch {
        gpu::Batch {
            row_offsets: self.row_offsets.tensor,
            cache_lengths: self.cache_lengths.tensor,
            rows: self.rows,
            max_seq_length: self.max_seq_length,
        }
    }
}

/// What `cust` did, with the driver's error where it failed.
fn driver<T>(
    call: &'static str,
    subject: &'static str,
    run: impl FnOnce() -> CudaResult<T>,
) -> Result<T, Error> {
    run().map_err(|error| Error::Driver {
        call,
        subject,
        code: error as u32,
        name: format!("{error:?}"),
    })
}
