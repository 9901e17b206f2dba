//! Captured steps are replayed with other lengths, tables, pages and ids, which the device holds.

use std::ptr;

use cust::stream::{Stream, StreamFlags};
use cust::sys::{
    CUgraph, CUgraphExec, CUresult, CUstreamCaptureMode, cuGraphDestroy, cuGraphExecDestroy,
    cuGraphInstantiateWithFlags, cuGraphLaunch, cuStreamBeginCapture_v2, cuStreamEndCapture,
    cudaError_enum,
};
use msa::Selection;
use msa::gpu::Limits;
use msa::trace::BlockIds;
use msa_gpu_tests::{Bucket, cuda};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Request, hostile_ids, with_expected};

/// The bucket's blocks of a table's row, and pages of each cache.
const WIDTH: u32 = 12;
const PAGES: usize = 40;

/// The requests of a replay: new and cached tokens.
type Requests = &'static [(usize, usize)];

const DECODE: [Requests; 5] = [
    &[(1, 300), (1, 40), (1, 0), (1, 1100)],
    &[(1, 128), (1, 127)],
    &[(1, 1279)],
    &[],
    &[(1, 5), (0, 90), (1, 640), (1, 200)],
];

const SPECULATIVE: [Requests; 6] = [
    &[(4, 300), (8, 124), (1, 0), (5, 1100)],
    &[(2, 126), (3, 127)],
    &[(8, 0), (0, 300), (8, 1272)],
    &[(1, 1279), (1, 3)],
    &[],
    &[(6, 250), (0, 0), (7, 5), (5, 640)],
];

/// Captures both operators, the second with what the first selects, or attention alone; and replays the graph with each
/// batch. The bucket has room for 4 requests and fewer rows than these could have.
fn replay(max_seq_length: u32, given: bool, batches: &[Requests]) {
    let (_alone, cuda) = cuda();
    let kernels = cuda.kernels();
    let stream = Stream::new(StreamFlags::NON_BLOCKING, None).expect("a stream");
    let selection = Selection { topk: 6, init_blocks: 1, ..Selection::MINIMAX_M3 };
    let limits = Limits {
        batch: 4,
        rows: if max_seq_length == 1 { 4 } else { 20 },
        max_seq_length,
        table_width: WIDTH,
        heads: 32,
        kv_heads: 2,
        topk: selection.topk as u32,
    };
    let mut bucket = Bucket::new(kernels, limits, selection, PAGES);
    let graph = Graph::capture(&stream, || bucket.enqueue(kernels, given, &stream));
    for (seed, batch) in (0..).zip(batches) {
        let requests = batch.iter().map(|&(new, cached)| Request::new(new, cached)).collect();
        let recipe =
            Recipe { seed, requests, heads: 32, kv_heads: 2, selection, ..Recipe::default() };
        let mut trace = recipe.trace();
        if given {
            trace.block_ids = BlockIds::Given(hostile_ids(&trace, seed), None);
        }
        let trace = with_expected(trace);
        bucket.put(&trace);
        graph.launch(&stream);
        stream.synchronize().expect("a replay");
        let outcome = bucket.outcome(kernels, &trace);
        let verdict = check(&trace, &outcome).expect("this step's outcome");
        assert!(verdict.passed(), "{batch:?}: {verdict:?}");
    }
}

#[test]
fn captured_decode_is_replayed() {
    replay(1, false, &DECODE);
}

#[test]
fn captured_decode_is_replayed_with_ids_that_lead_astray() {
    replay(1, true, &DECODE);
}

#[test]
fn captured_speculative_decode_is_replayed() {
    replay(8, false, &SPECULATIVE);
}

#[test]
fn captured_speculative_decode_is_replayed_with_ids_that_lead_astray() {
    replay(8, true, &SPECULATIVE);
}

/// A captured graph, ready to be replayed.
struct Graph {
    graph: CUgraph,
    ready: CUgraphExec,
}

impl Graph {
    fn capture(stream: &Stream, enqueue: impl FnOnce()) -> Self {
        let (mut graph, mut ready) = (ptr::null_mut(), ptr::null_mut());
        // A thread that captures may do nothing that allocates or waits: such a call would end the capture.
        let mode = CUstreamCaptureMode::CU_STREAM_CAPTURE_MODE_GLOBAL;
        // SAFETY: the stream is alive, and captures nothing yet.
        ok(unsafe { cuStreamBeginCapture_v2(stream.as_inner(), mode) });
        enqueue();
        // SAFETY: it captures, and the out-pointer is valid.
        ok(unsafe { cuStreamEndCapture(stream.as_inner(), &mut graph) });
        // SAFETY: the graph was just captured, and the out-pointer is valid.
        ok(unsafe { cuGraphInstantiateWithFlags(&mut ready, graph, 0) });
        Self { graph, ready }
    }

    fn launch(&self, stream: &Stream) {
        // SAFETY: what was captured is alive, as are the graph and the stream.
        ok(unsafe { cuGraphLaunch(self.ready, stream.as_inner()) });
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
