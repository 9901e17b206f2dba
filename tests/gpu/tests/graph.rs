//! A captured step is replayed with other lengths, tables and ids, which the device holds.

use std::ptr;

use cust::stream::{Stream, StreamFlags};
use cust::sys::{
    CUgraph, CUgraphExec, CUresult, CUstream, CUstreamCaptureMode, cuGraphDestroy,
    cuGraphExecDestroy, cuGraphInstantiateWithFlags, cuGraphLaunch, cuStreamBeginCapture_v2,
    cuStreamEndCapture, cudaError_enum,
};
use half::bf16;
use msa::HEAD_DIM;
use msa::cuda::{Cuda, Kernels};
use msa::gpu::{
    AttentionOperands, AttentionResult, Batch, Limits, Workspace, attention_workspace_bytes,
};
use msa::trace::{BlockIds, Outcome, Tensor, Trace};
use msa_gpu_tests::{Owned, cuda};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Request, hostile_ids, with_expected};

/// The bucket that is captured: requests, pages, and blocks of a table's row.
const BATCH: usize = 4;
const PAGES: usize = 40;
const WIDTH: usize = 12;

const TOPK: usize = 16;
const HEADS: usize = 16;

/// A bucket's operands and results on the device.
struct Bucket {
    row_offsets: Owned<u32, 1>,
    cache_lengths: Owned<u32, 1>,
    q: Owned<bf16, 3>,
    kv_pages: Owned<bf16, 6>,
    table: Owned<u32, 2>,
    block_ids: Owned<i32, 3>,
    output: Owned<bf16, 3>,
    lse: Owned<f32, 2>,
    workspace: Owned<u8, 1>,
}

impl Bucket {
    fn new(kernels: &Kernels) -> Self {
        fn room<T: bytemuck::Pod, const RANK: usize>(shape: [usize; RANK]) -> Owned<T, RANK> {
            Owned::new(&vec![T::zeroed(); shape.iter().product()], shape)
        }
        let limits = Limits {
            batch: BATCH as u32,
            rows: BATCH as u32,
            max_seq_length: 1,
            table_width: WIDTH as u32,
            heads: HEADS as u32,
            kv_heads: 1,
            topk: TOPK as u32,
        };
        Self {
            row_offsets: room([BATCH + 1]),
            cache_lengths: room([BATCH]),
            q: room([BATCH, HEADS, HEAD_DIM]),
            kv_pages: room([PAGES, 2, 1, 128, 1, HEAD_DIM]),
            table: room([BATCH, WIDTH]),
            block_ids: room([1, BATCH, TOPK]),
            output: room([BATCH, HEADS, HEAD_DIM]),
            lse: room([BATCH, HEADS]),
            workspace: room([attention_workspace_bytes(&limits, kernels.device())]),
        }
    }

    /// Puts a step where the graph finds it: fewer requests than the bucket has own no rows, and later rows are
    /// padding.
    fn put(&mut self, trace: &Trace) {
        let (BlockIds::Given(ids, _), batch) = (&trace.block_ids, trace.cache_lengths.len()) else {
            panic!("ids are given");
        };
        let last = *trace.row_offsets.last().expect("an offset");
        self.row_offsets.write(&padded(&trace.row_offsets, BATCH + 1, last));
        self.cache_lengths.write(&padded(&trace.cache_lengths, BATCH, 0));
        self.q.write(&padded(trace.q.data(), BATCH * HEADS * HEAD_DIM, bf16::NAN));
        let pages = PAGES * 2 * 128 * HEAD_DIM;
        self.kv_pages.write(&padded(trace.kv_pages.data(), pages, bf16::NAN));
        let width = trace.kv_page_table.shape()[1];
        let rows = trace.kv_page_table.data().chunks(width);
        let table: Vec<u32> = rows.flat_map(|row| padded(row, WIDTH, u32::MAX)).collect();
        self.table.write(&padded(&table, BATCH * WIDTH, u32::MAX));
        self.block_ids.write(&padded(ids.data(), BATCH * TOPK, 0));
        assert!(batch <= BATCH);
        self.output.write(&vec![PADDING; BATCH * HEADS * HEAD_DIM]);
        self.lse.write(&[-7.0; BATCH * HEADS]);
    }

    fn enqueue(&self, cuda: &Cuda, stream: CUstream) {
        let operands = AttentionOperands {
            batch: Batch {
                row_offsets: self.row_offsets.tensor(),
                cache_lengths: self.cache_lengths.tensor(),
                rows: BATCH,
                max_seq_length: 1,
            },
            q: self.q.tensor(),
            kv_pages: self.kv_pages.tensor(),
            kv_page_table: self.table.tensor(),
            layer_idx: 0,
            block_ids: self.block_ids.tensor(),
            scale: Recipe::SCALE,
        };
        let result = AttentionResult { output: self.output.tensor(), lse: Some(self.lse.tensor()) };
        let memory = self.workspace.tensor();
        let workspace = Workspace { address: memory.address(), bytes: memory.shape()[0] };
        // SAFETY: all of it outlives the graph, and `put` writes only between replays.
        let ran =
            unsafe { cuda.kernels().enqueue_attention(&operands, &result, workspace, stream) };
        ran.expect("a sound bucket");
    }

    /// What a replay gave of the rows that are not padding, where nothing was written.
    fn outcome(&self, cuda: &Cuda, trace: &Trace) -> Outcome {
        let BlockIds::Given(ids, _) = &trace.block_ids else { panic!("ids are given") };
        let rows = trace.q.shape()[0];
        let (mut output, mut lse) = (self.output.read(), self.lse.read());
        let padding = output.split_off(rows * HEADS * HEAD_DIM);
        assert!(padding.iter().all(|&element| element == PADDING));
        assert!(lse.split_off(rows * HEADS).iter().all(|&lse| lse == -7.0));
        Outcome {
            block_ids: ids.clone(),
            output: Tensor::new([rows, HEADS, HEAD_DIM], output),
            lse: Tensor::new([rows, HEADS], lse),
            dispatch: cuda.kernels().dispatch(trace.batch().route()),
        }
    }
}

/// What nothing has written.
const PADDING: bf16 = bf16::from_bits(0x4240);

#[test]
fn a_captured_decode_is_replayed_with_what_the_device_holds_then() {
    let (_alone, cuda) = cuda();
    let stream = Stream::new(StreamFlags::NON_BLOCKING, None).expect("a stream");
    let mut bucket = Bucket::new(cuda.kernels());
    let graph = Graph::capture(stream.as_inner(), || bucket.enqueue(&cuda, stream.as_inner()));
    for (seed, cached) in
        [&[300, 40, 0, 1100][..], &[128, 127], &[1279], &[5, 640, 200]].into_iter().enumerate()
    {
        let requests = cached.iter().map(|&cached| Request::new(1, cached)).collect();
        let recipe = Recipe { seed: seed as u64, requests, ..Recipe::default() };
        let mut trace = recipe.trace();
        trace.block_ids = BlockIds::Given(hostile_ids(&trace, 9 + recipe.seed), None);
        let trace = with_expected(trace);
        bucket.put(&trace);
        graph.launch(stream.as_inner());
        stream.synchronize().expect("a replay");
        let outcome = bucket.outcome(&cuda, &trace);
        let verdict = check(&trace, &outcome).expect("this step's outcome");
        assert!(verdict.passed(), "{cached:?}: {verdict:?}");
    }
}

/// A captured graph, ready to be replayed.
struct Graph {
    graph: CUgraph,
    ready: CUgraphExec,
}

impl Graph {
    fn capture(stream: CUstream, enqueue: impl FnOnce()) -> Self {
        let (mut graph, mut ready) = (ptr::null_mut(), ptr::null_mut());
        // A thread that captures may do nothing that allocates or waits: such a call would end the capture.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL;
        // SAFETY: the stream is alive, and captures nothing yet.
        ok(unsafe { cuStreamBeginCapture_v2(stream, mode) });
        enqueue();
        // SAFETY: it captures, and the out-pointer is valid.
        ok(unsafe { cuStreamEndCapture(stream, &mut graph) });
        // SAFETY: the graph was just captured, and the out-pointer is valid.
        ok(unsafe { cuGraphInstantiateWithFlags(&mut ready, graph, 0) });
        Self { graph, ready }
    }

    fn launch(&self, stream: CUstream) {
        // SAFETY: what was captured is alive, as are the graph and the stream.
        ok(unsafe { cuGraphLaunch(self.ready, stream) });
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: neither is used again, and no replay runs.
        unsafe { (cuGraphExecDestroy(self.ready), cuGraphDestroy(self.graph)) };
    }
}

fn ok(result: CUresult) {
    assert_eq!(result, cudaError_enum::CUDA_SUCCESS);
}

/// Some values, and others up to a length.
fn padded<T: Copy>(values: &[T], len: usize, padding: T) -> Vec<T> {
    assert!(values.len() <= len);
    values.iter().copied().chain(std::iter::repeat(padding)).take(len).collect()
}
