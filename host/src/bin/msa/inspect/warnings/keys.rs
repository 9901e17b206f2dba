//! Keys and values in the caches: visible ones that cannot be right, and keys that are past the length.

use std::collections::HashMap;
use std::fmt;

use half::bf16;
use msa::trace::Tensor;
use msa::{BLOCK, HEAD_DIM};
use rayon::prelude::*;

use super::Findings;
use super::lints::{KEYS_PAST_LENGTH, NONFINITE_KEYS, UNWRITTEN_KEYS};
use crate::inspect::step::{Request, Step};

pub fn look(step: &Step, findings: &mut Findings) {
    let (trace, layer) = (&step.trace, step.trace.layer_idx as usize);
    let main =
        Cache { names: &["K", "V"], pages: &trace.kv_pages, table: &trace.kv_page_table, layer };
    main.look(step, findings);
    if let Some(inputs) = step.indexer() {
        let (pages, table) = (&inputs.index_k_pages, &inputs.index_page_table);
        Cache { names: &["index K"], pages, table, layer }.look(step, findings);
    }
}

struct Cache<'a> {
    /// Of the planes; the first holds keys.
    names: &'static [&'static str],
    pages: &'a Tensor<bf16, 6>,
    table: &'a Tensor<u32, 2>,
    layer: usize,
}

/// The vectors of one head in one plane.
#[derive(Clone, Copy)]
struct Lane {
    plane: usize,
    head: usize,
}

/// What one block's visible vectors hold: positions in the request.
#[derive(Default)]
struct Seen {
    zero: Vec<usize>,
    nonfinite: Vec<usize>,
}

impl Cache<'_> {
    fn look(&self, step: &Step, findings: &mut Findings) {
        let mut users: HashMap<u32, usize> = HashMap::new();
        for request in step.active() {
            self.blocks(request).for_each(|(_, page)| *users.entry(page).or_default() += 1);
        }
        let heads = self.pages.shape()[4];
        for request in step.active() {
            for plane in 0..self.names.len() {
                for head in 0..heads {
                    let lane = Lane { plane, head };
                    self.look_at_visible(request, lane, findings);
                    let last = self.blocks(request).last().filter(|(_, page)| users[page] == 1);
                    if let (0, Some((block, page))) = (plane, last) {
                        self.look_past_length(request, lane, block, page, findings);
                    }
                }
            }
        }
    }

    /// The request's blocks that are on a page, and the page.
    fn blocks(&self, request: &Request) -> impl Iterator<Item = (usize, u32)> {
        let width = self.table.shape()[1];
        let row = &self.table.data()[request.index * width..][..width.min(request.blocks())];
        let pages = self.pages.shape()[0];
        row.iter().copied().enumerate().filter(move |(_, page)| (*page as usize) < pages)
    }

    fn look_at_visible(&self, request: &Request, lane: Lane, findings: &mut Findings) {
        let blocks: Vec<(usize, u32)> = self.blocks(request).collect();
        let of_block = |&(block, page): &(usize, u32)| {
            let mut seen = Seen::default();
            for position in block * BLOCK..request.keys().min((block + 1) * BLOCK) {
                let vector = self.vector(page, lane, position % BLOCK);
                if vector.iter().any(|element| !element.is_finite()) {
                    seen.nonfinite.push(position);
                // A value may be zero, a key that has been normalised may not.
                } else if lane.plane == 0 && is_zero(vector) {
                    seen.zero.push(position);
                }
            }
            seen
        };
        let seen: Vec<Seen> = blocks.par_iter().map(of_block).collect();
        let zero = seen.iter().flat_map(|seen| seen.zero.iter().copied());
        let nonfinite = seen.iter().flat_map(|seen| seen.nonfinite.iter().copied());
        let found =
            [(&UNWRITTEN_KEYS, Vec::from_iter(zero)), (&NONFINITE_KEYS, Vec::from_iter(nonfinite))];
        for (lint, positions) in found {
            for run in positions.chunk_by(|a, b| a + 1 == *b) {
                let run = Run { first: run[0], len: run.len(), keys: request.keys() };
                findings.add(lint, || format!("{}: {run}", self.place(request, lane)));
            }
        }
    }

    /// Looks for keys right after the last visible one of a page that is clear after them.
    fn look_past_length(
        &self,
        request: &Request,
        lane: Lane,
        block: usize,
        page: u32,
        findings: &mut Findings,
    ) {
        let visible = request.keys() - block * BLOCK;
        let is_clear = |token: &usize| is_zero(self.vector(page, lane, *token));
        let past = (visible..BLOCK).take_while(|token| !is_clear(token));
        let is_finite = |token| self.vector(page, lane, token).iter().all(|e: &bf16| e.is_finite());
        let keys = past.clone().count();
        let tail = visible + keys..BLOCK;
        let is_own = keys > 0 && !tail.is_empty() && tail.clone().all(|token| is_clear(&token));
        if is_own && past.into_iter().all(is_finite) {
            findings.add(&KEYS_PAST_LENGTH, || {
                let place = self.place(request, lane);
                format!("{place}: {keys} keys after the {} that are visible", request.keys())
            });
        }
    }

    fn vector(&self, page: u32, lane: Lane, token: usize) -> &[bf16] {
        let [_, planes, layers, tokens, heads, dim] = self.pages.shape();
        let vector = (page as usize * planes + lane.plane) * layers + self.layer;
        let vector = (vector * tokens + token) * heads + lane.head;
        &self.pages.data()[vector * dim..][..HEAD_DIM]
    }

    fn place(&self, request: &Request, lane: Lane) -> String {
        format!("{}: request {}, head {}", self.names[lane.plane], request.index, lane.head)
    }
}

fn is_zero(vector: &[bf16]) -> bool {
    vector.iter().all(|element| *element == bf16::ZERO)
}

/// Neighbouring positions.
struct Run {
    first: usize,
    len: usize,
    /// Keys of the request.
    keys: usize,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { first, len, keys } = *self;
        match first + len == keys {
            true => write!(f, "the last {len} of {keys} keys, from position {first}"),
            false => write!(f, "{len} of {keys} keys, from position {first}"),
        }
    }
}
