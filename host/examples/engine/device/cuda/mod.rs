//! A GPU, or the simulator: persistent memory, one stream, and graphs for all batches but those of prompts.

mod graph;
mod memory;

use anyhow::{Context, Result, ensure};
use cust::memory::{AsyncCopyDestination, DeviceBuffer, DeviceCopy};
use cust::stream::{Stream, StreamFlags};
use half::bf16;
use msa::{BLOCK, HEAD_DIM, Route};

use self::graph::Graph;
use self::memory::{BF16, Bucket, Memory};
use super::{Device, Ran};
use crate::config::{Backend, Config};
use crate::model::Projections;
use crate::step::{Batch, PageCopy, Run};

pub struct Cuda {
    config: Config,
    // Dropped in this order.
    /// The smallest bucket first.
    graphs: Vec<(Bucket, Graph)>,
    memory: Memory,
    stream: Stream,
    cuda: msa::cuda::Cuda,
}

impl Cuda {
    /// Allocates everything, and captures a graph for each bucket.
    ///
    /// # Errors
    /// If there is no such GPU, its memory does not suffice, or its driver fails.
    pub fn new(config: Config) -> Result<Self> {
        let cuda = msa::cuda::Cuda::new()?;
        let name = cuda.kernels().device_name();
        let is_simulated = name.starts_with("Simulated");
        ensure!(is_simulated || config.backend == Backend::Cuda, "{name} is a real GPU");
        let stream = Stream::new(StreamFlags::NON_BLOCKING, None).context("a stream")?;
        let drafted = 1 + config.drafts;
        let most = Bucket {
            requests: config.batch,
            rows: config.chunk.max(config.batch * drafted),
            max_seq_length: config.chunk.max(drafted),
        };
        let memory = Memory::new(config, most, cuda.kernels().device()).context("memory")?;
        // What fills it is on another stream.
        cust::context::CurrentContext::synchronize()?;
        let mut this = Self { config, graphs: Vec::new(), memory, stream, cuda };
        for bucket in buckets(&config) {
            let graph = Graph::capture(&this.stream, || this.enqueue(bucket))?;
            this.graphs.push((bucket, graph));
        }
        Ok(this)
    }

    /// Enqueues both operators in all layers.
    fn enqueue(&self, bucket: Bucket) -> Result<()> {
        let (kernels, stream) = (self.cuda.kernels(), self.stream.as_inner());
        let workspace = self.memory.workspace();
        for layer in 0..self.config.model.shape.layers {
            let (operands, ids) = self.memory.indexer(bucket, layer);
            // SAFETY: the context is current. Memory lives until the stream has been waited for, and longer than graphs;
            // only this stream touches it, and `upload` has put a batch there that fits the bucket.
            unsafe { kernels.enqueue_indexer(&operands, &ids, workspace, stream)? };
            let (operands, result) = self.memory.attention(bucket, layer);
            // SAFETY: as above.
            unsafe { kernels.enqueue_attention(&operands, &result, workspace, stream)? };
        }
        Ok(())
    }

    /// Puts a batch where launches find it. Requests that the bucket has beyond its own have no rows; what the rows
    /// beyond its own hold does not matter.
    fn upload(&mut self, batch: &Batch, bucket: Bucket, new: &Projections) -> Result<()> {
        let padding = bucket.requests - batch.len();
        let padded = |values: &[u32], value: u32, count: usize| -> Vec<u32> {
            values.iter().copied().chain(std::iter::repeat_n(value, count)).collect()
        };
        let row_offsets = padded(&batch.row_offsets, batch.rows() as u32, padding);
        let cache_lengths = padded(&batch.cache_lengths, 0, padding);
        let width = self.config.width;
        let page_table = padded(&batch.page_table(width), u32::MAX, padding * width);
        self.put(&self.memory.row_offsets, 0, &row_offsets)?;
        self.put(&self.memory.cache_lengths, 0, &cache_lengths)?;
        self.put(&self.memory.page_table, 0, &page_table)?;

        let layers = self.config.model.shape.layers;
        for (to, from) in [(&self.memory.index_q, &new.index_q), (&self.memory.q, &new.q)] {
            let from: &[u8] = bytemuck::cast_slice(from);
            for (layer, part) in from.chunks(from.len() / layers).enumerate() {
                self.put(to, layer * to.len() / layers, part)?;
            }
        }
        let token = self.config.model.shape.kv_heads * HEAD_DIM;
        for run in batch.runs() {
            self.write(&self.memory.index_k_pages, [0, 1], HEAD_DIM, run, &new.index_k)?;
            self.write(&self.memory.kv_pages, [0, 2], token, run, &new.k)?;
            self.write(&self.memory.kv_pages, [1, 2], token, run, &new.v)?;
        }
        // The small vectors end here, and the driver may still read them.
        self.stream.synchronize().context("uploads")
    }

    /// Writes new tokens to one of the planes of a page, in all layers: `new` is `[layers, rows, token_len]`.
    fn write(
        &self,
        pages: &DeviceBuffer<u8>,
        [plane, planes]: [usize; 2],
        token_len: usize,
        run: Run,
        new: &[bf16],
    ) -> Result<()> {
        let layers = self.config.model.shape.layers;
        for (layer, new) in new.chunks(new.len() / layers).enumerate() {
            let to = ((run.page as usize * planes + plane) * layers + layer) * BLOCK + run.slot;
            let from = &new[run.row * token_len..][..run.len * token_len];
            self.put(pages, to * token_len * BF16, bytemuck::cast_slice(from))?;
        }
        Ok(())
    }

    /// Enqueues a copy to some elements of a buffer.
    fn put<T: DeviceCopy>(&self, to: &DeviceBuffer<T>, start: usize, from: &[T]) -> Result<()>
    where
        [T]: AsMut<[T]>,
    {
        let mut to = to.index(start..start + from.len());
        // SAFETY: the caller waits for the stream while the values live; nothing else uses the memory meanwhile.
        unsafe { to.async_copy_from(from, &self.stream) }.context("an upload")
    }

    fn download(&self, rows: usize, outputs: &mut [bf16]) -> Result<()> {
        let layers = self.config.model.shape.layers;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(outputs);
        let of_layer = bytes.len() / layers;
        debug_assert_eq!(of_layer, rows * self.config.model.shape.heads * HEAD_DIM * BF16);
        for (layer, to) in bytes.chunks_mut(of_layer).enumerate() {
            let from = self.memory.of_layer(&self.memory.output, layer).index(..of_layer);
            // SAFETY: the caller waits for the stream before it touches them.
            unsafe { from.async_copy_to(to, &self.stream) }.context("a download")?;
        }
        Ok(())
    }
}

impl Device for Cuda {
    fn name(&self) -> String {
        let kernels = self.cuda.kernels();
        let tier = kernels.dispatch(Route::Decode).tier;
        format!("{}, {tier}, {} graphs", kernels.device_name(), self.graphs.len())
    }

    fn copy_pages(&mut self, copies: &[PageCopy]) -> Result<()> {
        for cache in [&self.memory.index_k_pages, &self.memory.kv_pages] {
            let bytes = cache.len() / self.config.pages;
            let page = |page: u32| cache.index(page as usize * bytes..(page as usize + 1) * bytes);
            for &PageCopy { from, to } in copies {
                // SAFETY: pages outlive the copy, and only this stream touches them.
                let copied = unsafe { page(to).async_copy_from(&page(from), &self.stream) };
                copied.context("a copy of a page")?;
            }
        }
        Ok(())
    }

    fn run(&mut self, batch: &Batch, outputs: &mut Vec<bf16>) -> Result<Ran> {
        let exact = Bucket {
            requests: batch.len(),
            rows: batch.rows(),
            max_seq_length: batch.max_seq_length(),
        };
        let captured = self.graphs.iter().position(|(bucket, _)| bucket.has_room_for(exact));
        let bucket = captured.map_or(exact, |index| self.graphs[index].0);
        let heads = self.config.model.shape.heads;
        let layers = self.config.model.shape.layers;
        outputs.resize(layers * batch.rows() * heads * HEAD_DIM, bf16::ZERO);

        let new = self.config.model.project(&batch.chains);
        let enqueued = self.upload(batch, bucket, &new).and_then(|()| {
            match captured {
                // SAFETY: memory lives as long as the graph, and the stream is waited for below.
                Some(index) => unsafe { self.graphs[index].1.launch(&self.stream)? },
                None => self.enqueue(bucket)?,
            }
            self.download(batch.rows(), outputs)
        });
        // In any case: what was enqueued reads and writes memory of this call.
        let waited = self.stream.synchronize().context("the launches");
        enqueued.and(waited)?;
        let route = Route::for_max_seq_length(bucket.max_seq_length);
        Ok(Ran { route, is_replay: captured.is_some() })
    }
}

impl Bucket {
    fn has_room_for(self, other: Self) -> bool {
        other.requests <= self.requests
            && other.rows <= self.rows
            && other.max_seq_length <= self.max_seq_length
    }
}

/// Buckets of 1, 2, 4, 8... requests, up to those that run at a time; of a row each, and with all drafts.
fn buckets(config: &Config) -> Vec<Bucket> {
    let doubled = std::iter::successors(Some(1), |requests| Some(2 * requests));
    let mut sizes: Vec<usize> = doubled.take_while(|&requests| requests < config.batch).collect();
    sizes.push(config.batch);
    let mut lengths = vec![1, 1 + config.drafts];
    lengths.dedup();
    let bucket = |max_seq_length| {
        move |&requests: &usize| Bucket {
            requests,
            rows: requests * max_seq_length,
            max_seq_length,
        }
    };
    lengths.iter().flat_map(|&length| sizes.iter().map(bucket(length))).collect()
}
