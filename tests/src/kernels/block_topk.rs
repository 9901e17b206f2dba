//! The kernel `block_topk` on a simulated device.

use cuda_sim::counters::Counters;
use cuda_sim::fault::Fault;
use cuda_sim::{Launch, Order};
use msa::Selection;
use msa_abi::{BlockTopkParams, DevicePtr};

use super::{download, load, upload};

/// Scores of some rows, and how to select from them.
#[derive(Clone, Debug)]
pub struct Case {
    /// Requests: new tokens, cached tokens.
    pub requests: Vec<(u32, u32)>,
    /// Rows of padding after those of the requests.
    pub padding: u32,
    /// Index heads.
    pub index_heads: u32,
    /// How blocks are selected.
    pub selection: Selection,
    /// Threads of a block of the launch.
    pub threads: u32,
    /// The score at an index into `[index_heads, rows, score_stride]`.
    pub score: fn(u32) -> f32,
}

/// What a launch gave.
#[derive(Clone, Debug)]
pub struct Selected {
    /// i32 `[index_heads, rows, topk]`
    pub block_ids: Vec<i32>,
    /// What it cost.
    pub counters: Counters,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            requests: vec![(1, 130_000)],
            padding: 0,
            index_heads: 1,
            selection: Selection::MINIMAX_M3,
            threads: 256,
            score: spread,
        }
    }
}

/// A number for each index that looks like none of its neighbours.
pub fn scramble(index: u32) -> u32 {
    let mixed = index.wrapping_mul(0x9e37_79b9) ^ 0x85eb_ca6b;
    (mixed ^ mixed >> 15).wrapping_mul(0xc2b2_ae35)
}

/// Distinct scores of either sign.
pub fn spread(index: u32) -> f32 {
    scramble(index) as i32 as f32
}

impl Case {
    /// Rows of the scores, padding among them.
    pub fn rows(&self) -> u32 {
        self.requests.iter().map(|(new, _)| new).sum::<u32>() + self.padding
    }

    /// The blocks in the horizon of each row that a request owns.
    pub fn horizons(&self) -> Vec<u32> {
        let of = |&(new, cached): &(u32, u32)| (0..new).map(move |t| (cached + t) / 128 + 1);
        self.requests.iter().flat_map(of).collect()
    }

    /// Blocks of the longest horizon.
    pub fn max_blocks(&self) -> u32 {
        self.horizons().into_iter().max().unwrap_or(1)
    }

    /// f32 `[index_heads, rows, score_stride]`: a score more than any row has, which is NaN.
    pub fn scores(&self) -> Vec<f32> {
        let (max_blocks, stride) = (self.max_blocks(), self.score_stride());
        let at = |at| if at % stride == max_blocks { f32::NAN } else { (self.score)(at) };
        (0..self.index_heads * self.rows() * stride).map(at).collect()
    }

    /// Floats from one row's scores to the next's.
    pub fn score_stride(&self) -> u32 {
        self.max_blocks() + 1
    }

    /// Runs the kernel of one file of `host/ptx` on a device, warps in this order.
    ///
    /// # Errors
    /// If the kernel does what it must not do.
    ///
    /// # Panics
    /// If there is no such file or device.
    pub fn run(&self, file: &str, device: &str, order: Order) -> Result<Selected, Fault> {
        let (machine, kernel) = load(file, device, "block_topk");
        let (rows, topk, max_blocks) = (self.rows(), self.selection.topk as u32, self.max_blocks());
        let mut row_offsets = vec![0];
        row_offsets.extend(self.requests.iter().scan(0, |end, (new, _)| {
            *end += new;
            Some(*end)
        }));
        let cache_lengths: Vec<u32> = self.requests.iter().map(|(_, cached)| *cached).collect();
        let slots = (self.index_heads * rows * topk) as usize;
        let block_ids = upload(&machine, &vec![-2; slots], i32::to_le_bytes);
        let numbers =
            |numbers: &[u32]| DevicePtr::from_address(upload(&machine, numbers, u32::to_le_bytes));
        let params = BlockTopkParams {
            scores: DevicePtr::from_address(upload(&machine, &self.scores(), f32::to_le_bytes)),
            row_offsets: numbers(&row_offsets),
            cache_lengths: numbers(&cache_lengths),
            block_ids: DevicePtr::from_address(block_ids),
            rows,
            batch: self.requests.len() as u32,
            score_stride: self.score_stride(),
            topk,
            init_blocks: self.selection.init_blocks as u32,
            local_blocks: self.selection.local_blocks as u32,
            id_order: self.selection.id_order,
            max_blocks,
        };
        let launch = Launch {
            grid: [rows, self.index_heads, 1],
            block: [self.threads, 1, 1],
            dynamic_shared: BlockTopkParams::shared_bytes(max_blocks, self.threads),
            ..Launch::default()
        };
        let counters = machine.launch(&kernel, &launch, order, bytemuck::bytes_of(&params))?;
        Ok(Selected { block_ids: download(&machine, block_ids, slots), counters })
    }
}
