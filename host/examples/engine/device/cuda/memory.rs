//! All memory of the engine on a GPU, allocated once.

use anyhow::{Context, Result};
use cust::memory::{DeviceBuffer, DeviceSlice};
use half::bf16;
use msa::gpu::{
    AttentionOperands, AttentionResult, Batch, Device, DeviceTensor, IndexerOperands, Limits,
    Workspace, attention_workspace_bytes, indexer_workspace_bytes,
};
use msa::{BLOCK, HEAD_DIM};

use crate::config::Config;
use crate::device::SCALE;
use crate::model::Shape;

/// What launches have room for: a graph is captured for one of these, and replayed with any batch that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    pub requests: usize,
    pub rows: usize,
    pub max_seq_length: usize,
}

/// Operands and results of the largest batch, and the caches. A smaller one has the beginning of each, at the same
/// address: so graphs of all buckets share them.
pub struct Memory {
    config: Config,
    most: Bucket,
    /// u32 `[batch + 1]`
    pub row_offsets: DeviceBuffer<u32>,
    /// u32 `[batch]`
    pub cache_lengths: DeviceBuffer<u32>,
    /// u32 `[batch, width]`, of both caches
    pub page_table: DeviceBuffer<u32>,
    /// bf16 `[layers, rows, kv_heads, 128]`
    pub index_q: DeviceBuffer<u8>,
    /// bf16 `[layers, rows, heads, 128]`
    pub q: DeviceBuffer<u8>,
    /// bf16 `[layers, rows, heads, 128]`
    pub output: DeviceBuffer<u8>,
    /// bf16 `[pages, 1, layers, 128, 1, 128]`
    pub index_k_pages: DeviceBuffer<u8>,
    /// bf16 `[pages, 2, layers, 128, kv_heads, 128]`
    pub kv_pages: DeviceBuffer<u8>,
    /// i32 `[kv_heads, rows, topk]`, of one layer after the other
    block_ids: DeviceBuffer<i32>,
    workspace: DeviceBuffer<u8>,
}

/// Bytes of an element.
pub const BF16: usize = size_of::<bf16>();

impl Memory {
    /// Memory for batches within a bucket's bounds.
    pub fn new(config: Config, most: Bucket, device: &Device) -> Result<Self> {
        let Shape { layers, heads, kv_heads } = config.model.shape;
        let Bucket { requests, rows, max_seq_length } = most;
        let limits = Limits {
            batch: requests as u32,
            rows: rows as u32,
            max_seq_length: max_seq_length as u32,
            table_width: config.width as u32,
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            topk: config.selection.topk as u32,
        };
        let workspace = indexer_workspace_bytes(&limits, device)
            .max(attention_workspace_bytes(&limits, device));
        let halves = |elements: usize| filled(elements * BF16);
        let tokens = config.pages * layers * BLOCK;
        Ok(Self {
            config,
            most,
            row_offsets: DeviceBuffer::zeroed(requests + 1)?,
            cache_lengths: DeviceBuffer::zeroed(requests)?,
            page_table: DeviceBuffer::zeroed(requests * config.width)?,
            index_q: halves(layers * rows * kv_heads * HEAD_DIM)?,
            q: halves(layers * rows * heads * HEAD_DIM)?,
            output: halves(layers * rows * heads * HEAD_DIM)?,
            index_k_pages: halves(tokens * HEAD_DIM).context("index_k_pages")?,
            kv_pages: halves(tokens * 2 * kv_heads * HEAD_DIM).context("kv_pages")?,
            block_ids: DeviceBuffer::zeroed(kv_heads * rows * config.selection.topk)?,
            workspace: filled(workspace)?,
        })
    }

    /// A layer's part of a tensor whose outermost axis is the layers.
    pub fn of_layer(&self, tensor: &DeviceBuffer<u8>, layer: usize) -> DeviceSlice<u8> {
        let bytes = tensor.len() / self.config.model.shape.layers;
        tensor.index(layer * bytes..(layer + 1) * bytes)
    }

    /// What the indexer takes and gives in a layer.
    pub fn indexer(&self, bucket: Bucket, layer: usize) -> (IndexerOperands, DeviceTensor<i32, 3>) {
        let Shape { layers, kv_heads, .. } = self.config.model.shape;
        let index_q = self.of_layer(&self.index_q, layer);
        let pages = self.config.pages;
        let operands = IndexerOperands {
            batch: self.batch(bucket),
            index_q: halves(&index_q, [bucket.rows, kv_heads, HEAD_DIM]),
            index_k_pages: halves(&self.index_k_pages, [pages, 1, layers, BLOCK, 1, HEAD_DIM]),
            index_page_table: self.table(bucket),
            layer_idx: layer as u32,
            selection: self.config.selection,
            scale: SCALE,
        };
        (operands, self.block_ids(bucket))
    }

    /// What attention takes and gives in a layer.
    pub fn attention(&self, bucket: Bucket, layer: usize) -> (AttentionOperands, AttentionResult) {
        let Shape { layers, heads, kv_heads } = self.config.model.shape;
        let (q, output) = (self.of_layer(&self.q, layer), self.of_layer(&self.output, layer));
        let pages = self.config.pages;
        let operands = AttentionOperands {
            batch: self.batch(bucket),
            q: halves(&q, [bucket.rows, heads, HEAD_DIM]),
            kv_pages: halves(&self.kv_pages, [pages, 2, layers, BLOCK, kv_heads, HEAD_DIM]),
            kv_page_table: self.table(bucket),
            layer_idx: layer as u32,
            block_ids: self.block_ids(bucket),
            scale: SCALE,
        };
        let output = halves(&output, [bucket.rows, heads, HEAD_DIM]);
        (operands, AttentionResult { output, lse: None })
    }

    /// What both operators may use.
    pub fn workspace(&self) -> Workspace {
        Workspace::from(&self.workspace)
    }

    fn batch(&self, bucket: Bucket) -> Batch {
        debug_assert!(bucket.requests <= self.most.requests && bucket.rows <= self.most.rows);
        Batch {
            row_offsets: DeviceTensor::from(&self.row_offsets).with_shape([bucket.requests + 1]),
            cache_lengths: DeviceTensor::from(&self.cache_lengths).with_shape([bucket.requests]),
            rows: bucket.rows,
            max_seq_length: bucket.max_seq_length,
        }
    }

    fn table(&self, bucket: Bucket) -> DeviceTensor<u32, 2> {
        DeviceTensor::from(&self.page_table).with_shape([bucket.requests, self.config.width])
    }

    fn block_ids(&self, bucket: Bucket) -> DeviceTensor<i32, 3> {
        let shape = [self.config.model.shape.kv_heads, bucket.rows, self.config.selection.topk];
        DeviceTensor::from(&self.block_ids).with_shape(shape)
    }
}

/// Memory that is full of NaN, if it is read as bf16: what was never written must not matter.
fn filled(bytes: usize) -> Result<DeviceBuffer<u8>> {
    // SAFETY: it is written below, before anyone reads it.
    let mut buffer = unsafe { DeviceBuffer::uninitialized(bytes)? };
    if bytes > 0 {
        buffer.set_8(0xff)?;
    }
    Ok(buffer)
}

/// A tensor of bf16 at the start of a slice.
fn halves<const RANK: usize>(
    slice: &DeviceSlice<u8>,
    shape: [usize; RANK],
) -> DeviceTensor<bf16, RANK> {
    DeviceTensor::contiguous(slice.as_device_ptr().as_raw(), slice.len() / BF16, shape)
}
