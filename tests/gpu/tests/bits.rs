//! A row's result has the same bits however often, beside whatever and in whichever parts it is computed.
//!
//! How work is split depends on the number of requests and, for the indexer, on the width of the table. So buckets of
//! several sizes split the same step in other ways, and the plans say that they do. Splits that no plan of the device makes
//! are tested where kernels are launched without one, in `../tests/kernels` of this crate's folder.

use std::collections::BTreeSet;

use cust::stream::{Stream, StreamFlags};
use msa::cuda::Kernels;
use msa::gpu::{Limits, Params, Plan};
use msa::trace::{BlockIds, IndexerInputs, Tensor, Trace};
use msa::{Backend, Route, Selection};
use msa_gpu_tests::{Bucket, cuda};
use msa_tests::check::check;
use msa_tests::generate::{Recipe, Request, hostile_ids, with_expected};
use msa_tests::run::{all_bits, bits, run};

/// New tokens of the longest request on each route.
const ROUTES: [usize; 3] = [1, 5, 12];

/// 161 blocks, which the indexer splits.
const LONG: usize = 20_500;

fn recipe(requests: &[(usize, usize)]) -> Recipe {
    let requests = requests.iter().map(|&(new, cached)| Request::new(new, cached)).collect();
    let selection = Selection { topk: 8, ..Selection::MINIMAX_M3 };
    Recipe { seed: 11, requests, selection, ..Recipe::default() }
}

/// The step, and the same with given ids.
fn both(trace: Trace) -> [Trace; 2] {
    let ids = BlockIds::Given(hostile_ids(&trace, 11), None);
    [Trace { block_ids: ids, ..trace.clone() }, trace]
}

#[test]
fn ten_runs_give_the_same_bits() {
    let (_alone, cuda) = cuda();
    let backend = Backend::Cuda(cuda);
    for new in ROUTES {
        for trace in both(recipe(&[(new, 500), (0, 5), (1, 126)]).trace()) {
            let first = all_bits(&run(&trace, &backend));
            for nth in 1..10 {
                let again = all_bits(&run(&trace, &backend));
                assert!(again == first, "run {nth} with {new} new tokens");
            }
        }
    }
}

#[test]
fn a_request_gives_the_same_bits_alone_and_among_others() {
    let (_alone, cuda) = cuda();
    let backend = Backend::Cuda(cuda);
    for new in ROUTES {
        let requests = [(new, LONG), (0, 5), (new, 126), (1, 127), (1, 2000)];
        for trace in both(recipe(&requests).trace()) {
            let together = run(&trace, &backend);
            for (request, bounds) in trace.row_offsets.windows(2).enumerate() {
                let alone = run(&only(&trace, request), &backend);
                let rows = bounds[0] as usize..bounds[1] as usize;
                let same = all_bits(&alone) == bits(&together, rows);
                assert!(same, "request {request} of {new} new tokens");
            }
        }
    }
}

/// A row's blocks are the same to decode and to prefill, whichever matrix instructions these have.
#[test]
fn the_last_row_of_a_prompt_gives_the_bits_of_decode() {
    let (_alone, cuda) = cuda();
    let backend = Backend::Cuda(cuda);
    let new = 12;
    for trace in both(recipe(&[(new, LONG)]).trace()) {
        let prompt = run(&trace, &backend);
        let decoded = run(&last_row(&trace, new), &backend);
        assert_eq!(prompt.dispatch.route, Route::Prefill);
        assert_eq!(decoded.dispatch.route, Route::Decode);
        assert!(all_bits(&decoded) == bits(&prompt, new - 1..new));
    }
}

#[test]
fn buckets_of_every_size_give_the_same_bits() {
    let (_alone, cuda) = cuda();
    let kernels = cuda.kernels();
    let stream = Stream::new(StreamFlags::NON_BLOCKING, None).expect("a stream");
    for new in ROUTES {
        let trace = with_expected(recipe(&[(new, LONG)]).trace());
        let mut first = None;
        let mut ways = [BTreeSet::new(), BTreeSet::new()];
        let widths = [(1, 163), (1, 400)].into_iter();
        for (batch, table_width) in widths.chain([5, 9, 25, 40, 300].map(|batch| (batch, 163))) {
            let limits = Limits {
                batch,
                rows: batch * new as u32,
                max_seq_length: new as u32,
                table_width,
                heads: 16,
                kv_heads: 1,
                topk: trace.selection.topk as u32,
            };
            let pages = trace.kv_pages.shape()[0] + 2;
            let mut bucket = Bucket::new(kernels, limits, trace.selection, pages);
            bucket.put(&trace);
            bucket.enqueue(kernels, false, &stream);
            stream.synchronize().expect("a step");
            let outcome = bucket.outcome(kernels, &trace);
            let bits = all_bits(&outcome);
            let first = first.get_or_insert_with(|| {
                let verdict = check(&trace, &outcome).expect("this step's outcome");
                assert!(verdict.passed(), "{new} new tokens: {verdict:?}");
                bits.clone()
            });
            assert!(bits == *first, "{new} new tokens in {limits:?}");
            for (ways, way) in ways.iter_mut().zip(split(&bucket, kernels)) {
                ways.insert(way);
            }
        }
        let [indexer, attention] = ways.map(|ways| ways.len());
        assert!(indexer >= 3, "{new} new tokens: the indexer's work is split in {indexer} ways");
        // Prefill's attention is by tiles of rows, on Hopper of several sizes, and never split.
        let least = if new > 8 { 1 } else { 3 };
        assert!(attention >= least, "{new} new tokens: attention's is in {attention} ways");
    }
}

/// How each operator's work is split: into parts, of tiles of so many rows.
fn split(bucket: &Bucket, kernels: &Kernels) -> [(u32, u32); 2] {
    let (device, workspace) = (kernels.device(), bucket.workspace());
    let indexer = bucket.indexer().plan(&bucket.block_ids(), device, workspace);
    let attention = bucket.attention().plan(&bucket.result(), device, workspace);
    let of_plan = |plan: Plan| match plan.launches().next().expect("a launch").params {
        Params::Index(params) => (params.splits, 0),
        Params::Attend(params) => (params.splits, params.tile_rows),
        other => panic!("{other:?} comes first"),
    };
    [indexer, attention].map(|plan| of_plan(plan.expect("a sound bucket")))
}

/// One request of a step, with the pages of all.
fn only(trace: &Trace, request: usize) -> Trace {
    let rows = trace.row_offsets[request] as usize..trace.row_offsets[request + 1] as usize;
    let block_ids = match &trace.block_ids {
        BlockIds::Given(ids, inputs) => {
            let [kv_heads, all_rows, topk] = ids.shape();
            let lists = ids.data().chunks(topk).enumerate();
            let ours = lists.filter(|(list, _)| rows.contains(&(list % all_rows)));
            let ids = ours.flat_map(|(_, list)| list).copied().collect();
            BlockIds::Given(Tensor::new([kv_heads, rows.len(), topk], ids), inputs.clone())
        }
        BlockIds::Indexer(inputs) => BlockIds::Indexer(IndexerInputs {
            index_q: part(&inputs.index_q, rows.clone()),
            index_page_table: part(&inputs.index_page_table, request..request + 1),
            ..inputs.clone()
        }),
    };
    Trace {
        row_offsets: vec![0, rows.len() as u32],
        cache_lengths: vec![trace.cache_lengths[request]],
        q: part(&trace.q, rows),
        kv_page_table: part(&trace.kv_page_table, request..request + 1),
        block_ids,
        ..trace.clone()
    }
}

/// The last of the `new` rows of a step of one request, as a step of its own.
fn last_row(trace: &Trace, new: usize) -> Trace {
    let row = new - 1..new;
    let block_ids = match &trace.block_ids {
        BlockIds::Given(ids, inputs) => {
            let [kv_heads, _, topk] = ids.shape();
            assert_eq!(kv_heads, 1);
            let last = ids.data()[(new - 1) * topk..].to_vec();
            BlockIds::Given(Tensor::new([1, 1, topk], last), inputs.clone())
        }
        BlockIds::Indexer(inputs) => BlockIds::Indexer(IndexerInputs {
            index_q: part(&inputs.index_q, row.clone()),
            ..inputs.clone()
        }),
    };
    Trace {
        row_offsets: vec![0, 1],
        cache_lengths: vec![trace.cache_lengths[0] + new as u32 - 1],
        q: part(&trace.q, row),
        block_ids,
        ..trace.clone()
    }
}

/// A range of a tensor's outermost axis.
fn part<T: Copy, const RANK: usize>(
    tensor: &Tensor<T, RANK>,
    range: std::ops::Range<usize>,
) -> Tensor<T, RANK> {
    let mut shape = tensor.shape();
    shape[0] = range.len();
    let each: usize = shape[1..].iter().product();
    Tensor::new(shape, tensor.data()[range.start * each..range.end * each].to_vec())
}
