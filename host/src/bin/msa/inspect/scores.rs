//! The indexer's scores, computed again from the file's operands, part by part: a step may have more than fit memory.

use msa::{BLOCK, Cpu};
use serde::Serialize;

use super::step::{List, Step};

/// Rows whose scores are in memory at a time.
const PART: usize = 64;

/// Dot products that are computed at the most: seconds on a few cores.
const MOST_DOTS: usize = 1 << 32;

/// Which rows have been scored.
#[derive(Serialize)]
pub struct Scored {
    pub rows: usize,
    /// Why there are no scores.
    pub absent: Option<String>,
}

/// Gives each list the raw scores of its row's horizon; of a step that is too large, those of rows spread over it.
pub fn for_each(step: &Step, mut visit: impl FnMut(&List, &[f32])) -> Scored {
    let Some(operands) = step.trace.indexer_operands() else {
        let absent = "index_q, index_k_pages and index_page_table are not in the file".to_owned();
        return Scored { rows: 0, absent: Some(absent) };
    };
    let keys = |row| step.list(0, row).horizon() * BLOCK * step.heads();
    let dots: usize = (0..step.rows()).map(keys).sum();
    let stride = dots.div_ceil(MOST_DOTS).max(1);
    let cpu = Cpu::new();
    let mut scored = 0;
    for first in (0..step.rows()).step_by(PART * stride) {
        let rows = first..step.rows().min(first + PART);
        let scores = match cpu.block_scores(&operands, rows.clone()) {
            Ok(scores) => scores,
            Err(error) => {
                let absent = format!("the indexer refuses the step: {error}");
                return Scored { rows: 0, absent: Some(absent) };
            }
        };
        scored += rows.len();
        let lists = rows.flat_map(|row| (0..step.heads()).map(move |head| (head, row)));
        for ((head, row), scores) in lists.zip(&scores) {
            visit(&step.list(head, row), scores);
        }
    }
    Scored { rows: scored, absent: None }
}
