//! Where pages are, and what tables hold.

use msa::trace::{Tensor, Trace};

use super::{Hazard, ROUTES, recipe};
use crate::generate::Recipe;
use crate::memory::indexer;

pub(super) const HAZARDS: &[Hazard] = &[
    Hazard {
        name: "pages_in_no_order",
        guards_against: "taking a block's id for its page, or one cache's table, layer or length of pages for the other's",
        steps: || {
            let of_route = |new| {
                let batch = recipe(&[(new, 900), (new, 500), (new, 130)]);
                Recipe { layers: 3, layer_idx: 1, ..batch }.trace()
            };
            ROUTES.map(of_route).to_vec()
        },
    },
    Hazard {
        name: "pages_that_requests_share",
        guards_against: "writing to pages, or taking a page for one request's alone",
        steps: || {
            let of_route = |new| {
                let batch = recipe(&[(new, 700), (new, 600), (new, 384)]);
                Recipe { shared_blocks: 3, ..batch }.trace()
            };
            ROUTES.map(of_route).to_vec()
        },
    },
    Hazard {
        name: "tables_wider_than_needed",
        guards_against: "following a table's entries by its width, or leaving parts of the work that have no block undone",
        steps: || {
            let of_route = |new| with_wide_tables(recipe(&[(new, 300), (new, 700)]).trace());
            ROUTES.map(of_route).to_vec()
        },
    },
];

/// The step with tables for 100 blocks.
fn with_wide_tables(mut trace: Trace) -> Trace {
    trace.kv_page_table = widened(&trace.kv_page_table);
    let inputs = indexer(&mut trace);
    inputs.index_page_table = widened(&inputs.index_page_table);
    trace
}

/// The table with entries that lead nowhere.
fn widened(table: &Tensor<u32, 2>) -> Tensor<u32, 2> {
    const WIDTH: usize = 100;
    let [batch, width] = table.shape();
    let rows = table.data().chunks(width).flat_map(|row| {
        let unused = std::iter::repeat(u32::MAX);
        row.iter().copied().chain(unused).take(WIDTH)
    });
    Tensor::new([batch, WIDTH], rows.collect())
}
