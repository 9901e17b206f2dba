//! Which blocks were chosen: rows spread over the step in full, and how many rows chose each block.

use serde::Serialize;

use super::margins::Cut;
use super::step::{List, Step};

/// Lists that are kept for the views.
const MOST_LISTS: usize = 4096;

/// Columns of the popularity.
const MOST_BINS: usize = 512;

#[derive(Serialize)]
pub struct Selection {
    /// Rows spread over the step, all of them if they are few.
    pub rows: Vec<Row>,
    /// Blocks in the longest horizon.
    pub blocks: usize,
    /// Neighbouring blocks that are counted together in `popularity`.
    pub blocks_per_bin: usize,
    /// `[heads][bins]`: how often the blocks were chosen, by all rows.
    pub popularity: Vec<Vec<usize>>,
}

/// One row in full.
#[derive(Serialize)]
pub struct Row {
    pub row: usize,
    pub request: usize,
    pub position: usize,
    /// `[heads]`
    pub lists: Vec<Shown>,
}

/// One list in full.
#[derive(Serialize)]
pub struct Shown {
    /// As they stand in the list, -1 and worse among them.
    pub ids: Vec<i32>,
    /// The page of the main cache that each id leads to, where it leads to one.
    pub pages: Vec<Option<u32>>,
    /// The raw score of each id that is read; empty where there are no scores.
    pub scores: Vec<Option<f32>>,
    pub cut: Option<Cut>,
}

impl Selection {
    pub fn new(step: &Step) -> Self {
        let blocks = step.lists().map(|list| list.horizon()).max().unwrap_or(0);
        let blocks_per_bin = blocks.div_ceil(MOST_BINS).max(1);
        let mut popularity = vec![vec![0; blocks.div_ceil(blocks_per_bin)]; step.heads()];
        for list in step.lists() {
            list.read().for_each(|block| popularity[list.head][block / blocks_per_bin] += 1);
        }
        let row = |row| Row {
            row,
            request: step.request_of(row).index,
            position: step.list(0, row).position(),
            lists: (0..step.heads()).map(|head| Shown::new(step, &step.list(head, row))).collect(),
        };
        let rows =
            sample(step.rows(), MOST_LISTS / step.heads().min(MOST_LISTS)).map(row).collect();
        Self { rows, blocks, blocks_per_bin, popularity }
    }

    /// Takes in what the scores of a list say, if its row is shown.
    pub fn add_scores(&mut self, list: &List, scores: &[f32], cut: Option<Cut>) {
        let Ok(index) = self.rows.binary_search_by_key(&list.row, |row| row.row) else { return };
        let shown = &mut self.rows[index].lists[list.head];
        let score = |&id: &i32| scores.get(usize::try_from(id).ok()?).copied();
        shown.scores = list.ids.iter().map(score).collect();
        shown.cut = cut;
    }
}

impl Shown {
    fn new(step: &Step, list: &List) -> Self {
        let horizon = list.horizon();
        let table = &step.trace.kv_page_table;
        let width = table.shape()[1];
        let entries = &table.data()[list.request.index * width..][..width.min(horizon)];
        let page = |&id: &i32| entries.get(usize::try_from(id).ok()?).copied();
        Self {
            ids: list.ids.to_vec(),
            pages: list.ids.iter().map(page).collect(),
            scores: Vec::new(),
            cut: None,
        }
    }
}

/// At most so many of `count` things, spread evenly, the first and the last among them.
pub fn sample(count: usize, most: usize) -> impl Iterator<Item = usize> {
    let kept = count.min(most);
    (0..kept).map(move |i| if kept < 2 { i } else { i * (count - 1) / (kept - 1) })
}
