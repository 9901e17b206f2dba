//! What the device does in a step.

use msa::BLOCK;

use crate::pages::PageId;

/// One step: copies of pages, then both batches.
#[derive(Debug, Default)]
pub struct Step {
    pub copies: Vec<PageCopy>,
    /// Requests that generate: a row for the last token, and one for each draft after it. Few rows each, so that they
    /// take the routes decode or speculative, and the device may replay a graph.
    pub generating: Batch,
    /// Requests whose prompts are being cached, each with a chunk of rows.
    pub prompts: Batch,
}

/// A page that is copied, because it is shared and about to be written.
#[derive(Clone, Copy, Debug)]
pub struct PageCopy {
    pub from: PageId,
    pub to: PageId,
}

/// A ragged batch, in the words of the operators' contract.
#[derive(Debug)]
pub struct Batch {
    /// `[batch + 1]`
    pub row_offsets: Vec<u32>,
    /// `[batch]`
    pub cache_lengths: Vec<u32>,
    /// The pages of each request's blocks, new tokens included.
    pub pages: Vec<Vec<PageId>>,
    /// The chain of each row.
    pub chains: Vec<u64>,
}

/// New tokens that lie one behind the other in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Its first row in the batch.
    pub row: usize,
    pub page: PageId,
    /// The place of the first token in the page.
    pub slot: usize,
    pub len: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            row_offsets: vec![0],
            cache_lengths: Vec::new(),
            pages: Vec::new(),
            chains: Vec::new(),
        }
    }
}

impl Batch {
    /// Adds a request; returns its first row.
    pub fn push(&mut self, cached: usize, chains: &[u64], pages: &[PageId]) -> usize {
        let first_row = self.rows();
        self.chains.extend_from_slice(chains);
        self.row_offsets.push(narrow(self.rows()));
        self.cache_lengths.push(narrow(cached));
        self.pages.push(pages.to_vec());
        first_row
    }

    pub fn rows(&self) -> usize {
        self.chains.len()
    }

    pub fn len(&self) -> usize {
        self.cache_lengths.len()
    }

    /// New tokens of the longest request.
    pub fn max_seq_length(&self) -> usize {
        let lengths = self.row_offsets.windows(2).map(|bounds| bounds[1] - bounds[0]);
        lengths.max().unwrap_or(0) as usize
    }

    /// u32 `[batch, width]`: what lies past a request's last block is never followed.
    pub fn page_table(&self, width: usize) -> Vec<u32> {
        let row = |pages: &Vec<PageId>| {
            let mut row = pages.clone();
            row.resize(width, u32::MAX);
            row
        };
        self.pages.iter().flat_map(row).collect()
    }

    /// Where the keys and values of the rows go.
    pub fn runs(&self) -> Vec<Run> {
        let mut runs = Vec::new();
        for (request, pages) in self.pages.iter().enumerate() {
            let mut row = self.row_offsets[request] as usize;
            let end = self.row_offsets[request + 1] as usize;
            let mut position = self.cache_lengths[request] as usize;
            while row < end {
                let slot = position % BLOCK;
                let len = (BLOCK - slot).min(end - row);
                runs.push(Run { row, page: pages[position / BLOCK], slot, len });
                (row, position) = (row + len, position + len);
            }
        }
        runs
    }
}

/// Lengths and rows are bounded by the configuration, far below this.
fn narrow(number: usize) -> u32 {
    u32::try_from(number).expect("a configuration has fewer than 2^32 tokens")
}

#[cfg(test)]
mod tests {
    use super::{Batch, Run};

    #[test]
    fn new_tokens_are_written_page_by_page() {
        let mut batch = Batch::default();
        assert_eq!(batch.push(126, &[1; 132], &[7, 3, 9]), 0);
        assert_eq!(batch.push(0, &[2], &[4]), 132);
        let run = |row, page, slot, len| Run { row, page, slot, len };
        let expected = [run(0, 7, 126, 2), run(2, 3, 0, 128), run(130, 9, 0, 2), run(132, 4, 0, 1)];
        assert_eq!(batch.runs(), expected);
        assert_eq!(batch.page_table(3), [7, 3, 9, 4, u32::MAX, u32::MAX]);
        assert_eq!((batch.rows(), batch.len(), batch.max_seq_length()), (133, 2, 132));
    }
}
