//! Lengths, scales and queries.

use half::bf16;
use msa::HEAD_DIM;
use msa::trace::Tensor;

use super::Findings;
use super::lints::{EMPTY_REQUEST, NONFINITE_QUERY, SCALE, TABLE_TOO_NARROW, ZERO_QUERY};
use crate::inspect::step::Step;

pub fn look(step: &Step, findings: &mut Findings) {
    let trace = &step.trace;
    let tables = [
        ("kv_page_table", Some(&trace.kv_page_table)),
        ("index_page_table", step.indexer().map(|inputs| &inputs.index_page_table)),
    ];
    for (name, table) in tables {
        let Some(width) = table.map(|table| table.shape()[1]) else { continue };
        for request in step.active().filter(|request| request.blocks() > width) {
            findings.add(&TABLE_TOO_NARROW, || {
                let (rows, blocks) = (request.rows.len(), request.blocks());
                format!(
                    "request {}: {} cached + {rows} new keys are {blocks} blocks, {name} has {width} entries",
                    request.index, request.cached
                )
            });
        }
    }
    let wanted = (HEAD_DIM as f32).powf(-0.5);
    let scales = [
        ("scale", Some(trace.scale)),
        ("index_scale", step.indexer().map(|inputs| inputs.index_scale)),
    ];
    for (name, scale) in scales {
        if let Some(scale) = scale.filter(|scale| (scale / wanted - 1.0).abs() > 1e-3) {
            findings.add(&SCALE, || format!("{name} is {scale}"));
        }
    }
    for request in step.requests.iter().filter(|request| request.rows.is_empty()) {
        findings.add(&EMPTY_REQUEST, || format!("request {}", request.index));
    }
    look_at_queries("q", &trace.q, findings);
    if let Some(inputs) = step.indexer() {
        look_at_queries("index_q", &inputs.index_q, findings);
    }
}

fn look_at_queries(name: &str, queries: &Tensor<bf16, 3>, findings: &mut Findings) {
    let [_, heads, _] = queries.shape();
    for (index, query) in queries.data().chunks_exact(HEAD_DIM).enumerate() {
        let place = || format!("{name}: row {}, head {}", index / heads, index % heads);
        if query.iter().any(|element| !element.is_finite()) {
            findings.add(&NONFINITE_QUERY, place);
        } else if query.iter().all(|element| *element == bf16::ZERO) {
            findings.add(&ZERO_QUERY, place);
        }
    }
}
