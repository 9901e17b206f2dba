//! The analysis: numbers that can be reckoned by hand, planted mistakes, and steps that have none.

mod numbers;
mod ordinary;
mod planted;

use msa::trace::{BlockIds, IndexerInputs, Tensor, Trace};
use msa::{Backend, IndexerOperands};
use msa_tests::generate::{Recipe, Request};

use super::report::Report;
use super::step::Step;

fn report(trace: Trace) -> Report {
    Report::new("a test", &Step::new(trace).expect("shapes that agree"))
}

/// The step with these lists in place of the indexer's, i32 `[kv_heads, rows, topk]`, and the indexer's operands.
fn with_lists(mut trace: Trace, ids: Tensor<i32, 3>) -> Trace {
    trace.selection.topk = ids.shape()[2];
    let indexer = match trace.block_ids {
        BlockIds::Indexer(inputs) => Some(inputs),
        BlockIds::Given(_, inputs) => inputs,
    };
    trace.block_ids = BlockIds::Given(ids, indexer);
    trace
}

/// The lists that the indexer selects, of so many blocks.
fn selected(trace: &Trace, topk: usize) -> Tensor<i32, 3> {
    let operands = trace.indexer_operands().expect("the generator gives them");
    let selection = msa::Selection { topk, ..trace.selection };
    let operands = IndexerOperands { selection, ..operands };
    let [rows, heads, _] = operands.index_q.shape();
    let mut ids = Tensor::filled(-1, [heads, rows, topk]);
    Backend::default().indexer(&operands, ids.data_mut()).expect("operands that suit");
    ids
}

fn indexer(trace: &mut Trace) -> &mut IndexerInputs {
    match &mut trace.block_ids {
        BlockIds::Indexer(inputs) | BlockIds::Given(_, Some(inputs)) => inputs,
        BlockIds::Given(_, None) => panic!("the generator gives them"),
    }
}

fn requests(requests: &[(usize, usize)]) -> Vec<Request> {
    requests.iter().map(|&(new, cached)| Request::new(new, cached)).collect()
}

/// A step of one head whose lists are given, without the indexer's operands.
fn listed(batch: &[(usize, usize)], lists: &[&[i32]]) -> Trace {
    let recipe = Recipe { requests: requests(batch), heads: 1, ..Recipe::default() };
    let ids = Tensor::new([1, lists.len(), lists[0].len()], lists.concat());
    let mut trace = with_lists(recipe.trace(), ids.clone());
    trace.block_ids = BlockIds::Given(ids, None);
    trace
}
