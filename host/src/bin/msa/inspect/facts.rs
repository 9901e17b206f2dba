//! What the file holds, before any of it is judged.

use msa::{IdOrder, trace::BlockIds};
use serde::Serialize;

use super::overlap;
use super::step::{Request, Source, Step};

#[derive(Serialize)]
pub struct Facts {
    pub route: String,
    pub rows: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub topk: usize,
    pub init_blocks: usize,
    pub local_blocks: usize,
    pub id_order: &'static str,
    pub layer: u32,
    pub layers: usize,
    pub scale: f32,
    pub index_scale: Option<f32>,
    /// Pages of the main cache.
    pub pages: usize,
    /// Pages of the index cache.
    pub index_pages: Option<usize>,
    /// Where the lists of blocks come from.
    pub lists: String,
    /// Which of the optional tensors the file has.
    pub operands: Vec<&'static str>,
    pub requests: Vec<RequestFacts>,
}

#[derive(Serialize)]
pub struct RequestFacts {
    pub first_row: usize,
    pub rows: usize,
    pub cached: usize,
    pub blocks: usize,
    /// Different blocks that its rows read, under all heads.
    pub chosen: usize,
    /// See [`overlap::Overlap::keep`].
    pub keep: Option<f64>,
}

impl Facts {
    pub fn new(step: &Step) -> Self {
        let (trace, selection) = (&step.trace, &step.trace.selection);
        let [pages, _, layers, ..] = trace.kv_pages.shape();
        let indexer = step.indexer();
        let lists = match &step.source {
            Source::Given => "block_ids of the file".to_owned(),
            Source::Expected => "expected.block_ids of the file".to_owned(),
            Source::Indexer => "selected now, from the file's indexer operands".to_owned(),
            Source::Refused(error) => format!("none, the indexer refuses the step: {error}"),
        };
        let mut operands = vec![];
        if matches!(trace.block_ids, BlockIds::Given(..)) {
            operands.push("block_ids");
        }
        if indexer.is_some() {
            operands.push("indexer operands");
        }
        if trace.expected.is_some() {
            operands.push("expected values");
        }
        Self {
            route: trace.batch().route().to_string(),
            rows: step.rows(),
            heads: trace.q.shape()[1],
            kv_heads: step.heads(),
            topk: selection.topk,
            init_blocks: selection.init_blocks,
            local_blocks: selection.local_blocks,
            id_order: match selection.id_order {
                IdOrder::Score => "score",
                IdOrder::Ascending => "ascending",
            },
            layer: trace.layer_idx,
            layers,
            scale: trace.scale,
            index_scale: indexer.map(|inputs| inputs.index_scale),
            pages,
            index_pages: indexer.map(|inputs| inputs.index_k_pages.shape()[0]),
            lists,
            operands,
            requests: step
                .requests
                .iter()
                .map(|request| RequestFacts::new(step, request))
                .collect(),
        }
    }
}

impl RequestFacts {
    fn new(step: &Step, request: &Request) -> Self {
        let lists = request
            .rows
            .clone()
            .flat_map(|row| (0..step.heads()).map(move |head| step.list(head, row)));
        let mut chosen: Vec<usize> = lists.flat_map(|list| list.read()).collect();
        chosen.sort_unstable();
        chosen.dedup();
        Self {
            first_row: request.rows.start,
            rows: request.rows.len(),
            cached: request.cached,
            blocks: request.blocks(),
            chosen: chosen.len(),
            keep: overlap::of_request(step, request).keep,
        }
    }
}
