//! The step that a file holds, in the terms of the analysis: requests, and each row's list of blocks.
//!
//! A file that an operator would refuse for its numbers (a page that does not exist, a table too narrow) is what this
//! program is for; one whose shapes or row offsets contradict each other cannot be shown.

use std::ops::Range;

use msa::trace::{BlockIds, IndexerInputs, Tensor, Trace};
use msa::{BLOCK, Backend, Error, HEAD_DIM, MAX_GROUP};

/// A step whose shapes agree.
pub struct Step {
    pub trace: Trace,
    /// All requests, those without rows among them.
    pub requests: Vec<Request>,
    /// i32 `[kv_heads, rows, topk]`
    pub ids: Tensor<i32, 3>,
    pub source: Source,
}

/// Where the lists of blocks come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The file gives them to attention.
    Given,
    /// The file says that the indexer must give them.
    Expected,
    /// The indexer selected them now.
    Indexer,
    /// There are none, as the indexer refuses the step.
    Refused(Error),
}

/// One request of the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its place in the batch.
    pub index: usize,
    /// The rows that it owns, perhaps none.
    pub rows: Range<usize>,
    /// Keys cached before this step.
    pub cached: usize,
}

/// One row's list of blocks for one head.
#[derive(Clone, Copy)]
pub struct List<'a> {
    pub head: usize,
    pub row: usize,
    pub request: &'a Request,
    pub ids: &'a [i32],
}

impl Step {
    /// # Errors
    /// If shapes contradict each other or the contract, or the row offsets describe no batch.
    pub fn new(trace: Trace) -> Result<Self, Error> {
        check_shapes(&trace)?;
        let bounds = trace.row_offsets.windows(2).zip(&trace.cache_lengths).enumerate();
        let requests = bounds.map(|(index, (bounds, &cached))| Request {
            index,
            rows: bounds[0] as usize..bounds[1] as usize,
            cached: cached as usize,
        });
        let requests = requests.collect();
        let expected = trace.expected.as_ref().and_then(|expected| expected.block_ids.as_ref());
        let (ids, source) = match (&trace.block_ids, expected) {
            (BlockIds::Given(ids, _), _) => (ids.clone(), Source::Given),
            (BlockIds::Indexer(_), Some(ids)) => (ids.clone(), Source::Expected),
            (BlockIds::Indexer(_), None) => select(&trace),
        };
        Ok(Self { trace, requests, ids, source })
    }

    pub fn rows(&self) -> usize {
        self.ids.shape()[1]
    }

    pub fn heads(&self) -> usize {
        self.ids.shape()[0]
    }

    /// The indexer's operands, where the file has them.
    pub fn indexer(&self) -> Option<&IndexerInputs> {
        match &self.trace.block_ids {
            BlockIds::Indexer(inputs) | BlockIds::Given(_, Some(inputs)) => Some(inputs),
            BlockIds::Given(_, None) => None,
        }
    }

    /// Whether the lists are the file's own, so that there may be mistakes in them.
    pub fn has_own_lists(&self) -> bool {
        matches!(self.source, Source::Given | Source::Expected)
    }

    /// The requests that own rows: nothing is read of the others.
    pub fn active(&self) -> impl Iterator<Item = &Request> {
        self.requests.iter().filter(|request| !request.rows.is_empty())
    }

    /// The request that owns a row.
    pub fn request_of(&self, row: usize) -> &Request {
        // Of several requests that start at a row the last one owns it: the others are empty.
        &self.requests[self.requests.partition_point(|request| request.rows.start <= row) - 1]
    }

    pub fn list(&self, head: usize, row: usize) -> List<'_> {
        let [_, rows, topk] = self.ids.shape();
        let ids = &self.ids.data()[(head * rows + row) * topk..][..topk];
        List { head, row, request: self.request_of(row), ids }
    }

    /// All lists: rows in order, each with its heads in order.
    pub fn lists(&self) -> impl Iterator<Item = List<'_>> {
        (0..self.rows())
            .flat_map(move |row| (0..self.heads()).map(move |head| self.list(head, row)))
    }
}

impl Request {
    /// Its keys once the step's own are written.
    pub fn keys(&self) -> usize {
        self.cached + self.rows.len()
    }

    pub fn blocks(&self) -> usize {
        self.keys().div_ceil(BLOCK)
    }
}

impl<'a> List<'a> {
    /// The row's position in its request: the last key that it may see.
    pub fn position(&self) -> usize {
        self.request.cached + self.row - self.request.rows.start
    }

    /// The block that the row itself is in.
    pub fn own_block(&self) -> usize {
        self.position() / BLOCK
    }

    /// Blocks in the row's horizon.
    pub fn horizon(&self) -> usize {
        self.own_block() + 1
    }

    /// The listed blocks that attention reads, in the list's order and as often as listed.
    pub fn read(self) -> impl Iterator<Item = usize> + 'a {
        let horizon = self.horizon();
        let blocks = self.ids.iter().filter_map(|&id| usize::try_from(id).ok());
        blocks.filter(move |&block| block < horizon)
    }

    /// The different blocks that attention reads, ascending.
    pub fn blocks(&self) -> Vec<usize> {
        let mut blocks: Vec<usize> = self.read().collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks
    }

    /// Where the list is, in words.
    pub fn place(&self) -> String {
        format!("request {}, row {}, head {}", self.request.index, self.row, self.head)
    }
}

/// The lists that the indexer selects now.
fn select(trace: &Trace) -> (Tensor<i32, 3>, Source) {
    let rows = trace.q.shape()[0];
    let mut ids = Tensor::filled(-1, [trace.kv_pages.shape()[4], rows, trace.selection.topk]);
    let operands =
        trace.indexer_operands().expect("a step without lists has the indexer's operands");
    let source = match Backend::default().indexer(&operands, ids.data_mut()) {
        Ok(_) => Source::Indexer,
        Err(error) => Source::Refused(error),
    };
    (ids, source)
}

fn check_shapes(trace: &Trace) -> Result<(), Error> {
    let (rows, heads) = (trace.q.shape()[0], trace.q.shape()[1]);
    let batch = trace.cache_lengths.len();
    let offsets = &trace.row_offsets;
    let axis = |operand, axis, got: usize, expected: usize| match got == expected {
        true => Ok(()),
        false => Err(Error::Shape { operand, axis, expected, got }),
    };
    axis("row_offsets", "batch + 1", offsets.len(), batch + 1)?;
    let refuse = |index: usize, expected, bound| {
        Err(Error::RowOffsets { index, expected, bound, got: offsets[index] })
    };
    if offsets[0] != 0 {
        return refuse(0, "exactly", 0);
    }
    if let Some(step) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        return refuse(step + 1, "at least", offsets[step]);
    }
    axis("row_offsets", "rows", offsets[batch] as usize, rows)?;

    let [_, planes, layers, block, kv_heads, dim] = trace.kv_pages.shape();
    axis("kv_pages", "K and V", planes, 2)?;
    axis("kv_pages", "block size", block, BLOCK)?;
    axis("kv_pages", "head dim", dim, HEAD_DIM)?;
    axis("kv_page_table", "batch", trace.kv_page_table.shape()[0], batch)?;
    if kv_heads == 0
        || !heads.is_multiple_of(kv_heads)
        || !(1..=MAX_GROUP).contains(&(heads / kv_heads))
    {
        return Err(Error::Value {
            operand: "q",
            expected: "1 to 16 query heads for each KV head",
            got: format!("{heads} heads for {kv_heads}"),
        });
    }
    check_layer(trace.layer_idx, layers, "kv_pages")?;
    if let BlockIds::Given(ids, _) = &trace.block_ids {
        axis("block_ids", "kv heads", ids.shape()[0], kv_heads)?;
    }
    if let BlockIds::Indexer(inputs) | BlockIds::Given(_, Some(inputs)) = &trace.block_ids {
        let [_, planes, layers, block, heads, dim] = inputs.index_k_pages.shape();
        axis("index_k_pages", "planes", planes, 1)?;
        axis("index_k_pages", "block size", block, BLOCK)?;
        axis("index_k_pages", "heads", heads, 1)?;
        axis("index_k_pages", "head dim", dim, HEAD_DIM)?;
        axis("index_page_table", "batch", inputs.index_page_table.shape()[0], batch)?;
        check_layer(trace.layer_idx, layers, "index_k_pages")?;
    }
    Ok(())
}

fn check_layer(layer: u32, layers: usize, operand: &str) -> Result<(), Error> {
    if (layer as usize) < layers {
        return Ok(());
    }
    Err(Error::Value {
        operand: "layer_idx",
        expected: "below the cache's number of layers",
        got: format!("{layer} of {layers} in {operand}"),
    })
}
