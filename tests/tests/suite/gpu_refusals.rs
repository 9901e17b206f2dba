//! What is refused before anything is launched on a GPU.

use half::bf16;
use msa::Selection;
use msa::gpu::{
    AttentionOperands, AttentionResult, Batch, Device, DeviceTensor, IndexerOperands,
    MergeStatesOperands, Ptx, Workspace,
};

const DEVICE: Device = Device {
    capability: (9, 0),
    ptx: Ptx::SM_90A,
    multiprocessors: 132,
    shared_per_block_optin: 227 << 10,
    shared_per_multiprocessor: 228 << 10,
    max_cluster: 16,
};

const WORKSPACE: Workspace = Workspace { address: 1 << 40, bytes: 1 << 30 };

/// A tensor in a buffer that it fills.
fn tensor<T, const RANK: usize>(shape: [usize; RANK]) -> DeviceTensor<T, RANK> {
    at(0x1000, shape)
}

fn at<T, const RANK: usize>(address: u64, shape: [usize; RANK]) -> DeviceTensor<T, RANK> {
    DeviceTensor::contiguous(address, shape.iter().product(), shape)
}

/// Two requests, three rows.
fn batch() -> Batch {
    Batch { row_offsets: tensor([3]), cache_lengths: tensor([2]), rows: 3, max_seq_length: 2 }
}

#[test]
fn the_indexer_refuses_what_the_host_can_know() {
    let good = IndexerOperands {
        batch: batch(),
        index_q: tensor([3, 2, 128]),
        index_k_pages: tensor([5, 1, 2, 128, 1, 128]),
        index_page_table: tensor([2, 5]),
        layer_idx: 1,
        selection: Selection::MINIMAX_M3,
        scale: 0.1,
    };
    let ids = tensor([2, 3, 16]);
    assert!(good.plan(&ids, &DEVICE, WORKSPACE).is_ok());
    let of = |topk| Selection { topk, ..Selection::MINIMAX_M3 };

    #[rustfmt::skip]
    let cases = [
        (IndexerOperands { index_q: tensor([3, 2, 64]), ..good }, ids,
            "index_q: axis `head dim` is 64, expected 128"),
        (IndexerOperands { index_q: tensor([4, 2, 128]), ..good }, ids,
            "index_q: axis `rows` is 4, expected 3"),
        (IndexerOperands { index_q: at(0x1008, [3, 2, 128]), ..good }, ids,
            "index_q: the address 0x1008 is no multiple of 16 bytes"),
        (IndexerOperands { index_q: at(0, [3, 2, 128]), ..good }, ids,
            "index_q is null, expected an address on the device"),
        (IndexerOperands { index_q: tensor([3, 4, 128]).with_shape([3, 2, 128]).with_stride(0, 260), ..good }, ids,
            "index_q: the stride of axis 0 is 260, expected a multiple of 8"),
        (IndexerOperands { index_q: tensor([3, 2, 128]).with_stride(0, 264), ..good }, ids,
            "index_q: the buffer holds 768 elements, expected at least 784"),
        (IndexerOperands { index_q: tensor([3, 2, 128]).with_stride(2, 2), ..good }, ids,
            "index_q: the innermost stride is 2, expected 1"),
        (IndexerOperands { index_k_pages: tensor([5, 2, 2, 128, 1, 128]), ..good }, ids,
            "index_k_pages: axis `K and V` is 2, expected 1"),
        (IndexerOperands { index_k_pages: tensor([5, 1, 2, 64, 1, 128]), ..good }, ids,
            "index_k_pages: axis `block size` is 64, expected 128"),
        (IndexerOperands { index_k_pages: tensor([5, 1, 2, 128, 2, 128]), ..good }, ids,
            "index_k_pages: axis `heads` is 2, expected 1"),
        (IndexerOperands { layer_idx: 2, ..good }, ids,
            "layer_idx is 2 of 2 in index_k_pages, expected below the cache's number of layers"),
        (IndexerOperands { index_page_table: tensor([3, 5]), ..good }, ids,
            "index_page_table: axis `batch` is 3, expected 2"),
        (IndexerOperands { index_page_table: tensor([2, 0]), ..good }, ids,
            "index_page_table is 0, expected at least 1 entry a request"),
        (IndexerOperands { index_page_table: tensor([2, 8193]), ..good }, ids,
            "index_page_table is 8193, expected at most 8192 entries a request"),
        (IndexerOperands { index_page_table: at(0x1002, [2, 5]), ..good }, ids,
            "index_page_table: the address 0x1002 is no multiple of 4 bytes"),
        (IndexerOperands { selection: of(0), ..good }, ids, "topk is 0, expected 1 to 64"),
        (IndexerOperands { selection: of(65), ..good }, ids, "topk is 65, expected 1 to 64"),
        (IndexerOperands { scale: f32::NAN, ..good }, ids,
            "index_scale is NaN, expected a finite number"),
        (IndexerOperands { batch: Batch { rows: 5, ..batch() }, index_q: tensor([5, 2, 128]), ..good }, ids,
            "rows is 5 of 2 * 2, expected at most batch * max_seq_length"),
        (IndexerOperands { batch: Batch { row_offsets: tensor([2]), ..batch() }, ..good }, ids,
            "row_offsets: axis `batch + 1` is 2, expected 3"),
        (IndexerOperands { batch: Batch { cache_lengths: DeviceTensor::contiguous(0x1000, 1, [2]), ..batch() }, ..good }, ids,
            "cache_lengths: the buffer holds 1 elements, expected at least 2"),
        (IndexerOperands { batch: Batch { max_seq_length: 1 << 32, ..batch() }, ..good }, ids,
            "max_seq_length is 4294967296, expected at most 2^32 - 1"),
        (IndexerOperands { index_q: tensor([3, 65536, 128]), ..good }, tensor([65536, 3, 16]),
            "block_topk: the grid has 65536 blocks along axis 1, expected at most 65535"),
        (good, tensor([1, 3, 16]), "block_ids: axis `index heads` is 1, expected 2"),
        (good, tensor([2, 2, 16]), "block_ids: axis `rows` is 2, expected 3"),
        (good, tensor([2, 3, 15]), "block_ids: axis `topk` is 15, expected 16"),
        (good, tensor([2, 3, 17]).with_shape([2, 3, 16]).with_stride(1, 17),
            "block_ids: the stride of axis 1 is 17, expected that of a dense tensor"),
        (good, DeviceTensor::contiguous(0x1000, 95, [2, 3, 16]),
            "block_ids: the buffer holds 95 elements, expected at least 96"),
    ];
    for (operands, ids, message) in cases {
        let error = operands.plan(&ids, &DEVICE, WORKSPACE).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn attention_refuses_what_the_host_can_know() {
    let good = AttentionOperands {
        batch: batch(),
        q: tensor([3, 8, 128]),
        kv_pages: tensor([5, 2, 2, 128, 2, 128]),
        kv_page_table: tensor([2, 5]),
        layer_idx: 1,
        block_ids: tensor([2, 3, 4]),
        scale: 0.1,
    };
    let to = AttentionResult { output: tensor([3, 8, 128]), lse: Some(tensor([3, 8])) };
    assert!(good.plan(&to, &DEVICE, WORKSPACE).is_ok());
    let output = |output: DeviceTensor<bf16, 3>| AttentionResult { output, ..to };
    let lse = |lse: DeviceTensor<f32, 2>| AttentionResult { lse: Some(lse), ..to };

    #[rustfmt::skip]
    let cases = [
        (AttentionOperands { q: tensor([3, 7, 128]), ..good }, to,
            "q is 7 heads for 2, expected a multiple of kv_pages' heads as its number of heads"),
        (AttentionOperands { q: tensor([3, 34, 128]), ..good }, to,
            "q is 17 (34 heads for 2), expected 1 to 16 query heads for each KV head"),
        (AttentionOperands { q: at(0x1004, [3, 8, 128]), ..good }, to,
            "q: the address 0x1004 is no multiple of 16 bytes"),
        (AttentionOperands { q: tensor([3, 8, 128]).with_stride(1, 124), ..good }, to,
            "q: the stride of axis 1 is 124, expected a multiple of 8"),
        (AttentionOperands { kv_pages: tensor([5, 1, 2, 128, 2, 128]), ..good }, to,
            "kv_pages: axis `K and V` is 1, expected 2"),
        (AttentionOperands { kv_pages: at(0x1010, [5, 2, 2, 128, 2, 128]).with_stride(0, 4), ..good }, to,
            "kv_pages: the stride of axis 0 is 4, expected a multiple of 8"),
        (AttentionOperands { kv_page_table: tensor([2, 0]), ..good }, to,
            "kv_page_table is 0, expected at least 1 entry a request"),
        (AttentionOperands { block_ids: tensor([1, 3, 4]), ..good }, to,
            "block_ids: axis `kv heads` is 1, expected 2"),
        (AttentionOperands { block_ids: tensor([2, 3, 0]), ..good }, to, "topk is 0, expected 1 to 64"),
        (AttentionOperands { scale: f32::INFINITY, ..good }, to, "scale is inf, expected a finite number"),
        (good, output(tensor([3, 7, 128])), "output: axis `heads` is 7, expected 8"),
        (good, output(at(0x1002, [3, 8, 128])), "output: the address 0x1002 is no multiple of 16 bytes"),
        (good, output(tensor([3, 9, 128]).with_shape([3, 8, 128]).with_stride(0, 9 * 128)),
            "output: the stride of axis 0 is 1152, expected that of a dense tensor"),
        (good, lse(tensor([3, 7])), "lse: axis `heads` is 7, expected 8"),
        (good, lse(at(0x1001, [3, 8])), "lse: the address 0x1001 is no multiple of 4 bytes"),
        (good, lse(at(0, [3, 8])), "lse is null, expected an address on the device"),
    ];
    for (operands, result, message) in cases {
        let error = operands.plan(&result, &DEVICE, WORKSPACE).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_merge_refuses_what_it_must() {
    let good = MergeStatesOperands {
        partial_output: tensor([2, 3, 8, 128]),
        partial_lse: tensor([2, 3, 8]),
    };
    let to = AttentionResult { output: tensor([3, 8, 128]), lse: Some(tensor([3, 8])) };
    assert!(good.plan(&to, &DEVICE).is_ok());

    #[rustfmt::skip]
    let cases = [
        (MergeStatesOperands { partial_output: tensor([0, 3, 8, 128]), ..good }, to,
            "shards is 0, expected at least 1"),
        (MergeStatesOperands { partial_output: tensor([2, 3, 8, 64]), ..good }, to,
            "partial_output: axis `head dim` is 64, expected 128"),
        (MergeStatesOperands { partial_output: at(0x1008, [2, 3, 8, 128]), ..good }, to,
            "partial_output: the address 0x1008 is no multiple of 16 bytes"),
        (MergeStatesOperands { partial_output: tensor([2, 4, 8, 128]).with_shape([2, 3, 8, 128]).with_stride(0, 3076), ..good }, to,
            "partial_output: the stride of axis 0 is 3076, expected a multiple of 8"),
        (MergeStatesOperands { partial_output: tensor([2, 3, 8, 128]).with_stride(0, 3080), ..good }, to,
            "partial_output: the buffer holds 6144 elements, expected at least 6152"),
        (MergeStatesOperands { partial_lse: tensor([1, 3, 8]), ..good }, to,
            "partial_lse: axis `shards` is 1, expected 2"),
        (MergeStatesOperands { partial_lse: tensor([2, 2, 8]), ..good }, to,
            "partial_lse: axis `rows` is 2, expected 3"),
        (MergeStatesOperands { partial_lse: tensor([2, 3, 9]), ..good }, to,
            "partial_lse: axis `heads` is 9, expected 8"),
        (MergeStatesOperands { partial_lse: at(0x1002, [2, 3, 8]), ..good }, to,
            "partial_lse: the address 0x1002 is no multiple of 4 bytes"),
        (good, AttentionResult { output: tensor([3, 7, 128]), ..to },
            "output: axis `heads` is 7, expected 8"),
        (good, AttentionResult { lse: Some(tensor([2, 8])), ..to }, "lse: axis `rows` is 2, expected 3"),
        (good, AttentionResult { lse: Some(at(0, [3, 8])), ..to },
            "lse is null, expected an address on the device"),
    ];
    for (operands, result, message) in cases {
        let error = operands.plan(&result, &DEVICE).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let many = 8 * 65536;
    let (partial_output, partial_lse) = (tensor([1, 1, many, 128]), tensor([1, 1, many]));
    let to = AttentionResult { output: tensor([1, many, 128]), lse: None };
    let error = MergeStatesOperands { partial_output, partial_lse }.plan(&to, &DEVICE);
    let message = "merge_states: the grid has 65536 blocks along axis 1, expected at most 65535";
    assert_eq!(error.expect_err(message).to_string(), message);
}
