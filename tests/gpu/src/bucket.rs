use cust::stream::Stream;
use half::bf16;
use msa::cuda::Kernels;
use msa::gpu::{
    AttentionOperands, AttentionResult, Batch, DeviceTensor, IndexerOperands, Limits, Workspace,
    attention_workspace_bytes, indexer_workspace_bytes,
};
use msa::trace::{BlockIds, Outcome, Tensor, Trace};
use msa::{BLOCK, HEAD_DIM, Selection};
use msa_tests::generate::Recipe;
use msa_tests::run::{STALE, STALE_ID};

use crate::Owned;

/// Operands and results of both operators, with room for any step within some limits: what a graph is captured of. The
/// caches have one layer.
pub struct Bucket {
    limits: Limits,
    selection: Selection,
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
}

impl Bucket {
    /// Room for so many pages in each cache.
    pub fn new(kernels: &Kernels, limits: Limits, selection: Selection, pages: usize) -> Self {
        fn room<T: bytemuck::Pod, const RANK: usize>(shape: [usize; RANK]) -> Owned<T, RANK> {
            Owned::new(&vec![T::zeroed(); shape.iter().product()], shape)
        }
        let extents = [limits.batch, limits.rows, limits.table_width, limits.heads];
        let [batch, rows, width, heads] = extents.map(|extent| extent as usize);
        let kv_heads = limits.kv_heads as usize;
        let device = kernels.device();
        let workspace = indexer_workspace_bytes(&limits, device)
            .max(attention_workspace_bytes(&limits, device));
        Self {
            limits,
            selection,
            row_offsets: room([batch + 1]),
            cache_lengths: room([batch]),
            index_q: room([rows, kv_heads, HEAD_DIM]),
            index_k_pages: room([pages, 1, 1, BLOCK, 1, HEAD_DIM]),
            index_page_table: room([batch, width]),
            q: room([rows, heads, HEAD_DIM]),
            kv_pages: room([pages, 2, 1, BLOCK, kv_heads, HEAD_DIM]),
            kv_page_table: room([batch, width]),
            block_ids: room([kv_heads, rows, selection.topk]),
            output: room([rows, heads, HEAD_DIM]),
            lse: room([rows, heads]),
            workspace: room([workspace]),
        }
    }

    /// Puts a step where launches find it: requests beyond its own have no rows but still a length, rows beyond its own
    /// are padding, and what is not in use leads astray. Results are stale, but for ids that the step gives.
    pub fn put(&mut self, trace: &Trace) {
        let last = *trace.row_offsets.last().expect("an offset");
        fill(&mut self.row_offsets, &trace.row_offsets, last);
        let whole_row = self.limits.table_width * BLOCK as u32;
        fill(&mut self.cache_lengths, &trace.cache_lengths, whole_row);
        if let BlockIds::Indexer(inputs) = &trace.block_ids {
            fill(&mut self.index_q, inputs.index_q.data(), bf16::NAN);
            fill(&mut self.index_k_pages, inputs.index_k_pages.data(), bf16::NAN);
            fill_rows(&mut self.index_page_table, &inputs.index_page_table);
        }
        fill(&mut self.q, trace.q.data(), bf16::NAN);
        fill(&mut self.kv_pages, trace.kv_pages.data(), bf16::NAN);
        fill_rows(&mut self.kv_page_table, &trace.kv_page_table);
        let [kv_heads, rows, topk] = self.block_ids.tensor().shape();
        let given = match &trace.block_ids {
            BlockIds::Given(ids, _) => ids.data(),
            BlockIds::Indexer(_) => &[],
        };
        let lists = given.chunks(given.len().max(kv_heads) / kv_heads);
        let lists = lists.flat_map(|of_head| padded(of_head, rows * topk, STALE_ID));
        let lists: Vec<i32> = lists.collect();
        fill(&mut self.block_ids, &lists, STALE_ID);
        fill(&mut self.output, &[], bf16::from_f32(STALE));
        fill(&mut self.lse, &[], STALE);
    }

    /// The operands of the indexer.
    pub fn indexer(&self) -> IndexerOperands {
        IndexerOperands {
            batch: self.batch(),
            index_q: self.index_q.tensor(),
            index_k_pages: self.index_k_pages.tensor(),
            index_page_table: self.index_page_table.tensor(),
            layer_idx: 0,
            selection: self.selection,
            scale: Recipe::SCALE,
        }
    }

    /// The operands of attention, to the blocks that the indexer selects or the step gives.
    pub fn attention(&self) -> AttentionOperands {
        AttentionOperands {
            batch: self.batch(),
            q: self.q.tensor(),
            kv_pages: self.kv_pages.tensor(),
            kv_page_table: self.kv_page_table.tensor(),
            layer_idx: 0,
            block_ids: self.block_ids.tensor(),
            scale: Recipe::SCALE,
        }
    }

    /// Where the indexer puts its result.
    pub fn block_ids(&self) -> DeviceTensor<i32, 3> {
        self.block_ids.tensor()
    }

    /// Where attention puts its result.
    pub fn result(&self) -> AttentionResult {
        AttentionResult { output: self.output.tensor(), lse: Some(self.lse.tensor()) }
    }

    /// What both operators may use.
    pub fn workspace(&self) -> Workspace {
        let memory = self.workspace.tensor();
        match memory.shape() {
            [0] => Workspace::NONE,
            [bytes] => Workspace { address: memory.address(), bytes },
        }
    }

    /// Enqueues the indexer, if the ids are not given, and attention.
    pub fn enqueue(&self, kernels: &Kernels, given: bool, stream: &Stream) {
        let stream = stream.as_inner();
        let workspace = self.workspace();
        if !given {
            let ids = self.block_ids();
            // SAFETY: all of it outlives the launches and the graphs that captured them, and is written by `put` alone,
            // between launches.
            let ran = unsafe { kernels.enqueue_indexer(&self.indexer(), &ids, workspace, stream) };
            ran.expect("a sound bucket");
        }
        let (operands, result) = (self.attention(), self.result());
        // SAFETY: as above.
        let ran = unsafe { kernels.enqueue_attention(&operands, &result, workspace, stream) };
        ran.expect("a sound bucket");
    }

    /// What the launches gave for the rows that are not padding. For those that are, the indexer has selected nothing,
    /// and attention has written nothing.
    pub fn outcome(&self, kernels: &Kernels, trace: &Trace) -> Outcome {
        let [rows, heads, _] = trace.q.shape();
        let [kv_heads, all_rows, topk] = self.block_ids.tensor().shape();
        let padding = match trace.block_ids {
            BlockIds::Given(..) => STALE_ID,
            BlockIds::Indexer(_) => -1,
        };
        let ids = self.block_ids.read();
        let of_heads = ids.chunks(all_rows * topk).map(|ids| ids.split_at(rows * topk));
        assert!(of_heads.clone().all(|(_, rest)| rest.iter().all(|&id| id == padding)));
        let ids = of_heads.flat_map(|(ids, _)| ids).copied().collect();

        let (mut output, mut lse) = (self.output.read(), self.lse.read());
        let rest = output.split_off(rows * heads * HEAD_DIM);
        assert!(rest.iter().all(|&element| element == bf16::from_f32(STALE)));
        assert!(lse.split_off(rows * heads).iter().all(|&lse| lse == STALE));
        Outcome {
            block_ids: Tensor::new([kv_heads, rows, topk], ids),
            output: Tensor::new([rows, heads, HEAD_DIM], output),
            lse: Tensor::new([rows, heads], lse),
            dispatch: kernels.dispatch(self.batch().route()),
        }
    }

    fn batch(&self) -> Batch {
        Batch {
            row_offsets: self.row_offsets.tensor(),
            cache_lengths: self.cache_lengths.tensor(),
            rows: self.limits.rows as usize,
            max_seq_length: self.limits.max_seq_length as usize,
        }
    }
}

/// Writes some values, and something else behind them.
fn fill<T: bytemuck::Pod, const RANK: usize>(to: &mut Owned<T, RANK>, values: &[T], rest: T) {
    let len = to.tensor().shape().iter().product();
    to.write(&padded(values, len, rest));
}

/// Writes a table into a wider and longer one whose other entries lead nowhere.
fn fill_rows(to: &mut Owned<u32, 2>, table: &Tensor<u32, 2>) {
    let [_, width] = to.tensor().shape();
    let rows = table.data().chunks(table.shape()[1]);
    let rows: Vec<u32> = rows.flat_map(|row| padded(row, width, u32::MAX)).collect();
    fill(to, &rows, u32::MAX);
}

/// Some values, and others up to a length.
fn padded<T: Copy>(values: &[T], len: usize, padding: T) -> Vec<T> {
    assert!(values.len() <= len, "{} values in a bucket's {len}", values.len());
    values.iter().copied().chain(std::iter::repeat(padding)).take(len).collect()
}
