use msa_abi::MAX_SPECULATIVE;

use super::Device;
use super::plan::attention::partial_bytes;
use super::plan::clusters::Clusters;
use super::plan::indexer::{most_prefill_pairs, most_prefill_splits, score_stride};
use super::plan::tuning;
use super::workspace::rounded;

/// What steps have at the most: heads and ids are the model's, the rest is the engine's choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests.
    pub batch: u32,
    /// Rows, padding among them.
    pub rows: u32,
    /// [`Batch::max_seq_length`](super::Batch::max_seq_length).
    pub max_seq_length: u32,
    /// Entries of a page table's row.
    pub table_width: u32,
    /// Query heads.
    pub heads: u32,
    /// KV heads, and as many index heads.
    pub kv_heads: u32,
    /// Ids of each row.
    pub topk: u32,
}

impl Limits {
    /// Most rows of a step that takes the routes decode or speculative.
    fn decode_rows(&self) -> u32 {
        let of_request = self.max_seq_length.min(MAX_SPECULATIVE as u32);
        self.rows.min(self.batch.saturating_mul(of_request))
    }
}

/// Bytes of workspace with which the indexer runs every step within these limits. It grows with every limit.
///
/// Decode and speculative decode keep a score of four bytes for each row, index head and block, of no more than 8 rows
/// for each request. Prefill keeps the ids that each part of a row's blocks has selected, 8 bytes each; it splits blocks
/// only where rows are too few to fill the device, so that these are of a bounded number of tiles.
pub fn indexer_workspace_bytes(limits: &Limits, device: &Device) -> usize {
    let &Limits { kv_heads, topk, table_width, .. } = limits;
    let product = super::plan::product::<4>;
    let scores = product([kv_heads, limits.decode_rows(), score_stride(table_width), 1]);
    let keys = match limits.max_seq_length > MAX_SPECULATIVE as u32 {
        false => 0,
        true => {
            // Where tiles are split, their parts are no more than the device holds at a time.
            let of_tiles = product([device.multiprocessors, most_prefill_pairs(device), topk, 1]);
            let splits = most_prefill_splits(table_width);
            let of_rows = product([splits, kv_heads, limits.rows, topk]);
            if splits > 1 { of_tiles.min(of_rows) } else { 0 }
        }
    };
    bytes(rounded::<f32>(scores).max(rounded::<u64>(keys)))
}

/// Bytes of workspace with which attention runs every step within these limits. It grows with every limit.
///
/// Before compute capability 9.0 decode and speculative decode keep 130 floats for each row, query head and id, where rows
/// are too few to fill the device, and nothing elsewhere; prefill keeps nothing, and neither does decode from 9.0 on.
pub fn attention_workspace_bytes(limits: &Limits, device: &Device) -> usize {
    let &Limits { heads, kv_heads, topk, .. } = limits;
    // Clusters keep nothing there; whether there are any depends on the list's length alone.
    if kv_heads == 0 || Clusters::new(device, u64::MAX, topk).is_some() {
        return 0;
    }
    // Blocks are split where the device holds this many blocks of threads, or more, for each tile and KV head.
    let resident = tuning::ATTEND_BLOCKS.saturating_mul(device.multiprocessors);
    let split_tiles = resident / tuning::MIN_ATTEND_SPLITS / kv_heads;
    let split_rows = split_tiles.saturating_mul(tuning::MAX_TILE_ROWS);
    let rows = limits.decode_rows().min(split_rows);
    bytes(partial_bytes(rows, kv_heads, topk, heads / kv_heads))
}

fn bytes(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
