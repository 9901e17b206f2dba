use anyhow::Result;
use cust::memory::{CopyDestination, DeviceBuffer};
use half::bf16;
use msa::gpu::{
    AttentionOperands, AttentionResult, Batch, Device, DeviceTensor, IndexerOperands, Limits, Plan,
    Workspace, attention_workspace_bytes, indexer_workspace_bytes,
};
use msa::{BLOCK, HEAD_DIM, Selection};
use msa_tests::generate::Recipe;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use crate::bench::case::Case;

/// Bytes of random values, which are repeated where more are needed.
const RANDOM_BYTES: usize = 64 << 20;

/// More than any second-level cache holds: what is read once in so many bytes comes from memory.
const ROTATED_BYTES: f64 = 192e6;

/// Most sets of operands of a rotation.
const MAX_SETS: usize = 128;

const TOPK: usize = Selection::MINIMAX_M3.topk;

/// The operands of a case in the GPU's memory: one pool of pages for each cache, some page tables, each of which has all
/// requests on pages of its own, and some sets of lists.
pub struct Step {
    case: Case,
    row_offsets: DeviceBuffer<u32>,
    cache_lengths: DeviceBuffer<u32>,
    q: DeviceBuffer<u8>,
    index_q: DeviceBuffer<u8>,
    kv_pages: DeviceBuffer<u8>,
    index_pages: DeviceBuffer<u8>,
    pages: usize,
    tables: Vec<DeviceBuffer<u32>>,
    ids: Vec<DeviceBuffer<i32>>,
    selected: DeviceBuffer<i32>,
    output: DeviceBuffer<u8>,
    lse: DeviceBuffer<f32>,
    workspace: DeviceBuffer<u8>,
}

impl Step {
    pub fn new(case: Case, device: &Device, random: &Random) -> Result<Self> {
        let (heads, kv_heads) = case.heads;
        let (rows, batch, width) = (case.rows(), case.batch, case.blocks());
        // The indexer reads all of a table's pages, attention some: so many tables do for the first.
        let tables = sets(case.index_bytes());
        let pages = batch * width * tables;
        let mut rng = StdRng::seed_from_u64(1);
        let mut shuffled: Vec<u32> = (0..pages as u32).collect();
        shuffled.shuffle(&mut rng);
        let limits = Limits {
            batch: batch as u32,
            rows: rows as u32,
            max_seq_length: case.new_tokens as u32,
            table_width: width as u32,
            heads: heads as u32,
            kv_heads: kv_heads as u32,
            topk: TOPK as u32,
        };
        let workspace = indexer_workspace_bytes(&limits, device)
            .max(attention_workspace_bytes(&limits, device));
        let row_offsets: Vec<u32> = (0..=batch).map(|b| (b * case.new_tokens) as u32).collect();
        Ok(Self {
            case,
            row_offsets: DeviceBuffer::from_slice(&row_offsets)?,
            cache_lengths: DeviceBuffer::from_slice(&vec![case.cached as u32; batch])?,
            q: random.fill(rows * heads * HEAD_DIM)?,
            index_q: random.fill(rows * kv_heads * HEAD_DIM)?,
            kv_pages: random.fill(pages * 2 * BLOCK * kv_heads * HEAD_DIM)?,
            index_pages: random.fill(pages * BLOCK * HEAD_DIM)?,
            pages,
            tables: shuffled
                .chunks(batch * width)
                .map(DeviceBuffer::from_slice)
                .collect::<Result<_, _>>()?,
            ids: Vec::new(),
            selected: DeviceBuffer::from_slice(&vec![-2; kv_heads * rows * TOPK])?,
            output: random.fill(rows * heads * HEAD_DIM)?,
            lse: DeviceBuffer::from_slice(&vec![0.0; rows * heads])?,
            // SAFETY: launches write what they read of it.
            workspace: unsafe { DeviceBuffer::uninitialized(workspace)? },
        })
    }

    /// Gives attention as many sets of lists with such an overlap as read more than the cache holds; returns the first.
    pub fn set_lists(&mut self, keep: f64) -> Result<Vec<i32>> {
        let first = self.case.ids(keep, 0);
        let count = sets(self.case.attend_bytes(&first)) as u64;
        let sets = (0..count).map(|seed| self.case.ids(keep, seed));
        self.ids = sets.map(|ids| DeviceBuffer::from_slice(&ids)).collect::<Result<_, _>>()?;
        Ok(first)
    }

    /// Plans of the indexer that read different keys.
    pub fn index_plans(&self, device: &Device) -> Result<Vec<Plan>> {
        let plan = |table| {
            let operands = self.index_operands(table);
            Ok(operands.plan(&self.selected(), device, self.workspace())?)
        };
        self.tables.iter().map(plan).collect()
    }

    /// Plans of attention to the given lists that read different blocks.
    pub fn attend_plans(&self, device: &Device) -> Result<Vec<Plan>> {
        let tables = self.tables.iter().cycle();
        let plan = |(ids, table): (&DeviceBuffer<i32>, _)| {
            let operands = self.attention_operands(table, DeviceTensor::from(ids));
            Ok(operands.plan(&self.result(), device, self.workspace())?)
        };
        self.ids.iter().zip(tables).map(plan).collect()
    }

    /// Plans of attention to what the indexer has selected, one for each of its plans.
    pub fn attend_selected_plans(&self, device: &Device) -> Result<Vec<Plan>> {
        let plan = |table| {
            let operands = self.attention_operands(table, DeviceTensor::from(&self.selected));
            Ok(operands.plan(&self.result(), device, self.workspace())?)
        };
        self.tables.iter().map(plan).collect()
    }

    /// What the first plan of the indexer takes.
    pub fn first_index_operands(&self) -> IndexerOperands {
        self.index_operands(&self.tables[0])
    }

    /// What attention to the indexer's selection takes.
    pub fn first_attention_operands(&self) -> AttentionOperands {
        self.attention_operands(&self.tables[0], DeviceTensor::from(&self.selected))
    }

    /// i32 `[kv_heads, rows, topk]`: what the indexer writes.
    pub fn selected(&self) -> DeviceTensor<i32, 3> {
        DeviceTensor::from(&self.selected).with_shape(self.ids_shape())
    }

    pub fn result(&self) -> AttentionResult {
        let (rows, heads) = (self.case.rows(), self.case.heads.0);
        AttentionResult {
            output: halves(&self.output, [rows, heads, HEAD_DIM]),
            lse: Some(DeviceTensor::from(&self.lse).with_shape([rows, heads])),
        }
    }

    pub fn workspace(&self) -> Workspace {
        Workspace::from(&self.workspace)
    }

    fn ids_shape(&self) -> [usize; 3] {
        [self.case.heads.1, self.case.rows(), TOPK]
    }

    fn batch(&self) -> Batch {
        Batch {
            row_offsets: DeviceTensor::from(&self.row_offsets),
            cache_lengths: DeviceTensor::from(&self.cache_lengths),
            rows: self.case.rows(),
            max_seq_length: self.case.new_tokens,
        }
    }

    fn index_operands(&self, table: &DeviceBuffer<u32>) -> IndexerOperands {
        IndexerOperands {
            batch: self.batch(),
            index_q: halves(&self.index_q, [self.case.rows(), self.case.heads.1, HEAD_DIM]),
            index_k_pages: halves(&self.index_pages, [self.pages, 1, 1, BLOCK, 1, HEAD_DIM]),
            index_page_table: self.table(table),
            layer_idx: 0,
            selection: Selection::MINIMAX_M3,
            scale: Recipe::SCALE,
        }
    }

    fn attention_operands(
        &self,
        table: &DeviceBuffer<u32>,
        ids: DeviceTensor<i32, 1>,
    ) -> AttentionOperands {
        let (heads, kv_heads) = self.case.heads;
        AttentionOperands {
            batch: self.batch(),
            q: halves(&self.q, [self.case.rows(), heads, HEAD_DIM]),
            kv_pages: halves(&self.kv_pages, [self.pages, 2, 1, BLOCK, kv_heads, HEAD_DIM]),
            kv_page_table: self.table(table),
            layer_idx: 0,
            block_ids: ids.with_shape(self.ids_shape()),
            scale: Recipe::SCALE,
        }
    }

    fn table(&self, table: &DeviceBuffer<u32>) -> DeviceTensor<u32, 2> {
        DeviceTensor::from(table).with_shape([self.case.batch, self.case.blocks()])
    }
}

/// How many sets of operands read more than the cache holds.
fn sets(bytes: f64) -> usize {
    ((ROTATED_BYTES / bytes).ceil() as usize).clamp(1, MAX_SETS)
}

/// A tensor of bf16 in a buffer of bytes.
fn halves<const RANK: usize>(
    buffer: &DeviceBuffer<u8>,
    shape: [usize; RANK],
) -> DeviceTensor<bf16, RANK> {
    let address = buffer.as_device_ptr().as_raw();
    DeviceTensor::contiguous(address, buffer.len() / size_of::<bf16>(), shape)
}

/// Values of mean 0 and variance 1, in the GPU's memory.
pub struct Random(DeviceBuffer<u8>);

impl Random {
    pub fn new() -> Result<Self> {
        let mut rng = StdRng::seed_from_u64(2);
        let width = 12_f32.sqrt();
        let value = |_| bf16::from_f32((rng.random::<f32>() - 0.5) * width);
        let values: Vec<bf16> = (0..RANDOM_BYTES / size_of::<bf16>()).map(value).collect();
        Ok(Self(DeviceBuffer::from_slice(bytemuck::cast_slice(&values))?))
    }

    /// A buffer of some values, which repeat.
    fn fill(&self, values: usize) -> Result<DeviceBuffer<u8>> {
        let bytes = values * size_of::<bf16>();
        // SAFETY: all of it is written below.
        let buffer = unsafe { DeviceBuffer::uninitialized(bytes)? };
        for start in (0..bytes).step_by(RANDOM_BYTES) {
            let len = RANDOM_BYTES.min(bytes - start);
            buffer.index(start..start + len).copy_from(&self.0.index(..len))?;
        }
        Ok(buffer)
    }
}
