//! Lists of blocks, beside the scores that the file's operands give.

use msa::IdOrder;

use super::Findings;
use super::lints::{CHOICE_DIFFERS, CHOICE_NEAR, LIST_SHORT, ORDER};
use crate::inspect::margins::{Cut, tolerance};
use crate::inspect::step::{List, Step};

/// What was found as scores went by.
#[derive(Default)]
pub struct Choices {
    pub(super) findings: Findings,
}

impl Choices {
    pub fn add(&mut self, step: &Step, list: &List, scores: &[f32], cut: Option<Cut>) {
        let findings = &mut self.findings;
        let selection = &step.trace.selection;
        let chosen = list.blocks().len();
        let first_local = scores.len().saturating_sub(selection.local_blocks);
        let selectable = |&block: &usize| {
            let is_forced = block < selection.init_blocks || block >= first_local;
            is_forced || scores[block] > f32::NEG_INFINITY
        };
        let there = (0..scores.len()).filter(selectable).count().min(selection.topk);
        if chosen < there {
            findings.add(&LIST_SHORT, || {
                format!("{}: {chosen} blocks, {there} could be chosen", list.place())
            });
        } else if let Some(cut) = cut.filter(|cut| !cut.is_in_order()) {
            let lint = if cut.is_within_tolerance() { &CHOICE_NEAR } else { &CHOICE_DIFFERS };
            findings.add(lint, || {
                let Cut { chosen, chosen_score, left_out, left_out_score } = cut;
                let place = list.place();
                format!("{place}: block {chosen} ({chosen_score:.4}), not {left_out} ({left_out_score:.4})")
            });
        }
        let free = list.read().filter(|block| (selection.init_blocks..first_local).contains(block));
        let free: Vec<f32> = free.map(|block| scores[block]).collect();
        let descends = |a: &f32, b: &f32| *a >= b - tolerance(*b);
        if selection.id_order == IdOrder::Score && !free.is_sorted_by(descends) {
            findings.add(&ORDER, || format!("{}: scores {free:.3?}", list.place()));
        }
    }
}
