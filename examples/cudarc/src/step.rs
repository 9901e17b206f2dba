//! One layer's step: what an engine keeps on the device for a bucket of requests, and what it enqueues.

use std::sync::Arc;

use anyhow::{Result, bail};
use cudarc::driver::{CudaSlice, CudaStream, DeviceRepr};
use half::bf16;
use msa::cuda::Kernels;
use msa::gpu::{
    AttentionOperands, AttentionResult, Batch, IndexerOperands, Limits, attention_workspace_bytes,
    indexer_workspace_bytes,
};
use msa::trace::{BlockIds, Outcome, Tensor, Trace};
use msa::{Dispatch, Selection};

use crate::operands::{self, Lent};

/// Operands, results and workspace of both operators, in memory that cudarc owns.
pub struct Step {
    row_offsets: Owned<u32, 1>,
    cache_lengths: Owned<u32, 1>,
    index_q: Owned<bf16, 3>,
    index_k_pages: Owned<bf16, 6>,
    index_page_table: Owned<u32, 2>,
    q: Owned<bf16, 3>,
    kv_pages: Owned<bf16, 6>,
    kv_page_table: Owned<u32, 2>,
    block_ids: Owned<i32, 3>,
    output: Owned<bf16, 3>,
    lse: Owned<f32, 2>,
    workspace: Owned<u8, 1>,
    of: Numbers,
}

/// What is not in memory.
#[derive(Clone, Copy)]
struct Numbers {
    max_seq_length: usize,
    layer_idx: u32,
    selection: Selection,
    index_scale: f32,
    scale: f32,
}

/// A dense tensor of its own.
struct Owned<T, const RANK: usize> {
    memory: CudaSlice<T>,
    shape: [usize; RANK],
}

impl<T: DeviceRepr, const RANK: usize> Owned<T, RANK> {
    fn new(stream: &Arc<CudaStream>, values: &[T], shape: [usize; RANK]) -> Result<Self> {
        Ok(Self { memory: stream.clone_htod(values)?, shape })
    }

    fn of(stream: &Arc<CudaStream>, tensor: &Tensor<T, RANK>) -> Result<Self> {
        Self::new(stream, tensor.data(), tensor.shape())
    }

    /// As [`new`](Self::new), with the same value everywhere.
    fn filled(stream: &Arc<CudaStream>, value: T, shape: [usize; RANK]) -> Result<Self>
    where
        T: Clone,
    {
        Self::new(stream, &vec![value; shape.iter().product()], shape)
    }

    fn read<'a>(&'a self, stream: &'a CudaStream) -> Lent<'a, T, RANK> {
        operands::read(&self.memory, self.shape, stream)
    }

    fn write<'a>(&'a mut self, stream: &'a CudaStream) -> Lent<'a, T, RANK> {
        operands::write(&mut self.memory, self.shape, stream)
    }

    fn download(&self, stream: &Arc<CudaStream>) -> Result<Tensor<T, RANK>> {
        Ok(Tensor::new(self.shape, stream.clone_dtoh(&self.memory)?))
    }
}

impl Step {
    /// Uploads a step, and makes room for what comes of it.
    pub fn new(kernels: &Kernels, stream: &Arc<CudaStream>, trace: &Trace) -> Result<Self> {
        let BlockIds::Indexer(inputs) = &trace.block_ids else {
            bail!("the step gives its block ids, expected those of the indexer");
        };
        let [rows, heads, head_dim] = trace.q.shape();
        let [batch, width] = trace.kv_page_table.shape();
        let kv_heads = trace.kv_pages.shape()[4];
        let topk = trace.selection.topk;
        let max_seq_length = trace.batch().max_seq_length();
        // An engine's are those of all steps that it will ever run, and its workspace is allocated once.
        let limits = Limits {
            batch: batch as u32,
            rows: rows as u32,
            max_seq_length: max_seq_length as u32,
            table_width: width as u32,
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            topk: topk as u32,
        };
        let device = kernels.device();
        let workspace = indexer_workspace_bytes(&limits, device)
            .max(attention_workspace_bytes(&limits, device));
        Ok(Self {
            row_offsets: Owned::new(stream, &trace.row_offsets, [trace.row_offsets.len()])?,
            cache_lengths: Owned::new(stream, &trace.cache_lengths, [trace.cache_lengths.len()])?,
            index_q: Owned::of(stream, &inputs.index_q)?,
            index_k_pages: Owned::of(stream, &inputs.index_k_pages)?,
            index_page_table: Owned::of(stream, &inputs.index_page_table)?,
            q: Owned::of(stream, &trace.q)?,
            kv_pages: Owned::of(stream, &trace.kv_pages)?,
            kv_page_table: Owned::of(stream, &trace.kv_page_table)?,
            block_ids: Owned::filled(stream, i32::MIN, [kv_heads, rows, topk])?,
            output: Owned::filled(stream, bf16::NAN, [rows, heads, head_dim])?,
            lse: Owned::filled(stream, f32::NAN, [rows, heads])?,
            // The driver has no memory of no bytes.
            workspace: Owned::filled(stream, 0, [workspace.max(1)])?,
            of: Numbers {
                max_seq_length,
                layer_idx: trace.layer_idx,
                selection: trace.selection,
                index_scale: inputs.index_scale,
                scale: trace.scale,
            },
        })
    }

    /// Other cached lengths, of the same requests: what changes between two replays of a graph.
    pub fn set_cache_lengths(&mut self, stream: &Arc<CudaStream>, lengths: &[u32]) -> Result<()> {
        Ok(stream.memcpy_htod(lengths, &mut self.cache_lengths.memory)?)
    }

    /// Lends everything to a stream: for launches that are enqueued, captured or replayed while the result lives.
    pub fn lend<'a>(&'a mut self, stream: &'a CudaStream) -> LentStep<'a> {
        LentStep {
            row_offsets: self.row_offsets.read(stream),
            cache_lengths: self.cache_lengths.read(stream),
            index_q: self.index_q.read(stream),
            index_k_pages: self.index_k_pages.read(stream),
            index_page_table: self.index_page_table.read(stream),
            q: self.q.read(stream),
            kv_pages: self.kv_pages.read(stream),
            kv_page_table: self.kv_page_table.read(stream),
            block_ids: self.block_ids.write(stream),
            output: self.output.write(stream),
            lse: self.lse.write(stream),
            workspace: self.workspace.write(stream),
            of: self.of,
            stream,
        }
    }

    /// Waits for the results, and copies them.
    pub fn outcome(&self, stream: &Arc<CudaStream>, dispatch: Dispatch) -> Result<Outcome> {
        let outcome = Outcome {
            block_ids: self.block_ids.download(stream)?,
            output: self.output.download(stream)?,
            lse: self.lse.download(stream)?,
            dispatch,
        };
        // cudarc keeps errors of what has no result of its own, such as recording a use.
        stream.context().check_err()?;
        Ok(outcome)
    }
}

/// A step while a stream uses it.
#[must_use]
pub struct LentStep<'a> {
    row_offsets: Lent<'a, u32, 1>,
    cache_lengths: Lent<'a, u32, 1>,
    index_q: Lent<'a, bf16, 3>,
    index_k_pages: Lent<'a, bf16, 6>,
    index_page_table: Lent<'a, u32, 2>,
    q: Lent<'a, bf16, 3>,
    kv_pages: Lent<'a, bf16, 6>,
    kv_page_table: Lent<'a, u32, 2>,
    block_ids: Lent<'a, i32, 3>,
    output: Lent<'a, bf16, 3>,
    lse: Lent<'a, f32, 2>,
    workspace: Lent<'a, u8, 1>,
    of: Numbers,
    stream: &'a CudaStream,
}

impl LentStep<'_> {
    /// Enqueues the indexer, and attention to the blocks that it selects.
    pub fn enqueue(&self, kernels: &Kernels) -> Result<Dispatch> {
        let batch = Batch {
            row_offsets: self.row_offsets.tensor(),
            cache_lengths: self.cache_lengths.tensor(),
            rows: self.q.tensor().shape()[0],
            max_seq_length: self.of.max_seq_length,
        };
        let indexer = IndexerOperands {
            batch,
            index_q: self.index_q.tensor(),
            index_k_pages: self.index_k_pages.tensor(),
            index_page_table: self.index_page_table.tensor(),
            layer_idx: self.of.layer_idx,
            selection: self.of.selection,
            scale: self.of.index_scale,
        };
        let attention = AttentionOperands {
            batch,
            q: self.q.tensor(),
            kv_pages: self.kv_pages.tensor(),
            kv_page_table: self.kv_page_table.tensor(),
            layer_idx: self.of.layer_idx,
            block_ids: self.block_ids.tensor(),
            scale: self.of.scale,
        };
        let result = AttentionResult { output: self.output.tensor(), lse: Some(self.lse.tensor()) };
        let workspace = operands::workspace(&self.workspace);
        // Launches go to the context that this thread has.
        self.stream.context().bind_to_thread()?;
        // The driver's handle, which two crates have declared, each by a name of its own.
        let stream = self.stream.cu_stream().cast();
        // SAFETY: the stream is of the context that is current and that the kernels were loaded for. All memory is lent to it
        // while `self` lives, so that nothing else writes or frees it before the launches have ended; both operators run in
        // order, so they may share a workspace. Lengths, offsets, tables are those of a step that the CPU backend accepts.
        unsafe {
            kernels.enqueue_indexer(&indexer, &self.block_ids.tensor(), workspace, stream)?;
            Ok(kernels.enqueue_attention(&attention, &result, workspace, stream)?)
        }
    }
}
