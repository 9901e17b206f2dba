//! How many blocks neighbouring rows of a request choose together: what a kernel saves that reads a block once for
//! several rows.

use std::ops::Range;

use serde::Serialize;

use super::step::{List, Request, Step};

/// Rows of a window.
pub const WINDOWS: [usize; 5] = [1, 2, 4, 8, 16];

/// The overlap of one head's lists.
#[derive(Debug, PartialEq, Serialize)]
pub struct Overlap {
    /// For each of [`WINDOWS`], the mean number of different blocks that so many neighbouring rows choose. Windows
    /// follow one another from a request's first row, and end with it; none where no request has so many rows.
    pub distinct: [Option<f64>; WINDOWS.len()],
    /// The share of a row's blocks, its own block aside, that the row before it in the request chose as well.
    pub keep: Option<f64>,
}

/// The overlap of each head's lists, over all requests.
pub fn of_heads(step: &Step) -> Vec<Overlap> {
    (0..step.heads()).map(|head| of(step, step.active(), head..head + 1)).collect()
}

/// The overlap of one request's lists, over all heads.
pub fn of_request(step: &Step, request: &Request) -> Overlap {
    of(step, std::iter::once(request), 0..step.heads())
}

fn of<'a>(
    step: &Step,
    requests: impl Iterator<Item = &'a Request>,
    heads: Range<usize>,
) -> Overlap {
    let mut windows = [Mean::default(); WINDOWS.len()];
    let mut keep = Mean::default();
    for request in requests {
        for head in heads.clone() {
            let lists: Vec<List> = request.rows.clone().map(|row| step.list(head, row)).collect();
            let blocks: Vec<Vec<usize>> = lists.iter().map(List::blocks).collect();
            for (mean, rows) in windows.iter_mut().zip(WINDOWS) {
                blocks.chunks_exact(rows).for_each(|window| mean.add(distinct(window), 1));
            }
            for (pair, list) in blocks.windows(2).zip(lists.iter().skip(1)) {
                let free = pair[1].iter().filter(|&&block| block != list.own_block());
                let kept = free.clone().filter(|block| pair[0].binary_search(block).is_ok());
                keep.add(kept.count(), free.count());
            }
        }
    }
    Overlap { distinct: windows.map(Mean::value), keep: keep.value() }
}

fn distinct(window: &[Vec<usize>]) -> usize {
    let mut blocks = window.concat();
    blocks.sort_unstable();
    blocks.dedup();
    blocks.len()
}

#[derive(Clone, Copy, Default)]
struct Mean {
    sum: usize,
    count: usize,
}

impl Mean {
    fn add(&mut self, sum: usize, count: usize) {
        self.sum += sum;
        self.count += count;
    }

    fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum as f64 / self.count as f64)
    }
}
