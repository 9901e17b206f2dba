//! Merges of what shards give, on the GPU: the bits of the CPU.

use cust::stream::{Stream, StreamFlags};
use half::bf16;
use msa::Backend;
use msa::gpu::{AttentionResult, MergeStatesOperands};
use msa::trace::Tensor;
use msa_gpu_tests::{Owned, cuda};
use msa_tests::generate::{Recipe, Request};
use msa_tests::partials::{Merged, Partials, run_merge};
use msa_tests::run::{run, run_attention};
use msa_tests::shards::{Ownership, some_blocks};

#[test]
fn partials_are_merged_to_the_bits_of_the_cpu() {
    let (_alone, cuda) = cuda();
    let backend = Backend::Cuda(cuda);
    for (seed, shape) in (0..).zip([[1, 3, 16], [2, 9, 64], [8, 5, 16], [11, 2, 3]]) {
        let partials = Partials::hostile(seed, shape);
        let merged = run_merge(&partials.operands(), &backend);
        merged.assert_merges(&partials);
        let cpu = run_merge(&partials.operands(), &Backend::default());
        assert!(merged.bits() == cpu.bits(), "{shape:?}");
    }
}

#[test]
fn shards_of_the_blocks_merge_into_the_whole() {
    let (_alone, cuda) = cuda();
    let backend = Backend::Cuda(cuda);
    for requests in [vec![Request::new(1, 9000)], vec![Request::new(12, 4000)]] {
        let trace = Recipe { requests, ..Recipe::default() }.trace();
        let whole = run(&trace, &backend);
        let unsplit = Merged { output: whole.output.clone(), lse: whole.lse.clone() };
        let attended: Vec<Merged> = (0..4)
            .map(|shard| {
                let (ours, ids) =
                    some_blocks(&trace, &whole.block_ids, Ownership::InTurn, shard, 4);
                let (output, lse, _) =
                    run_attention(&ours.attention_operands(ids.view()), &backend);
                Merged { output, lse }
            })
            .collect();
        let partials = Partials::of_shards(&attended);
        let merged = run_merge(&partials.operands(), &backend);
        merged.assert_equals_unsplit(&partials, &unsplit);
    }
}

/// As an engine does it: on its own stream, from where a collective has put what the shards gave.
#[test]
fn an_engine_enqueues_merges_in_its_own_memory() {
    let (_alone, cuda) = cuda();
    let kernels = cuda.kernels();
    let stream = Stream::new(StreamFlags::NON_BLOCKING, None).expect("a stream");
    let (rows, heads) = (4, 16);
    let partials = Partials::hostile(21, [8, rows, heads]);
    let output = Owned::new(partials.output.data(), partials.output.shape());
    let lse = Owned::new(partials.lse.data(), partials.lse.shape());
    let operands =
        MergeStatesOperands { partial_output: output.tensor(), partial_lse: lse.tensor() };
    let merged = Owned::new(&vec![bf16::NAN; rows * heads * 128], [rows, heads, 128]);
    let merged_lse = Owned::new(&vec![f32::NAN; rows * heads], [rows, heads]);
    let result = AttentionResult { output: merged.tensor(), lse: Some(merged_lse.tensor()) };
    // SAFETY: all of it outlives the launch, which is waited for, and nothing else touches it.
    let ran = unsafe { kernels.enqueue_merge_states(&operands, &result, stream.as_inner()) };
    assert_eq!(ran.expect("sound operands").backend, "cuda");
    stream.synchronize().expect("a merge");
    let merged = Merged {
        output: Tensor::new([rows, heads, 128], merged.read()),
        lse: Tensor::new([rows, heads], merged_lse.read()),
    };
    let cpu = run_merge(&partials.operands(), &Backend::default());
    assert!(merged.bits() == cpu.bits());
}
