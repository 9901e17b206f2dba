//! Page tables: pages that do not exist, and pages in more than one place.

use std::collections::HashMap;

use msa::BLOCK;
use msa::trace::Tensor;

use super::Findings;
use super::lints::{
    PAGE_NOT_THERE, PAGE_OUT_OF_RANGE, PAGE_SHARED_BY_ACCIDENT, PAGE_SHARED_WHILE_WRITTEN,
    PAGE_TWICE,
};
use crate::inspect::step::{Request, Step};

pub fn look(step: &Step, findings: &mut Findings) {
    let trace = &step.trace;
    let table = Table::new(step, "kv_page_table", &trace.kv_page_table);
    let mut is_read = vec![Vec::new(); step.requests.len()];
    for list in step.lists() {
        let blocks: &mut Vec<bool> = &mut is_read[list.request.index];
        blocks.resize(table.row(list.request).len(), false);
        list.read().for_each(|block| {
            if let Some(is_read) = blocks.get_mut(block) {
                *is_read = true;
            }
        });
    }
    let pages = trace.kv_pages.shape()[0];
    table.look_for_missing(pages, |request, block| is_read[request][block], findings);
    table.look_for_shared(findings);

    if let Some(inputs) = step.indexer() {
        let table = Table::new(step, "index_page_table", &inputs.index_page_table);
        table.look_for_missing(inputs.index_k_pages.shape()[0], |_, _| true, findings);
        table.look_for_shared(findings);
    }
}

/// A page table, as far as it is followed.
struct Table<'a> {
    name: &'static str,
    step: &'a Step,
    entries: &'a Tensor<u32, 2>,
}

/// A block that is on a page.
#[derive(Clone, Copy)]
struct Use<'a> {
    request: &'a Request,
    block: usize,
}

impl<'a> Table<'a> {
    fn new(step: &'a Step, name: &'static str, entries: &'a Tensor<u32, 2>) -> Self {
        Self { name, step, entries }
    }

    /// The pages of a request's blocks: fewer than it has where the table is too narrow.
    fn row(&self, request: &Request) -> &'a [u32] {
        let width = self.entries.shape()[1];
        &self.entries.data()[request.index * width..][..width.min(request.blocks())]
    }

    fn look_for_missing(
        &self,
        pages: usize,
        is_read: impl Fn(usize, usize) -> bool,
        findings: &mut Findings,
    ) {
        for request in self.step.active() {
            for (block, &page) in self.row(request).iter().enumerate() {
                if (page as usize) < pages {
                    continue;
                }
                let is_read = is_read(request.index, block);
                findings.add(if is_read { &PAGE_OUT_OF_RANGE } else { &PAGE_NOT_THERE }, || {
                    let Self { name, .. } = self;
                    format!(
                        "{name}: request {}, block {block}: page {page} of {pages}",
                        request.index
                    )
                });
            }
        }
    }

    fn look_for_shared(&self, findings: &mut Findings) {
        let mut uses: Vec<(u32, Use)> = Vec::new();
        for request in self.step.active() {
            let row = self.row(request).iter().enumerate();
            uses.extend(row.map(|(block, &page)| (page, Use { request, block })));
        }
        uses.sort_by_key(|(page, _)| *page);
        let mut prefixes = HashMap::new();
        for group in uses.chunk_by(|a, b| a.0 == b.0) {
            let (page, first) = group[0];
            for (_, other) in &group[1..] {
                self.judge(page, first, *other, &mut prefixes, findings);
            }
        }
    }

    /// Judges two blocks that are on one page.
    fn judge(
        &self,
        page: u32,
        a: Use,
        b: Use,
        prefixes: &mut HashMap<(usize, usize), usize>,
        findings: &mut Findings,
    ) {
        let place = || {
            let ((a, a_block), (b, b_block)) =
                ((a.request.index, a.block), (b.request.index, b.block));
            format!(
                "{}: page {page}: request {a}, block {a_block}, and request {b}, block {b_block}",
                self.name
            )
        };
        if a.request.index == b.request.index {
            findings.add(&PAGE_TWICE, place);
            return;
        }
        let prefix = *prefixes.entry((a.request.index, b.request.index)).or_insert_with(|| {
            let pairs = self.row(a.request).iter().zip(self.row(b.request));
            pairs.take_while(|(a, b)| a == b).count()
        });
        if a.block != b.block || a.block >= prefix {
            findings.add(&PAGE_SHARED_BY_ACCIDENT, place);
        } else if (a.block + 1) * BLOCK > a.request.cached.min(b.request.cached) {
            findings.add(&PAGE_SHARED_WHILE_WRITTEN, place);
        }
    }
}
